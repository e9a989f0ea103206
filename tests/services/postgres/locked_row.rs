//! A row that a foreign client keeps locked: the write that needs it fails, and those beside it wait once.

use std::time::{Duration, Instant};

use end_to_end_tests::services::postgres::Postgres;
use registry_server::store::conformance::{new_version, subject};
use registry_server::store::{PostgresStore, Revision, Store};

use super::store::{all_writes_but_that_to_held_succeed, database_of, holding, wait_for_lock};

/// A write waits for a row for 1.5 s; this is twice.
const TWO_WAITS: Duration = Duration::from_secs(3);

#[tokio::test]
async fn a_row_that_is_locked_fails_the_write_that_needs_it_and_holds_up_the_others_once() {
    let postgres = Postgres::shared().unwrap();
    let url = postgres.create_database().unwrap();
    let database = database_of(&url).to_owned();
    let store = PostgresStore::open(&url).await.unwrap();
    store.insert_version(new_version(&subject("held"), "text", Revision::default())).await.unwrap();
    let holder = tokio::task::spawn_blocking({
        let database = database.clone();
        let hold_row = holding("1 FROM subjects WHERE subject = 'held' FOR UPDATE", 3);
        move || postgres.psql(&database, &hold_row).unwrap()
    });
    wait_for_lock(&database, 3);

    let start = Instant::now();
    all_writes_but_that_to_held_succeed(&store).await;
    let elapsed = start.elapsed();

    holder.await.unwrap();
    println!("written {elapsed:?} after the write that is blocked began");
    assert!(elapsed < TWO_WAITS, "{elapsed:?}");
    store.close().await;
}
