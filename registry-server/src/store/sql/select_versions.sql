SELECT v.version, v.id, k.dedup_key, v.deleted, v.timestamp_ms
FROM versions v
JOIN schemas k ON k.context = v.context AND k.id = v.id
WHERE v.context = $1 AND v.subject = $2
ORDER BY v.version;
