-- Soft-deleted versions of a subject that hold the same content as a newer one.
DELETE FROM versions
WHERE context = $1 AND subject = $2 AND id = $3 AND version < $4 AND deleted = 1
  AND NOT EXISTS (
      SELECT 1 FROM schema_references r
      WHERE r.target_context = versions.context AND r.target_subject = versions.subject
        AND r.target_version = versions.version)
RETURNING version, id
