-- The lowest version that is to be marked ($4 = 0) or removed ($4 = 1) while a content refers to it: one that has a
-- version, live where it is to be marked, which the same delete does not take away. $3 as in `mark_versions.sql`.
-- Questions by whole keys, each answered in a step, and not joins: of tables that PostgreSQL knows nothing of yet it
-- takes each to have a row, and would join all versions of the subject with each other.
SELECT min(r.target_version)
FROM schema_references r
WHERE r.target_context = $1 AND r.target_subject = $2 AND ($3 IS NULL OR r.target_version = $3)
  AND (SELECT v.deleted FROM versions v
       WHERE v.context = $1 AND v.subject = $2 AND v.version = r.target_version) = $4
  AND (SELECT 1 FROM versions u
       WHERE u.context = r.context AND u.id = r.id AND (u.deleted = 0 OR $4 = 1)
         AND NOT (u.context = $1 AND u.subject = $2 AND ($3 IS NULL OR u.version = $3) AND u.deleted = $4)
       LIMIT 1) = 1
