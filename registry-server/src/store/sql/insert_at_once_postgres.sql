-- A version of the next number, if the decision still stands: all of the write by one statement, with the parameters of
-- `insert_at_once_sqlite.sql`. The first part: what follows reads `written`, which has no row when something has moved
-- (then `looked` says so), when an older version may have to go, or when the last number or id has been given; then
-- nothing was written. The context's row is locked until the end of the transaction, and foreign keys are checked at the
-- end of the statement.
WITH looked AS (
    SELECT r.revision = $4 AND coalesce(d.revision, 0) = $5 AND coalesce(c.revision, 0) = $6
               AND coalesce(s.revision, 0) = $7 AS stands,
           n.version, p.id, coalesce(s.deleted, 0) AS deleted
    FROM registry r
    CROSS JOIN LATERAL (
        SELECT coalesce(max(v.version), 0) + 1 AS version FROM versions v WHERE v.context = $1 AND v.subject = $2) n
    LEFT JOIN contexts d ON d.context = '.'
    LEFT JOIN contexts c ON c.context = $1
    LEFT JOIN subjects s ON s.context = $1 AND s.subject = $2
    LEFT JOIN preferred_ids p ON p.context = $1 AND p.dedup_key = $3
), state AS (
    SELECT nextval('change_numbers') AS change, version, id FROM looked
    WHERE stands AND (id IS NULL OR deleted = 0) AND version <= 2147483647
), context_row AS (
    INSERT INTO contexts (context, last_id, is_listed) SELECT $1, 1, 1 FROM state WHERE id IS NULL
    ON CONFLICT (context) DO UPDATE SET last_id = contexts.last_id + 1, is_listed = 1
    WHERE contexts.last_id < 2147483647
    RETURNING last_id
), content_row AS (
    INSERT INTO schemas (context, id, schema_type, guid, dedup_key, text, metadata, rule_set)
    SELECT $1, last_id, $9, $10, $3, $11, $12, $13 FROM context_row
    RETURNING id
), preferred_row AS (
    INSERT INTO preferred_ids (context, dedup_key, id) SELECT $1, $3, id FROM content_row
), id_row AS (
    SELECT id FROM state WHERE id IS NOT NULL UNION ALL SELECT id FROM content_row
), subject_row AS (
    INSERT INTO subjects (context, subject, revision, live) SELECT $1, $2, change, 1 FROM state CROSS JOIN id_row
    ON CONFLICT (context, subject) DO UPDATE SET revision = excluded.revision, live = subjects.live + 1
), version_row AS (
    INSERT INTO versions (context, subject, version, id, timestamp_ms)
    SELECT $1, $2, version, id_row.id, $8 FROM state CROSS JOIN id_row
    RETURNING version, id
), written AS (
    SELECT state.change, version_row.version, version_row.id, state.id IS NULL AS is_new
    FROM state CROSS JOIN version_row
)
