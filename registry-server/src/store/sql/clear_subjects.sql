-- The subjects of a context, none of them live, whose versions are gone.
UPDATE subjects SET revision = $2, deleted = 0 WHERE context = $1 AND deleted > 0
RETURNING subject
