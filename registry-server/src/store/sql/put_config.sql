INSERT INTO configs (scope, context, subject, compatibility, normalize) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (scope, context, subject) DO UPDATE
SET compatibility = excluded.compatibility, normalize = excluded.normalize
