-- Everything about a subject in one statement, so that it is one moment without a transaction: a row per version, at
-- least one; the columns before the version's repeat.
SELECT r.last_change, r.revision, coalesce(c.revision, 0), coalesce(s.revision, 0),
       gc.scope, gc.compatibility, gc.normalize,
       cc.scope, cc.compatibility, cc.normalize,
       sc.scope, sc.compatibility, sc.normalize,
       v.version, v.id, k.dedup_key, v.deleted, v.timestamp_ms
FROM registry r
LEFT JOIN contexts c ON c.context = $1
LEFT JOIN subjects s ON s.context = $1 AND s.subject = $2
LEFT JOIN configs gc ON gc.scope = 'global' AND gc.context = '' AND gc.subject = ''
LEFT JOIN configs cc ON cc.scope = 'context' AND cc.context = $1 AND cc.subject = ''
LEFT JOIN configs sc ON sc.scope = 'subject' AND sc.context = $1 AND sc.subject = $2
LEFT JOIN versions v ON v.context = $1 AND v.subject = $2
LEFT JOIN schemas k ON k.context = v.context AND k.id = v.id
ORDER BY v.version
