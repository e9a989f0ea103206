-- Contents that are equal have one GUID, so that its index finds them, too: one index less that each new content has a
-- page of its own to write in.
DROP INDEX schemas_by_dedup_key;
