-- A page of subjects in one row, in whichever order, with $8 between them; NULL when there is none. A row for each would
-- cost more than its name does: in SQLite it is a message between two threads. $2: the first name, itself shown when $6
-- is 1. $3: names end before it. A subject is listed when it has live versions and $4 is 1, or when it has only
-- soft-deleted ones and $5 is 1.
SELECT string_agg(subject, $8)
FROM (
    SELECT subject
    FROM subjects
    WHERE context = $1 AND subject >= $2 AND (subject > $2 OR $6 = 1) AND subject < $3
      AND ((live > 0 AND $4 = 1) OR (live = 0 AND deleted > 0 AND $5 = 1))
    ORDER BY subject
    LIMIT $7) page;
