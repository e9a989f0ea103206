-- The lowest version of a subject, from $3 to $4, that a content refers to: one that has a version, of another subject
-- unless $5 is 1.
SELECT min(r.target_version)
FROM schema_references r
WHERE r.target_context = $1 AND r.target_subject = $2 AND r.target_version BETWEEN $3 AND $4
  AND EXISTS (SELECT 1 FROM versions u
              WHERE u.context = r.context AND u.id = r.id AND ($5 = 1 OR NOT (u.context = $1 AND u.subject = $2)));
