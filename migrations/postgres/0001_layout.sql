-- The whole layout. Text keys are compared by bytes (COLLATE "C"), lengths are in bytes of UTF-8, times are
-- milliseconds since the Unix epoch. Numbers and flags are BIGINT, so that statements and rows are those of SQLite.

-- Numbers every change of the database. Numbers are never given twice, so a revision cannot come back after a row was
-- deleted. A sequence and not a row: a row would make every writer wait for every other.
CREATE SEQUENCE change_numbers AS BIGINT;

-- One row. `revision` is the number of the last change that touched the global config or mode.
CREATE TABLE registry (
    only_row BIGINT NOT NULL PRIMARY KEY CHECK (only_row = 1),
    revision BIGINT NOT NULL CHECK (revision >= 0)
);

INSERT INTO registry (only_row, revision) VALUES (1, 0);

-- `last_id` is the last id given in the context; it never goes back, also not after permanent deletes.
-- `revision`: the last change of the context's config or mode.
CREATE TABLE contexts (
    context  TEXT   COLLATE "C" NOT NULL PRIMARY KEY CHECK (octet_length(context) BETWEEN 1 AND 255),
    last_id  BIGINT NOT NULL DEFAULT 0 CHECK (last_id BETWEEN 0 AND 2147483647),
    revision BIGINT NOT NULL DEFAULT 0 CHECK (revision >= 0)
);

-- `revision`: the last change of the subject's versions, config or mode. A row may be there for its config alone.
CREATE TABLE subjects (
    context  TEXT   COLLATE "C" NOT NULL REFERENCES contexts (context) ON DELETE RESTRICT,
    subject  TEXT   COLLATE "C" NOT NULL CHECK (octet_length(subject) <= 2048),
    revision BIGINT NOT NULL CHECK (revision >= 0),
    PRIMARY KEY (context, subject)
);

-- Content. Rows are inserted and deleted, never updated.
CREATE TABLE schemas (
    context     TEXT   COLLATE "C" NOT NULL REFERENCES contexts (context) ON DELETE RESTRICT,
    id          BIGINT NOT NULL CHECK (id BETWEEN 0 AND 2147483647),
    schema_type TEXT   NOT NULL,
    guid        BYTEA  NOT NULL CHECK (octet_length(guid) = 16),
    dedup_key   BYTEA  NOT NULL CHECK (octet_length(dedup_key) = 32),
    text        TEXT   NOT NULL,
    metadata    TEXT,
    rule_set    TEXT,
    PRIMARY KEY (context, id)
);

CREATE INDEX schemas_by_guid ON schemas (guid);
-- Two ids may hold one content (imports), so this index is not unique.
CREATE INDEX schemas_by_dedup_key ON schemas (context, dedup_key);

-- The id that a content gets when it is registered (again).
CREATE TABLE preferred_ids (
    context   TEXT   COLLATE "C" NOT NULL,
    dedup_key BYTEA  NOT NULL CHECK (octet_length(dedup_key) = 32),
    id        BIGINT NOT NULL,
    PRIMARY KEY (context, dedup_key),
    FOREIGN KEY (context, id) REFERENCES schemas (context, id) ON DELETE CASCADE
);

CREATE INDEX preferred_ids_by_id ON preferred_ids (context, id);

CREATE TABLE versions (
    context      TEXT   COLLATE "C" NOT NULL,
    subject      TEXT   COLLATE "C" NOT NULL,
    version      BIGINT NOT NULL CHECK (version BETWEEN 1 AND 2147483647),
    id           BIGINT NOT NULL,
    deleted      BIGINT NOT NULL DEFAULT 0 CHECK (deleted IN (0, 1)),
    timestamp_ms BIGINT NOT NULL,
    PRIMARY KEY (context, subject, version),
    FOREIGN KEY (context, subject) REFERENCES subjects (context, subject) ON DELETE RESTRICT,
    FOREIGN KEY (context, id) REFERENCES schemas (context, id) ON DELETE RESTRICT
);

CREATE INDEX versions_by_id ON versions (context, id);

-- What a content refers to, in the order it was written. `subject` is what the client wrote, `target_*` what it means.
-- A version that is referred to cannot be removed.
CREATE TABLE schema_references (
    context        TEXT   COLLATE "C" NOT NULL,
    id             BIGINT NOT NULL,
    position       BIGINT NOT NULL CHECK (position >= 0),
    name           TEXT   NOT NULL,
    subject        TEXT   NOT NULL,
    target_context TEXT   COLLATE "C" NOT NULL,
    target_subject TEXT   COLLATE "C" NOT NULL,
    target_version BIGINT NOT NULL,
    PRIMARY KEY (context, id, position),
    FOREIGN KEY (context, id) REFERENCES schemas (context, id) ON DELETE CASCADE,
    FOREIGN KEY (target_context, target_subject, target_version)
        REFERENCES versions (context, subject, version) ON DELETE RESTRICT
);

CREATE INDEX schema_references_by_target ON schema_references (target_context, target_subject, target_version);

-- One row per scope that has a config: ('global', '', ''), ('context', C, ''), ('subject', C, S). NULL is "not set".
CREATE TABLE configs (
    scope                TEXT   COLLATE "C" NOT NULL CHECK (scope IN ('global', 'context', 'subject')),
    context              TEXT   COLLATE "C" NOT NULL CHECK (octet_length(context) <= 255),
    subject              TEXT   COLLATE "C" NOT NULL CHECK (octet_length(subject) <= 2048),
    compatibility        TEXT,
    compatibility_policy TEXT,
    compatibility_group  TEXT,
    normalize            BIGINT CHECK (normalize IN (0, 1)),
    validate_fields      BIGINT CHECK (validate_fields IN (0, 1)),
    validate_new_schemas BIGINT CHECK (validate_new_schemas IN (0, 1)),
    validate_rules       BIGINT CHECK (validate_rules IN (0, 1)),
    alias                TEXT,
    alias_for_deks       TEXT,
    default_metadata     TEXT,
    override_metadata    TEXT,
    default_rule_set     TEXT,
    override_rule_set    TEXT,
    PRIMARY KEY (scope, context, subject)
);

-- One row per scope that has a mode; keys as in `configs`.
CREATE TABLE modes (
    scope   TEXT COLLATE "C" NOT NULL CHECK (scope IN ('global', 'context', 'subject')),
    context TEXT COLLATE "C" NOT NULL CHECK (octet_length(context) <= 255),
    subject TEXT COLLATE "C" NOT NULL CHECK (octet_length(subject) <= 2048),
    mode    TEXT NOT NULL,
    PRIMARY KEY (scope, context, subject)
);
