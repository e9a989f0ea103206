-- Fills a database that has no schemas yet: 100,000 of them in 20,000 subjects, each text of about 350 bytes.
INSERT INTO contexts (context, last_id, is_listed) VALUES ('.', 100000, 1)
ON CONFLICT (context) DO UPDATE SET last_id = excluded.last_id, is_listed = excluded.is_listed;

INSERT INTO subjects (context, subject, revision, live, deleted)
SELECT '.', format('subject-%s-value', lpad(i::text, 5, '0')), i, 5, 0 FROM generate_series(1, 20000) i;

INSERT INTO schemas (context, id, schema_type, guid, dedup_key, text)
SELECT '.', i, 'AVRO', decode(lpad(i::text, 32, '0'), 'hex'), decode(lpad(i::text, 64, '0'), 'hex'),
       format('{"type":"fixed","name":"F%s","size":%s,"doc":"%s"}', i, i, repeat('0', 300))
FROM generate_series(1, 100000) i;

INSERT INTO preferred_ids (context, dedup_key, id) SELECT context, dedup_key, id FROM schemas;

INSERT INTO versions (context, subject, version, id, timestamp_ms)
SELECT '.', format('subject-%s-value', lpad((1 + (id - 1) / 5)::text, 5, '0')), 1 + (id - 1) % 5, id, 0 FROM schemas;

SELECT setval('change_numbers', 100000);
