-- A content that the id does not hold yet: the first part of a statement, parameters are shared with the part that
-- follows, `insert_version_postgres.sql` or `replace_version_postgres.sql`. Foreign keys are checked at its end.
WITH context_row AS (
    INSERT INTO contexts (context, last_id, is_listed) VALUES ($1, $5, 1)
    ON CONFLICT (context) DO UPDATE SET last_id = greatest(contexts.last_id, excluded.last_id), is_listed = 1
), content_row AS (
    INSERT INTO schemas (context, id, schema_type, guid, dedup_key, text, metadata, rule_set)
    VALUES ($1, $5, $7, $8, $9, $10, $11, $12)
), preferred_row AS (
    INSERT INTO preferred_ids (context, dedup_key, id) VALUES ($1, $9, $5)
    ON CONFLICT (context, dedup_key) DO UPDATE SET id = excluded.id
),
