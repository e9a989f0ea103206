-- A version whose number is taken. The counts of the subject are made anew afterwards.
UPDATE registry SET last_change = $3;
UPDATE subjects SET revision = $3 WHERE context = $1 AND subject = $2;
UPDATE versions SET id = $5, deleted = 0, timestamp_ms = $6 WHERE context = $1 AND subject = $2 AND version = $4
RETURNING id;
