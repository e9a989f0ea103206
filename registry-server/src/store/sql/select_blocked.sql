-- The lowest version that is to be marked ($4 = 0) or removed ($4 = 1) while a content refers to it: one that has a
-- version, live where it is to be marked, which the same delete does not take away. $3 as in `mark_versions.sql`.
SELECT min(v.version)
FROM versions v
JOIN schema_references r
  ON r.target_context = v.context AND r.target_subject = v.subject AND r.target_version = v.version
JOIN versions u ON u.context = r.context AND u.id = r.id
WHERE v.context = $1 AND v.subject = $2 AND ($3 IS NULL OR v.version = $3) AND v.deleted = $4
  AND (u.deleted = 0 OR $4 = 1)
  AND NOT (u.context = $1 AND u.subject = $2 AND ($3 IS NULL OR u.version = $3) AND u.deleted = $4)
