-- Before `remove_unused_schemas` takes a preferred id away: another id of its content that is in use, if there is one.
-- Equal contents have one GUID. CROSS JOIN: beginning with the ids, not with all of the context.
INSERT INTO preferred_ids (context, dedup_key, id)
SELECT p.context, p.dedup_key, max(other.id)
FROM json_each('[' || $2 || ']') gone
CROSS JOIN schemas own ON own.context = $1 AND own.id = gone.value
CROSS JOIN preferred_ids p ON p.context = own.context AND p.dedup_key = own.dedup_key AND p.id = own.id
CROSS JOIN schemas other ON other.guid = own.guid AND other.context = own.context AND other.dedup_key = own.dedup_key
WHERE NOT EXISTS (SELECT 1 FROM versions v WHERE v.context = $1 AND v.id = own.id)
  AND EXISTS (SELECT 1 FROM versions v WHERE v.context = $1 AND v.id = other.id)
GROUP BY p.context, p.dedup_key
ON CONFLICT (context, dedup_key) DO UPDATE SET id = excluded.id
