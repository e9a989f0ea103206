-- References of contents that only soft-deleted versions of a scope use. $1 as in `select_blocked_in_scope.sql`.
DELETE FROM schema_references
WHERE NOT EXISTS (
    SELECT 1 FROM versions u
    WHERE u.context = schema_references.context AND u.id = schema_references.id
      AND NOT (u.deleted = 1 AND ($1 IS NULL OR u.context = $1)))
