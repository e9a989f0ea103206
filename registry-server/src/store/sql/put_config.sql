INSERT INTO configs
    (scope, context, subject, compatibility, compatibility_policy, compatibility_group, normalize,
     validate_fields, validate_new_schemas, validate_rules, alias, alias_for_deks,
     default_metadata, override_metadata, default_rule_set, override_rule_set)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
ON CONFLICT (scope, context, subject) DO UPDATE SET
    compatibility = excluded.compatibility, compatibility_policy = excluded.compatibility_policy,
    compatibility_group = excluded.compatibility_group, normalize = excluded.normalize,
    validate_fields = excluded.validate_fields, validate_new_schemas = excluded.validate_new_schemas,
    validate_rules = excluded.validate_rules, alias = excluded.alias, alias_for_deks = excluded.alias_for_deks,
    default_metadata = excluded.default_metadata, override_metadata = excluded.override_metadata,
    default_rule_set = excluded.default_rule_set, override_rule_set = excluded.override_rule_set
