SELECT v.version, v.id, k.dedup_key, v.deleted, v.timestamp_ms, v.subject
FROM versions v
JOIN schemas k ON k.context = v.context AND k.id = v.id
WHERE v.context = $1 AND v.id = $2;
