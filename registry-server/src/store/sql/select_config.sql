SELECT r.last_change, c.scope, c.compatibility, c.normalize
FROM registry r
LEFT JOIN configs c ON c.scope = $1 AND c.context = $2 AND c.subject = $3
