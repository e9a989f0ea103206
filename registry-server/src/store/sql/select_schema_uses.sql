SELECT r.last_change, v.subject, v.version, v.id, s.dedup_key, v.deleted, v.timestamp_ms
FROM registry r
LEFT JOIN versions v ON v.context = $1 AND v.id = $2
LEFT JOIN schemas s ON s.context = v.context AND s.id = v.id
