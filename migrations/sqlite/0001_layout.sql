-- The whole layout. Text keys are compared by bytes (SQLite's BINARY collation), lengths are in bytes of UTF-8,
-- times are milliseconds since the Unix epoch.

-- One row. `last_change` numbers every change of the database; `revision` is the number of the last one that touched
-- the global config or mode. Numbers are never given twice, so a revision cannot come back after a row was deleted.
CREATE TABLE registry (
    only_row    INTEGER NOT NULL PRIMARY KEY CHECK (only_row = 1),
    last_change INTEGER NOT NULL CHECK (last_change >= 0),
    revision    INTEGER NOT NULL CHECK (revision >= 0)
) STRICT;

INSERT INTO registry (only_row, last_change, revision) VALUES (1, 0, 0);

-- `last_id` is the last id given in the context; it never goes back, also not after permanent deletes.
-- `revision`: the last change of the context's config or mode.
CREATE TABLE contexts (
    context  TEXT    NOT NULL PRIMARY KEY CHECK (octet_length(context) BETWEEN 1 AND 255),
    last_id  INTEGER NOT NULL DEFAULT 0 CHECK (last_id BETWEEN 0 AND 2147483647),
    revision INTEGER NOT NULL DEFAULT 0 CHECK (revision >= 0)
) STRICT, WITHOUT ROWID;

-- `revision`: the last change of the subject's versions, config or mode. A row may be there for its config alone.
CREATE TABLE subjects (
    context  TEXT    NOT NULL REFERENCES contexts (context) ON DELETE RESTRICT,
    subject  TEXT    NOT NULL CHECK (octet_length(subject) <= 2048),
    revision INTEGER NOT NULL CHECK (revision >= 0),
    PRIMARY KEY (context, subject)
) STRICT, WITHOUT ROWID;

-- Content. Rows are inserted and deleted, never updated. The large columns stand last: a row that is read for its key
-- alone stays on one page.
CREATE TABLE schemas (
    context     TEXT    NOT NULL REFERENCES contexts (context) ON DELETE RESTRICT,
    id          INTEGER NOT NULL CHECK (id BETWEEN 0 AND 2147483647),
    schema_type TEXT    NOT NULL,
    guid        BLOB    NOT NULL CHECK (length(guid) = 16),
    dedup_key   BLOB    NOT NULL CHECK (length(dedup_key) = 32),
    text        TEXT    NOT NULL,
    metadata    TEXT,
    rule_set    TEXT,
    PRIMARY KEY (context, id)
) STRICT;

CREATE INDEX schemas_by_guid ON schemas (guid);
-- Two ids may hold one content (imports), so this index is not unique.
CREATE INDEX schemas_by_dedup_key ON schemas (context, dedup_key);

-- The id that a content gets when it is registered (again).
CREATE TABLE preferred_ids (
    context   TEXT    NOT NULL,
    dedup_key BLOB    NOT NULL CHECK (length(dedup_key) = 32),
    id        INTEGER NOT NULL,
    PRIMARY KEY (context, dedup_key),
    FOREIGN KEY (context, id) REFERENCES schemas (context, id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE INDEX preferred_ids_by_id ON preferred_ids (context, id);

CREATE TABLE versions (
    context      TEXT    NOT NULL,
    subject      TEXT    NOT NULL,
    version      INTEGER NOT NULL CHECK (version BETWEEN 1 AND 2147483647),
    id           INTEGER NOT NULL,
    deleted      INTEGER NOT NULL DEFAULT 0 CHECK (deleted IN (0, 1)),
    timestamp_ms INTEGER NOT NULL,
    PRIMARY KEY (context, subject, version),
    FOREIGN KEY (context, subject) REFERENCES subjects (context, subject) ON DELETE RESTRICT,
    FOREIGN KEY (context, id) REFERENCES schemas (context, id) ON DELETE RESTRICT
) STRICT, WITHOUT ROWID;

CREATE INDEX versions_by_id ON versions (context, id);

-- What a content refers to, in the order it was written. `subject` is what the client wrote, `target_*` what it means.
-- A version that is referred to cannot be removed.
CREATE TABLE schema_references (
    context        TEXT    NOT NULL,
    id             INTEGER NOT NULL,
    position       INTEGER NOT NULL CHECK (position >= 0),
    name           TEXT    NOT NULL,
    subject        TEXT    NOT NULL,
    target_context TEXT    NOT NULL,
    target_subject TEXT    NOT NULL,
    target_version INTEGER NOT NULL,
    PRIMARY KEY (context, id, position),
    FOREIGN KEY (context, id) REFERENCES schemas (context, id) ON DELETE CASCADE,
    FOREIGN KEY (target_context, target_subject, target_version)
        REFERENCES versions (context, subject, version) ON DELETE RESTRICT
) STRICT, WITHOUT ROWID;

CREATE INDEX schema_references_by_target ON schema_references (target_context, target_subject, target_version);

-- One row per scope that has a config: ('global', '', ''), ('context', C, ''), ('subject', C, S). NULL is "not set".
CREATE TABLE configs (
    scope                TEXT NOT NULL CHECK (scope IN ('global', 'context', 'subject')),
    context              TEXT NOT NULL CHECK (octet_length(context) <= 255),
    subject              TEXT NOT NULL CHECK (octet_length(subject) <= 2048),
    compatibility        TEXT,
    compatibility_policy TEXT,
    compatibility_group  TEXT,
    normalize            INTEGER CHECK (normalize IN (0, 1)),
    validate_fields      INTEGER CHECK (validate_fields IN (0, 1)),
    validate_new_schemas INTEGER CHECK (validate_new_schemas IN (0, 1)),
    validate_rules       INTEGER CHECK (validate_rules IN (0, 1)),
    alias                TEXT,
    alias_for_deks       TEXT,
    default_metadata     TEXT,
    override_metadata    TEXT,
    default_rule_set     TEXT,
    override_rule_set    TEXT,
    PRIMARY KEY (scope, context, subject)
) STRICT, WITHOUT ROWID;

-- One row per scope that has a mode; keys as in `configs`.
CREATE TABLE modes (
    scope   TEXT NOT NULL CHECK (scope IN ('global', 'context', 'subject')),
    context TEXT NOT NULL CHECK (octet_length(context) <= 255),
    subject TEXT NOT NULL CHECK (octet_length(subject) <= 2048),
    mode    TEXT NOT NULL,
    PRIMARY KEY (scope, context, subject)
) STRICT, WITHOUT ROWID;
