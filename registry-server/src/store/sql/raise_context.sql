INSERT INTO contexts (context, revision) VALUES ($1, $2)
ON CONFLICT (context) DO UPDATE SET revision = excluded.revision
