-- Counters of all contexts, the default context, the context and the subject; how many versions that has.
SELECT r.revision, coalesce(d.revision, 0), coalesce(c.revision, 0), coalesce(s.revision, 0),
       coalesce(s.live + s.deleted, 0)
FROM registry r
LEFT JOIN contexts d ON d.context = '.'
LEFT JOIN contexts c ON c.context = $1
LEFT JOIN subjects s ON s.context = $1 AND s.subject = $2
