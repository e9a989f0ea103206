-- A version whose number is taken. The counts of the subject are made anew afterwards. A part of a statement that
-- begins with WITH.
subject_row AS (UPDATE subjects SET revision = $3 WHERE context = $1 AND subject = $2)
UPDATE versions SET id = $5, deleted = 0, timestamp_ms = $6 WHERE context = $1 AND subject = $2 AND version = $4
