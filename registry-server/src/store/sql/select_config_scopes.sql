SELECT scope, compatibility, normalize
FROM configs
WHERE (scope = 'global' AND context = '' AND subject = '')
   OR (scope = 'context' AND context = $1 AND subject = '')
   OR (scope = 'subject' AND context = $1 AND subject = $2)
