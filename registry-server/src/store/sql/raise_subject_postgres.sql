-- The subject's row, and its context's, are made when they are not there.
WITH context_row AS (INSERT INTO contexts (context) VALUES ($1) ON CONFLICT (context) DO NOTHING)
INSERT INTO subjects (context, subject, revision) VALUES ($1, $2, $3)
ON CONFLICT (context, subject) DO UPDATE SET revision = excluded.revision
