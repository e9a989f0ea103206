SELECT c.context
FROM contexts c
CROSS JOIN schemas k
WHERE k.context = c.context AND k.id = $1;
