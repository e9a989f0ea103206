-- Before `remove_unused_schemas` takes a preferred id away: another id of its content that is in use, if there is one.
-- Equal contents have one GUID, by which alone others are looked for; OFFSET 0 keeps PostgreSQL from joining them in
-- another order, through the whole context for each, where it does not know yet how large that is.
INSERT INTO preferred_ids (context, dedup_key, id)
SELECT p.context, p.dedup_key, max(other.id)
FROM schemas own
JOIN preferred_ids p ON p.context = own.context AND p.dedup_key = own.dedup_key AND p.id = own.id
JOIN LATERAL (SELECT context, id, dedup_key FROM schemas WHERE guid = own.guid OFFSET 0) other
  ON other.context = own.context AND other.dedup_key = own.dedup_key
WHERE own.context = $1 AND own.id = ANY (string_to_array($2, ',')::bigint[])
  AND NOT EXISTS (SELECT 1 FROM versions v WHERE v.context = $1 AND v.id = own.id)
  AND EXISTS (SELECT 1 FROM versions v WHERE v.context = $1 AND v.id = other.id)
GROUP BY p.context, p.dedup_key
ON CONFLICT (context, dedup_key) DO UPDATE SET id = excluded.id
