SELECT v.version, v.id, s.dedup_key, v.deleted, v.timestamp_ms
FROM versions v
JOIN schemas s ON s.context = v.context AND s.id = v.id
WHERE v.context = $1 AND v.subject = $2
ORDER BY v.version
