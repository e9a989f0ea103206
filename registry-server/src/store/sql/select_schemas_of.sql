-- The contents of a subject's versions from $3 to $4, each once; the columns of `select_schema.sql`.
SELECT id, -1, schema_type, text, metadata, rule_set, guid, dedup_key, NULL
FROM schemas WHERE context = $1 AND id IN (
    SELECT v.id FROM versions v WHERE v.context = $1 AND v.subject = $2 AND v.version BETWEEN $3 AND $4)
UNION ALL
SELECT id, position, name, subject, target_context, target_subject, NULL, NULL, target_version
FROM schema_references WHERE context = $1 AND id IN (
    SELECT v.id FROM versions v WHERE v.context = $1 AND v.subject = $2 AND v.version BETWEEN $3 AND $4);
