//! A row that a foreign client keeps locked: the write that needs it fails, and those beside it wait once.

use std::sync::Arc;
use std::time::{Duration, Instant};

use end_to_end_tests::services::postgres::Postgres;
use end_to_end_tests::wait::wait_until;
use futures_util::future::join_all;
use registry_server::store::conformance::{new_version, subject};
use registry_server::store::{Inserted, PostgresStore, Revision, Store};

use super::store::database_of;

/// For what takes milliseconds.
const DEADLINE: Duration = Duration::from_secs(20);

/// A write waits for a row for 1.5 s; this is twice.
const TWO_WAITS: Duration = Duration::from_secs(3);

/// Holds the row of a subject until all others are written. A shared lock tells that it is held.
const HOLD_ROW: &str = "DO $$ BEGIN
    PERFORM 1 FROM subjects WHERE subject = 'held' FOR UPDATE;
    PERFORM pg_advisory_xact_lock_shared(3);
    FOR i IN 1..1000 LOOP
        IF (SELECT count(*) FROM versions) >= 10 THEN RETURN; END IF;
        PERFORM pg_sleep(0.01);
    END LOOP;
    RAISE EXCEPTION 'nobody else writes';
END $$";

const IS_HELD: &str = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND classid = 0 AND objid = 3
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";

#[tokio::test]
async fn a_row_that_is_locked_fails_the_write_that_needs_it_and_holds_up_the_others_once() {
    let postgres = Postgres::shared().unwrap();
    let url = postgres.create_database().unwrap();
    let database = database_of(&url).to_owned();
    let store = PostgresStore::open(&url).await.unwrap();
    store.insert_version(new_version(&subject("held"), "text", Revision::default())).await.unwrap();
    let revision = store.revision(&subject("held")).await.unwrap();
    let holding = tokio::task::spawn_blocking({
        let database = database.clone();
        move || postgres.psql(&database, HOLD_ROW).unwrap()
    });
    let is_there = || postgres.psql(&database, IS_HELD).unwrap() != "0";
    wait_until("the lock of another client", DEADLINE, is_there).unwrap();

    // One thread: all are queued before the writer takes the first.
    let store = Arc::new(store);
    let start = Instant::now();
    let writes = (0..10).map(|number| {
        let (name, revision) =
            if number == 5 { ("held".to_owned(), revision) } else { (format!("s{number}"), Revision::default()) };
        let store = Arc::clone(&store);
        async move { store.insert_version(new_version(&subject(&name), &format!("{name} more"), revision)).await }
    });
    let outcomes = join_all(writes).await;
    let elapsed = start.elapsed();

    holding.await.unwrap();
    for (number, outcome) in outcomes.into_iter().enumerate() {
        match (number, outcome) {
            (5, Err(error)) => assert!(error.is_retriable(), "{error:?}"),
            (_, Ok(Inserted::Written { .. })) if number != 5 => {}
            (_, outcome) => panic!("write {number}: {outcome:?}"),
        }
    }
    println!("written {elapsed:?} after the write that is blocked began");
    assert!(elapsed < TWO_WAITS, "{elapsed:?}");
    store.close().await;
}
