-- A subject is listed when it has live versions and $4 is 1, or when it has only soft-deleted ones and $5 is 1.
SELECT subject
FROM subjects
WHERE context = $1 AND subject >= $2 AND ($3 IS NULL OR subject < $3)
  AND ((live > 0 AND $4 = 1) OR (live = 0 AND deleted > 0 AND $5 = 1));
