SELECT CASE WHEN k.exclusive THEN pg_advisory_xact_lock(k.key) ELSE pg_advisory_xact_lock_shared(k.key) END
FROM unnest($1::bigint[], $2::boolean[]) AS k (key, exclusive)
