-- Fills a database that has no schemas yet: 100,000 of them in 20,000 subjects, each text of about 350 bytes.
INSERT INTO contexts (context, last_id, is_listed) VALUES ('.', 100000, 1)
ON CONFLICT (context) DO UPDATE SET last_id = excluded.last_id, is_listed = excluded.is_listed;

WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
INSERT INTO subjects (context, subject, revision, live, deleted)
SELECT '.', printf('subject-%05d-value', i), i, 5, 0 FROM n;

WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000)
INSERT INTO schemas (context, id, schema_type, guid, dedup_key, text)
SELECT '.', i, 'AVRO', unhex(printf('%032d', i)), unhex(printf('%064d', i)),
       printf('{"type":"fixed","name":"F%d","size":%d,"doc":"%s"}', i, i, hex(zeroblob(150)))
FROM n;

INSERT INTO versions (context, subject, version, id, timestamp_ms)
SELECT '.', printf('subject-%05d-value', 1 + (id - 1) / 5), 1 + (id - 1) % 5, id, 0 FROM schemas;

UPDATE registry SET last_change = 100000;
