-- A content that the id $5 does not hold yet; without one it gets the context's next. The first part of a statement,
-- parameters are shared with the part that follows, `insert_version_postgres.sql` or `replace_version_postgres.sql`.
-- When the largest id has been given, `content_row` is empty and nothing is written, here or there. The context's row is
-- locked until the end of the transaction.
WITH context_row AS (
    INSERT INTO contexts (context, last_id, is_listed) VALUES ($1, coalesce($5::bigint, 1), 1)
    ON CONFLICT (context) DO UPDATE
    SET last_id = CASE WHEN $5 IS NULL THEN contexts.last_id + 1 ELSE greatest(contexts.last_id, $5) END, is_listed = 1
    WHERE contexts.last_id < 2147483647 OR $5 IS NOT NULL
    RETURNING coalesce($5, last_id) AS id
), content_row AS (
    INSERT INTO schemas (context, id, schema_type, guid, dedup_key, text, metadata, rule_set)
    SELECT $1, id, $7, $8, $9, $10, $11, $12 FROM context_row
    RETURNING id
), preferred_row AS (
    INSERT INTO preferred_ids (context, dedup_key, id) SELECT $1, $9, id FROM content_row
    ON CONFLICT (context, dedup_key) DO UPDATE SET id = excluded.id
),
