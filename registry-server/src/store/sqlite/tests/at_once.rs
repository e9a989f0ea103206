//! Inserts that are one statement.

use super::super::super::changes::Changes;
use super::super::super::conformance::{new_version, pair, subject};
use super::super::super::connection::Connection;
use super::super::super::writes::{Insert, Write};
use super::super::super::{Inserted, Revision, migrations};
use super::super::connect::Location;

#[tokio::test]
async fn a_simple_insert_is_one_statement_and_its_own_transaction() {
    let location = Location::memory();
    let mut connection = location.create().await.unwrap();
    migrations::run(&migrations::SQLITE, &mut connection, "a new database").await.unwrap();
    location.prepare_writer(&mut connection).await.unwrap();
    let key = subject("orders");
    let insert = |text: &str, decided_on| Insert::new(new_version(&key, text, decided_on)).unwrap();
    let mut changes = Changes::default();

    let unseen = Revision::default();
    let first = insert("first", unseen).apply_at_once(&mut connection, &mut changes).await.unwrap();
    assert_eq!(first.and_then(Inserted::place), Some(pair(1, 1)));
    let change = changes.last_change;
    let on_what_has_moved = insert("second", unseen).apply_at_once(&mut connection, &mut changes).await.unwrap();
    assert!(on_what_has_moved.is_none(), "{on_what_has_moved:?}");
    assert_eq!(changes.last_change, change);

    // No transaction is open, so that one can begin.
    connection.control("BEGIN IMMEDIATE").await.unwrap();
    let seen = Revision { subject: change, ..unseen };
    let second = insert("second", seen).apply_at_once(&mut connection, &mut changes).await.unwrap();
    assert_eq!(second.and_then(Inserted::place), Some(pair(2, 2)));
    connection.control("ROLLBACK").await.unwrap();
    let again = insert("third", seen).apply_at_once(&mut connection, &mut changes).await.unwrap();
    assert_eq!(again.and_then(Inserted::place), Some(pair(2, 2)));
}

/// Each row is two pages more for a commit to write.
#[tokio::test]
async fn a_content_that_one_id_has_takes_no_row_to_prefer_it() {
    let location = Location::memory();
    let mut connection = location.create().await.unwrap();
    migrations::run(&migrations::SQLITE, &mut connection, "a new database").await.unwrap();
    location.prepare_writer(&mut connection).await.unwrap();

    for name in ["one", "other"] {
        let insert = Insert::new(new_version(&subject(name), "text", Revision::default())).unwrap();
        let inserted = insert.apply_at_once(&mut connection, &mut Changes::default()).await.unwrap();
        assert_eq!(inserted.and_then(Inserted::place), Some(pair(1, 1)), "{name}");
    }

    let rows: i64 = sqlx::query_scalar("SELECT count(*) FROM preferred_ids").fetch_one(&mut connection).await.unwrap();
    assert_eq!(rows, 0);
}
