//! How PostgreSQL finds what is asked about one context, and how long removing a large one takes, or a large subject.

use std::sync::Arc;
use std::time::Instant;

use end_to_end_tests::services::postgres::Postgres;
use registry_server::store::conformance::{pair, register, subject};
use registry_server::store::{
    DeleteMode, ImportDemand, Mode, ModePut, PostgresStore, Removed, Scope, Store, SubjectKey,
};

use super::store::database_of;

/// The file of a statement, with values for its parameters.
macro_rules! statement {
    ($name:literal, $values:literal) => {
        ($name, include_str!(concat!("../../../registry-server/src/store/sql/", $name, ".sql")), $values)
    };
}

/// Statements about one context, those of its way into IMPORT.
const OF_A_CONTEXT: [(&str, &str, &str); 9] = [
    statement!("select_is_live_in_context", "'.team'"),
    statement!("select_has_versions", "'.team'"),
    statement!("select_blocked_in_context", "'.team'"),
    statement!("remove_references_in_context", "'.team'"),
    statement!("remove_versions_in_context", "'.team'"),
    statement!("remove_preferred_ids_in_context", "'.team'"),
    statement!("remove_schemas_in_context", "'.team'"),
    statement!("clear_subjects", "'.team', 1"),
    statement!("remove_idle_subjects", "'.team', 1"),
];

#[tokio::test]
async fn what_is_asked_about_one_context_walks_through_no_table() {
    let postgres = Postgres::shared().unwrap();
    let url = postgres.create_database().unwrap();
    PostgresStore::open(&url).await.unwrap().close().await;

    for (name, statement, values) in OF_A_CONTEXT {
        // Tables are empty, for which it would take no index.
        let explain = format!(
            "SET enable_seqscan = off; SET plan_cache_mode = force_generic_plan;
             PREPARE asked AS {statement}; EXPLAIN EXECUTE asked({values})"
        );
        let plan = postgres.psql(database_of(&url), &explain).unwrap();

        assert!(plan.contains("Index Cond: (") && !plan.contains("Seq Scan"), "{name}: {plan}");
    }
}

const SUBJECTS: u32 = 20_000;

/// A soft-deleted version in each, which refers to that of the next.
const FILL: &str = "
    INSERT INTO contexts (context, last_id, is_listed) VALUES ('.', 20000, 1)
    ON CONFLICT (context) DO UPDATE SET last_id = excluded.last_id, is_listed = excluded.is_listed;
    INSERT INTO subjects (context, subject, revision, live, deleted) SELECT '.', 's' || i, i, 0, 1
    FROM generate_series(0, 19999) i;
    INSERT INTO schemas (context, id, schema_type, guid, dedup_key, text)
    SELECT '.', i, 'AVRO', decode(lpad(i::text, 32, '0'), 'hex'), decode(lpad(i::text, 64, '0'), 'hex'), repeat('x', 300)
    FROM generate_series(1, 20000) i;
    INSERT INTO preferred_ids (context, dedup_key, id) SELECT context, dedup_key, id FROM schemas;
    INSERT INTO versions (context, subject, version, id, deleted, timestamp_ms)
    SELECT '.', 's' || (id - 1), 1, id, 1, 0 FROM schemas;
    INSERT INTO schema_references
        (context, id, position, name, subject, target_context, target_subject, target_version)
    SELECT '.', i + 1, 0, 'next', '', '.', 's' || (i + 1) % 20000, 1 FROM generate_series(0, 19999) i;
    SELECT setval('change_numbers', 20000);";

/// More uses of a statement than it takes until its plan is kept.
const SMALL_REMOVALS: usize = 7;

/// The tables are known to be empty, and plans for what is small are kept.
const EMPTY: &str = "VACUUM ANALYZE";

async fn soft_delete(store: &dyn Store, subject: &SubjectKey) {
    let revision = store.revision(subject).await.unwrap();
    let marked = store.delete_subject(subject, DeleteMode::Soft, revision).await.unwrap();
    assert!(matches!(marked, Removed::Done(marked) if marked.len() == 1));
}

async fn put_mode(store: &dyn Store, mode: Option<Mode>, demand: ImportDemand) -> ModePut {
    let scope = Scope::Context(Arc::from("."));
    let revision = store.scope_snapshot(&scope).await.unwrap().revision;
    store.put_mode(&scope, mode, revision, demand).await.unwrap()
}

#[tokio::test]
async fn a_large_context_is_purged_at_once() {
    let postgres = Postgres::shared().unwrap();
    let url = postgres.create_database().unwrap();
    let store: Arc<dyn Store> = Arc::new(PostgresStore::open(&url).await.unwrap());
    postgres.psql(database_of(&url), UNKNOWN).unwrap();
    postgres.psql(database_of(&url), EMPTY).unwrap();
    for _ in 0..SMALL_REMOVALS {
        register(&store, &subject("small"), "small").await;
        soft_delete(&*store, &subject("small")).await;
        assert_eq!(put_mode(&*store, Some(Mode::Import), ImportDemand::NoLiveSubject).await, ModePut::Done);
        assert_eq!(put_mode(&*store, None, ImportDemand::Nothing).await, ModePut::Done);
    }
    postgres.psql(database_of(&url), FILL).unwrap();

    let start = Instant::now();
    // A purge that takes longer than a write may is refused.
    let put = put_mode(&*store, Some(Mode::Import), ImportDemand::NoLiveSubject).await;
    let purge = start.elapsed();

    println!("{SUBJECTS} subjects with a soft-deleted version each purged in {purge:?}");
    assert_eq!(put, ModePut::Done);
    assert_eq!(store.revision(&subject("s1")).await.unwrap().subject, 0);
    assert_eq!(register(&store, &subject("s"), "new").await, pair(20_001, 1));
    store.close().await;
}

/// Those versions, all of one subject, of which each refers to the one before.
const OF_ONE_SUBJECT: &str = "
    DELETE FROM schema_references;
    DELETE FROM versions;
    DELETE FROM subjects WHERE subject <> 's0';
    UPDATE subjects SET deleted = 20000;
    INSERT INTO versions (context, subject, version, id, deleted, timestamp_ms)
    SELECT '.', 's0', id, id, 1, 0 FROM schemas;
    INSERT INTO schema_references
        (context, id, position, name, subject, target_context, target_subject, target_version)
    SELECT '.', i, 0, 'before', '', '.', 's0', i - 1 FROM generate_series(2, 20000) i;";

/// PostgreSQL finds out about tables within a minute; not about these, unless it is told to.
pub(super) const UNKNOWN: &str = "
    ALTER TABLE subjects SET (autovacuum_enabled = off);
    ALTER TABLE schemas SET (autovacuum_enabled = off);
    ALTER TABLE preferred_ids SET (autovacuum_enabled = off);
    ALTER TABLE versions SET (autovacuum_enabled = off);
    ALTER TABLE schema_references SET (autovacuum_enabled = off);";

/// As where a large subject was made within the last minute.
const NOT_AS_PLANNED: &str = "not as it was planned for";

async fn remove_small_ones(store: &Arc<dyn Store>) {
    let small = subject("small");
    for _ in 0..SMALL_REMOVALS {
        register(store, &small, "small").await;
        soft_delete(&**store, &small).await;
        let revision = store.revision(&small).await.unwrap();
        let removed = store.delete_subject(&small, DeleteMode::Permanent, revision).await.unwrap();
        assert!(matches!(removed, Removed::Done(gone) if gone.len() == 1));
    }
}

#[tokio::test]
async fn a_large_subject_is_removed_at_once_whether_its_size_is_known_or_not() {
    let postgres = Postgres::shared().unwrap();
    // Half as many of what is not known leave room on a busy machine, and joins would take too long still.
    for (what, find_out, versions) in
        [("known", "ANALYZE;", SUBJECTS), ("not known", "", SUBJECTS / 2), (NOT_AS_PLANNED, "", SUBJECTS / 2)]
    {
        let url = postgres.create_database().unwrap();
        let store: Arc<dyn Store> = Arc::new(PostgresStore::open(&url).await.unwrap());
        // Before the plans, which it would end.
        postgres.psql(database_of(&url), UNKNOWN).unwrap();
        if what == NOT_AS_PLANNED {
            postgres.psql(database_of(&url), EMPTY).unwrap();
            remove_small_ones(&store).await;
        }
        let fill = format!("{FILL} {OF_ONE_SUBJECT} {find_out}");
        let fill = fill.replace("20000", &versions.to_string()).replace("19999", &(versions - 1).to_string());
        postgres.psql(database_of(&url), &fill).unwrap();
        let large = subject("s0");
        let revision = store.revision(&large).await.unwrap();

        let start = Instant::now();
        // Whoever asks waits for as long as the server lets a statement run, and is then told that it is not confirmed.
        let removed = store.delete_subject(&large, DeleteMode::Permanent, revision).await.unwrap();

        println!("{versions} soft-deleted versions of one subject, {what}, removed in {:?}", start.elapsed());
        assert!(matches!(removed, Removed::Done(gone) if gone.len() == versions as usize));
        assert_eq!(store.revision(&large).await.unwrap().subject, 0);
        assert_eq!(register(&store, &large, "new").await, pair(versions + 1, 1));
        store.close().await;
    }
}
