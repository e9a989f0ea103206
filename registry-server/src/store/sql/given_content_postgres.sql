-- A content that is there: the first part of a statement, as `insert_content_postgres.sql` is.
WITH content_row AS (SELECT $5::bigint AS id),
