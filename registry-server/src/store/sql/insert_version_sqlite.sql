-- A version with a number that is free, of a content that is there.
UPDATE registry SET last_change = $3;
INSERT INTO subjects (context, subject, revision, live) VALUES ($1, $2, $3, 1)
ON CONFLICT (context, subject) DO UPDATE SET revision = excluded.revision, live = live + 1;
INSERT INTO versions (context, subject, version, id, timestamp_ms) VALUES ($1, $2, $4, $5, $6)
RETURNING id;
