-- The first version of a context that a content of another context refers to.
SELECT target_subject, target_version
FROM schema_references
WHERE target_context = $1 AND context <> $1
ORDER BY target_subject, target_version
LIMIT 1
