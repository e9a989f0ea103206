-- A subject, or the settings of a scope, in one statement so that it is one moment: a row per version, a row per scope
-- that applies and has settings (level 0 the subject's, 1 the context's, 2 the default context's, 3 those of all
-- contexts), and a row of counters as in `select_revision.sql`.
SELECT v.version, v.id, k.dedup_key, v.deleted, v.timestamp_ms,
       CAST(NULL AS bigint), CAST(NULL AS text), CAST(NULL AS text), CAST(NULL AS text), CAST(NULL AS text),
       CAST(NULL AS bigint), CAST(NULL AS bigint), CAST(NULL AS bigint), CAST(NULL AS bigint), CAST(NULL AS text),
       CAST(NULL AS text), CAST(NULL AS text), CAST(NULL AS text), CAST(NULL AS text), CAST(NULL AS text),
       CAST(NULL AS text), CAST(NULL AS bigint), CAST(NULL AS bigint), CAST(NULL AS bigint), CAST(NULL AS bigint)
FROM versions v
JOIN schemas k ON k.context = v.context AND k.id = v.id
WHERE v.context = $1 AND v.subject = $2
UNION ALL
SELECT NULL, NULL, NULL, NULL, NULL,
       k.level, c.scope, c.compatibility, c.compatibility_policy, c.compatibility_group, c.normalize,
       c.validate_fields, c.validate_new_schemas, c.validate_rules, c.alias, c.alias_for_deks,
       c.default_metadata, c.override_metadata, c.default_rule_set, c.override_rule_set, m.mode,
       NULL, NULL, NULL, NULL
FROM (SELECT 0 AS level, 'subject' AS scope, $1 AS context, $2 AS subject
      UNION ALL SELECT 1, 'context', $1, ''
      UNION ALL SELECT 2, 'context', '.', ''
      UNION ALL SELECT 3, 'global', '', '') k
LEFT JOIN configs c ON c.scope = k.scope AND c.context = k.context AND c.subject = k.subject
LEFT JOIN modes m ON m.scope = k.scope AND m.context = k.context AND m.subject = k.subject
WHERE c.scope IS NOT NULL OR m.mode IS NOT NULL
UNION ALL
SELECT NULL, NULL, NULL, NULL, NULL,
       NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
       r.revision, coalesce(d.revision, 0), coalesce(c.revision, 0), coalesce(s.revision, 0)
FROM registry r
LEFT JOIN contexts d ON d.context = '.'
LEFT JOIN contexts c ON c.context = $1
LEFT JOIN subjects s ON s.context = $1 AND s.subject = $2;
