-- One row per scope that applies and has settings: 0 the subject's, 1 the context's, 2 the default context's, 3 those
-- of all contexts.
SELECT k.level, c.scope, c.compatibility, c.compatibility_policy, c.compatibility_group, c.normalize,
       c.validate_fields, c.validate_new_schemas, c.validate_rules, c.alias, c.alias_for_deks,
       c.default_metadata, c.override_metadata, c.default_rule_set, c.override_rule_set, m.mode
FROM (SELECT 0 AS level, 'subject' AS scope, $1 AS context, $2 AS subject
      UNION ALL SELECT 1, 'context', $1, ''
      UNION ALL SELECT 2, 'context', '.', ''
      UNION ALL SELECT 3, 'global', '', '') k
LEFT JOIN configs c ON c.scope = k.scope AND c.context = k.context AND c.subject = k.subject
LEFT JOIN modes m ON m.scope = k.scope AND m.context = k.context AND m.subject = k.subject
WHERE c.scope IS NOT NULL OR m.mode IS NOT NULL;
