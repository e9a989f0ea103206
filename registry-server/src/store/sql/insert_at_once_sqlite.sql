-- A version of the next number, if the decision still stands: all of the write by one statement. What is to be written
-- is worked out here, `new_versions_sqlite.sql` writes it. The row of what was written comes after COMMIT, where no
-- transaction is open. None comes when something has moved, when an older version may have to go, or when the last
-- number or id has been given; then nothing was written. A new content gets no row in `preferred_ids`: as long as it
-- has one id, its GUID finds that.
INSERT INTO new_versions
    (context, subject, dedup_key, timestamp_ms, schema_type, guid, text, metadata, rule_set,
     change, version, id, stands, is_new)
SELECT $1, $2, $3, $8, $9, $10, $11, $12, $13,
       change, version, id, stands AND version <= 2147483647 AND id <= 2147483647, is_new
FROM (
    SELECT r.last_change + 1 AS change,
           coalesce((SELECT max(v.version) FROM versions v WHERE v.context = $1 AND v.subject = $2), 0) + 1 AS version,
           coalesce(p.id, o.id, c.last_id + 1, 1) AS id,
           r.revision = $4 AND coalesce(d.revision, 0) = $5 AND coalesce(c.revision, 0) = $6
               AND coalesce(s.revision, 0) = $7
               AND (coalesce(p.id, o.id) IS NULL OR coalesce(s.deleted, 0) = 0) AS stands,
           coalesce(p.id, o.id) IS NULL AS is_new
    FROM (SELECT max(k.id) AS id FROM schemas k INDEXED BY schemas_by_guid
          WHERE k.guid = $10 AND k.context = $1 AND k.dedup_key = $3) o
    CROSS JOIN registry r
    LEFT JOIN contexts d ON d.context = '.'
    LEFT JOIN contexts c ON c.context = $1
    LEFT JOIN subjects s ON s.context = $1 AND s.subject = $2
    LEFT JOIN preferred_ids p ON p.context = $1 AND p.dedup_key = $3
);
SELECT change, version, id, is_new FROM written
