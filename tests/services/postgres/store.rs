//! The PostgreSQL backend: the suite of all backends, on a database of its own for each case.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use end_to_end_tests::services::postgres::Postgres;
use end_to_end_tests::wait::wait_until;
use futures_util::future::join_all;
use registry_server::store::conformance::upgrades::{self, Dialect, Earlier, upgraded};
use registry_server::store::conformance::{Place, conformance, conformance_reopened, new_version, subject};
use registry_server::store::{Inserted, PostgresStore, Revision, Store};

/// For what takes milliseconds.
const DEADLINE: Duration = Duration::from_secs(20);

struct Database(String);

#[async_trait]
impl Place for Database {
    async fn new() -> Self {
        Self(Postgres::shared().unwrap().create_database().unwrap())
    }

    async fn open(&self) -> Arc<dyn Store> {
        Arc::new(PostgresStore::open(&self.0).await.unwrap())
    }
}

conformance!(Database);

mod reopened {
    use super::*;

    conformance_reopened!(Database);
}

#[async_trait]
impl Earlier for Database {
    const DIALECT: Dialect = upgrades::POSTGRES;

    async fn make_at(&self, last: usize, statements: &str) {
        upgrades::make_postgres_at(&self.0, last, statements).await;
    }

    async fn ask(&self, question: &str) -> Vec<String> {
        let found = Postgres::shared().unwrap().psql(database_of(&self.0), question).unwrap();
        found.lines().map(str::to_owned).collect()
    }
}

mod upgraded {
    use super::*;

    upgraded!(Database);
}

/// The name of the database in a URL.
pub(super) fn database_of(url: &str) -> &str {
    url.rsplit('/').next().unwrap()
}

/// Holds the row of the default context until a write waits for it, and cuts that write's connection.
const CUT_A_WRITE: &str = "DO $$ DECLARE waiting integer; BEGIN
    PERFORM 1 FROM contexts WHERE context = '.' FOR UPDATE;
    FOR i IN 1..1000 LOOP
        PERFORM pg_stat_clear_snapshot();
        SELECT pid INTO waiting FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock' LIMIT 1;
        IF waiting IS NOT NULL THEN PERFORM pg_terminate_backend(waiting); RETURN; END IF;
        PERFORM pg_sleep(0.01);
    END LOOP;
    RAISE EXCEPTION 'no write waits';
END $$";

/// Reads the keys of the locks of a write that waits for the row of the default context. A shared lock tells that the
/// row is held.
const SEE_LOCKS: &str = "DO $$ BEGIN
    CREATE TABLE seen (key bigint);
    PERFORM 1 FROM contexts WHERE context = '.' FOR UPDATE;
    PERFORM pg_advisory_xact_lock_shared(1);
    FOR i IN 1..1000 LOOP
        INSERT INTO seen SELECT classid::bigint << 32 | objid::bigint FROM pg_locks
        WHERE locktype = 'advisory' AND mode = 'ExclusiveLock' AND database = (
            SELECT oid FROM pg_database WHERE datname = current_database());
        IF FOUND THEN RETURN; END IF;
        PERFORM pg_sleep(0.01);
    END LOOP;
    RAISE EXCEPTION 'no write waits';
END $$";

/// Takes what `take` takes, and holds it until ten versions are there. The shared lock `marker` tells that it is held.
pub(super) fn holding(take: &str, marker: u32) -> String {
    format!(
        "DO $$ BEGIN
            PERFORM {take};
            PERFORM pg_advisory_xact_lock_shared({marker});
            FOR i IN 1..1000 LOOP
                IF (SELECT count(*) FROM versions) >= 10 THEN RETURN; END IF;
                PERFORM pg_sleep(0.01);
            END LOOP;
            RAISE EXCEPTION 'nobody else writes';
        END $$"
    )
}

/// Waits until a client of the database holds the shared lock that tells how far it is.
pub(super) fn wait_for_lock(database: &str, marker: u32) {
    let question = format!(
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND classid = 0 AND objid = {marker} AND database =
         (SELECT oid FROM pg_database WHERE datname = current_database())"
    );
    let is_there = || Postgres::shared().unwrap().psql(database, &question).unwrap() != "0";
    wait_until("the locks of another client", DEADLINE, is_there).unwrap();
}

/// Registers that are tried while the write is cut.
const REGISTERS_MAX: usize = 20_000;

#[tokio::test(flavor = "multi_thread")]
async fn a_write_whose_connection_is_cut_before_the_commit_is_done_on_another() {
    let postgres = Postgres::shared().unwrap();
    let url = postgres.create_database().unwrap();
    let database = database_of(&url).to_owned();
    let store = PostgresStore::open(&url).await.unwrap();
    let register = async |number: usize| {
        let new = new_version(&subject(&format!("s{number}")), &format!("text {number}"), Revision::default());
        store.insert_version(new).await
    };
    // Makes the context's row.
    register(0).await.unwrap();
    let cut = tokio::task::spawn_blocking(move || postgres.psql(&database, CUT_A_WRITE));

    for number in 1..REGISTERS_MAX {
        if cut.is_finished() {
            break;
        }
        let written = register(number).await;
        assert!(matches!(written, Ok(Inserted::Written { .. })), "{written:?}");
    }

    cut.await.unwrap().unwrap();
    store.close().await;
}

#[tokio::test]
async fn a_lock_that_is_held_fails_only_the_write_that_needs_it() {
    let postgres = Postgres::shared().unwrap();
    let url = postgres.create_database().unwrap();
    let database = database_of(&url).to_owned();
    let store = PostgresStore::open(&url).await.unwrap();
    let write = async |name: &str| {
        store.insert_version(new_version(&subject(name), &format!("{name} text"), Revision::default())).await
    };
    write("other").await.unwrap();
    let psql = |statement: String| {
        let database = database.clone();
        tokio::task::spawn_blocking(move || postgres.psql(&database, &statement).unwrap())
    };
    let seeing = psql(SEE_LOCKS.to_owned());
    wait_for_lock(&database, 1);
    let written = write("held").await;
    let seen = seeing.await;
    assert!(matches!(written, Ok(Inserted::Written { .. })) && seen.is_ok(), "{written:?}, {seen:?}");
    let holder = psql(holding("pg_advisory_xact_lock(key) FROM seen", 2));
    wait_for_lock(&database, 2);

    all_writes_but_that_to_held_succeed(&store).await;

    holder.await.unwrap();
    store.close().await;
}

/// Ten writes that come at once, one of them to the subject `held`, which has a version.
pub(super) async fn all_writes_but_that_to_held_succeed(store: &PostgresStore) {
    let revision = store.revision(&subject("held")).await.unwrap();
    // One thread: all are queued before the writer takes the first.
    let writes = (0..10).map(|number| {
        let (name, revision) =
            if number == 5 { ("held".to_owned(), revision) } else { (format!("s{number}"), Revision::default()) };
        async move { store.insert_version(new_version(&subject(&name), &format!("{name} more"), revision)).await }
    });
    for (number, outcome) in join_all(writes).await.into_iter().enumerate() {
        match (number, outcome) {
            (5, Err(error)) => assert!(error.is_retriable(), "{error:?}"),
            (_, Ok(Inserted::Written { .. })) if number != 5 => {}
            (_, outcome) => panic!("write {number}: {outcome:?}"),
        }
    }
}

/// Holds those locks and changes the subject `held`, until a write that is one statement waits for them. A shared lock
/// tells that all is done but the end.
const CHANGE_WHAT_IS_HELD: &str = "DO $$ BEGIN
    PERFORM pg_advisory_xact_lock(key) FROM seen;
    UPDATE subjects SET revision = nextval('change_numbers') WHERE subject = 'held';
    PERFORM pg_advisory_xact_lock_shared(2);
    FOR i IN 1..1000 LOOP
        PERFORM pg_stat_clear_snapshot();
        IF EXISTS (SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'advisory'
                   AND query LIKE '%EXECUTE insert_at_once%') THEN RETURN; END IF;
        PERFORM pg_sleep(0.01);
    END LOOP;
    RAISE EXCEPTION 'no write waits';
END $$";

#[tokio::test(flavor = "multi_thread")]
async fn a_write_of_one_statement_sees_what_was_committed_while_it_waited_for_its_locks() {
    let postgres = Postgres::shared().unwrap();
    for isolation in ["read committed", "repeatable read", "serializable"] {
        let url = postgres.create_database().unwrap();
        let database = database_of(&url).to_owned();
        let set = format!("ALTER DATABASE {database} SET default_transaction_isolation = '{isolation}'");
        postgres.psql("postgres", &set).unwrap();
        let store = PostgresStore::open(&url).await.unwrap();
        let write = async |name: &str, text: &str, revision| {
            store.insert_version(new_version(&subject(name), text, revision)).await.unwrap()
        };
        let psql = |statement: &'static str| {
            let database = database.clone();
            tokio::task::spawn_blocking(move || postgres.psql(&database, statement).unwrap())
        };
        write("other", "text", Revision::default()).await;
        let seeing = psql(SEE_LOCKS);
        wait_for_lock(&database, 1);
        write("held", "text", Revision::default()).await;
        seeing.await.unwrap();
        let revision = store.revision(&subject("held")).await.unwrap();
        let changing = psql(CHANGE_WHAT_IS_HELD);
        wait_for_lock(&database, 2);

        let outcome = write("held", "more", revision).await;

        changing.await.unwrap();
        assert!(matches!(outcome, Inserted::Moved), "{isolation}: {outcome:?}");
        store.close().await;
    }
}

#[tokio::test]
async fn all_nodes_are_told_of_a_known_content_in_a_write_of_one_statement() {
    let url = Postgres::shared().unwrap().create_database().unwrap();
    let (writing, other) = (PostgresStore::open(&url).await.unwrap(), PostgresStore::open(&url).await.unwrap());
    let write = async |name: &str| {
        let new = new_version(&subject(name), "text", Revision::default());
        writing.insert_version(new).await.unwrap().place().unwrap()
    };
    let (id, _) = write("first").await;
    let before = other.uses_generation(".", id);

    assert_eq!(write("second").await.0, id);

    let told = async {
        while other.uses_generation(".", id) == before {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(DEADLINE, told).await.expect("the other node is not told");
    writing.close().await;
    other.close().await;
}
