SELECT r.revision, coalesce(c.revision, 0), coalesce(s.revision, 0)
FROM registry r
LEFT JOIN contexts c ON c.context = $1
LEFT JOIN subjects s ON s.context = $1 AND s.subject = $2
