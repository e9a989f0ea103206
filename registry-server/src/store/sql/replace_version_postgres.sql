-- A version whose number is taken, of a content that the part before names. The counts of the subject are made anew
-- afterwards.
subject_row AS (UPDATE subjects SET revision = $3 FROM content_row WHERE context = $1 AND subject = $2)
UPDATE versions SET id = content_row.id, deleted = 0, timestamp_ms = $6 FROM content_row
WHERE context = $1 AND subject = $2 AND version = $4
RETURNING content_row.id
