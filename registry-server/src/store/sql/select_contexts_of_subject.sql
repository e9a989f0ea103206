-- There are few contexts, so each is asked by the subject's key.
SELECT c.context
FROM contexts c
CROSS JOIN subjects s
WHERE s.context = c.context AND s.subject = $1 AND s.live + s.deleted > 0;
