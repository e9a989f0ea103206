-- A subject is listed when it has live versions and $2 is 1, or when it has only soft-deleted ones and $3 is 1.
SELECT r.last_change, l.subject
FROM registry r
LEFT JOIN (
    SELECT subject, min(deleted) AS deleted FROM versions WHERE context = $1 GROUP BY subject
) l ON (l.deleted = 0 AND $2 = 1) OR (l.deleted = 1 AND $3 = 1)
