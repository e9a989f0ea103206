INSERT INTO subjects (context, subject, revision) VALUES ($1, $2, $3)
ON CONFLICT (context, subject) DO UPDATE SET revision = excluded.revision
