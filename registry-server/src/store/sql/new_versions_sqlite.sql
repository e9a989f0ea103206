-- The writing connection's own: what is inserted here is written as a version, and as a content when it is new, if its
-- decision stands. So one statement does it all, in one round trip, and is its own transaction where none is open. What
-- it has written is told by `written`, not by RETURNING: a row that comes before COMMIT would wake who waits for the
-- end.
CREATE TEMP TABLE written (
    only_row INTEGER NOT NULL PRIMARY KEY CHECK (only_row = 1),
    change   INTEGER NOT NULL,
    version  INTEGER NOT NULL,
    id       INTEGER NOT NULL,
    is_new   INTEGER NOT NULL
) STRICT;
CREATE TEMP VIEW new_versions AS
SELECT NULL AS context, NULL AS subject, NULL AS dedup_key, NULL AS timestamp_ms, NULL AS schema_type, NULL AS guid,
       NULL AS text, NULL AS metadata, NULL AS rule_set, NULL AS change, NULL AS version, NULL AS id, NULL AS stands,
       NULL AS is_new;
-- In whichever order: foreign keys are checked at the end.
CREATE TEMP TRIGGER new_content INSTEAD OF INSERT ON new_versions WHEN new.stands AND new.is_new BEGIN
    INSERT INTO contexts (context, last_id, is_listed) VALUES (new.context, new.id, 1)
    ON CONFLICT (context) DO UPDATE SET last_id = excluded.last_id, is_listed = 1;
    INSERT INTO schemas (context, id, schema_type, guid, dedup_key, text, metadata, rule_set)
    VALUES (new.context, new.id, new.schema_type, new.guid, new.dedup_key, new.text, new.metadata, new.rule_set);
END;
CREATE TEMP TRIGGER new_version INSTEAD OF INSERT ON new_versions WHEN new.stands BEGIN
    UPDATE registry SET last_change = new.change;
    INSERT INTO subjects (context, subject, revision, live) VALUES (new.context, new.subject, new.change, 1)
    ON CONFLICT (context, subject) DO UPDATE SET revision = excluded.revision, live = live + 1;
    INSERT INTO versions (context, subject, version, id, timestamp_ms)
    VALUES (new.context, new.subject, new.version, new.id, new.timestamp_ms);
    REPLACE INTO written (only_row, change, version, id, is_new)
    VALUES (1, new.change, new.version, new.id, new.is_new);
END;
CREATE TEMP TRIGGER nothing_new INSTEAD OF INSERT ON new_versions WHEN NOT new.stands BEGIN
    DELETE FROM written;
END;
