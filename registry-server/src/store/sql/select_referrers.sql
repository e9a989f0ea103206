-- A content that refers to the version twice is one row.
SELECT r.context, r.id,
       EXISTS (SELECT 1 FROM versions v WHERE v.context = r.context AND v.id = r.id AND v.deleted = 0)
FROM schema_references r
WHERE r.target_context = $1 AND r.target_subject = $2 AND r.target_version = $3
GROUP BY r.context, r.id
ORDER BY r.context, r.id;
