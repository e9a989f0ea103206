-- What the version that a reference leads to has for a content, and whether it is soft-deleted.
SELECT k.dedup_key, v.deleted
FROM versions v
JOIN schemas k ON k.context = v.context AND k.id = v.id
WHERE v.context = $1 AND v.subject = $2 AND v.version = $3
