-- A version with a number that is free, of a content that the part before names. Foreign keys are checked at the end.
subject_row AS (
    INSERT INTO subjects (context, subject, revision, live) SELECT $1, $2, $3, 1 FROM content_row
    ON CONFLICT (context, subject) DO UPDATE SET revision = excluded.revision, live = subjects.live + 1
)
INSERT INTO versions (context, subject, version, id, timestamp_ms) SELECT $1, $2, $4, id, $6 FROM content_row
RETURNING id
