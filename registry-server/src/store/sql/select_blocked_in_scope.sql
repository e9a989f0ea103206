-- The first soft-deleted version of a scope that something outside of what is soft-deleted there refers to. $1 is one
-- context or NULL for all.
SELECT v.context, v.subject, v.version
FROM schema_references r
JOIN versions v ON v.context = r.target_context AND v.subject = r.target_subject AND v.version = r.target_version
JOIN versions u ON u.context = r.context AND u.id = r.id
WHERE v.deleted = 1 AND ($1 IS NULL OR v.context = $1)
  AND NOT (u.deleted = 1 AND ($1 IS NULL OR u.context = $1))
ORDER BY v.context, v.subject, v.version
LIMIT 1
