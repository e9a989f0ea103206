-- The content in one row and a row per reference, each behind the id, in one statement so that it is one moment.
SELECT id, -1, schema_type, text, metadata, rule_set, guid, dedup_key, NULL
FROM schemas WHERE context = $1 AND id = $2
UNION ALL
SELECT id, position, name, subject, target_context, target_subject, NULL, NULL, target_version
FROM schema_references WHERE context = $1 AND id = $2;
