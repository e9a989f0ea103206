-- Makes the counts of a subject what they are.
UPDATE subjects SET
    live = (SELECT count(*) FROM versions v WHERE v.context = $1 AND v.subject = $2 AND v.deleted = 0),
    deleted = (SELECT count(*) FROM versions v WHERE v.context = $1 AND v.subject = $2 AND v.deleted = 1)
WHERE context = $1 AND subject = $2
RETURNING live + deleted
