-- References of contents that only the versions use that `remove_versions.sql` is about to remove.
DELETE FROM schema_references
WHERE context = $1 AND id IN (
    SELECT v.id FROM versions v
    WHERE v.context = $1 AND v.subject = $2 AND ($3 IS NULL OR v.version = $3) AND v.deleted = 1
      AND NOT EXISTS (
          SELECT 1 FROM versions u
          WHERE u.context = $1 AND u.id = v.id
            AND NOT (u.subject = $2 AND ($3 IS NULL OR u.version = $3) AND u.deleted = 1)))
