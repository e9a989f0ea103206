-- The global settings of before governed the default context; they become that context's. From now on 'global' means
-- all contexts.
UPDATE configs SET scope = 'context', context = '.' WHERE scope = 'global';
UPDATE modes SET scope = 'context', context = '.' WHERE scope = 'global';
INSERT INTO contexts (context, revision) SELECT '.', revision FROM registry WHERE revision > 0
ON CONFLICT (context) DO UPDATE SET revision = greatest(contexts.revision, excluded.revision);

-- A context is listed from its first version until it is deleted; its row stays for its last id and its settings.
ALTER TABLE contexts ADD COLUMN is_listed BIGINT NOT NULL DEFAULT 0 CHECK (is_listed IN (0, 1));
UPDATE contexts SET is_listed = 1 WHERE last_id > 0;

-- How many versions a subject has, so that lists of subjects need not look at versions.
ALTER TABLE subjects ADD COLUMN live BIGINT NOT NULL DEFAULT 0 CHECK (live >= 0);
ALTER TABLE subjects ADD COLUMN deleted BIGINT NOT NULL DEFAULT 0 CHECK (deleted >= 0);
UPDATE subjects SET
    live = (SELECT count(*) FROM versions v
            WHERE v.context = subjects.context AND v.subject = subjects.subject AND v.deleted = 0),
    deleted = (SELECT count(*) FROM versions v
               WHERE v.context = subjects.context AND v.subject = subjects.subject AND v.deleted = 1);

CREATE INDEX configs_with_alias ON configs (context, subject) WHERE alias IS NOT NULL;
