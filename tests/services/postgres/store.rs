//! The PostgreSQL backend: the suite of all backends, on a database of its own for each case.

use std::sync::Arc;

use async_trait::async_trait;
use end_to_end_tests::services::postgres::Postgres;
use registry_server::store::conformance::{Place, conformance, conformance_reopened, new_version, subject};
use registry_server::store::{Inserted, PostgresStore, Revision, Store};

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

/// Registers that are tried while the write is cut.
const REGISTERS_MAX: usize = 20_000;

#[tokio::test(flavor = "multi_thread")]
async fn a_write_whose_connection_is_cut_before_the_commit_is_done_on_another() {
    let postgres = Postgres::shared().unwrap();
    let url = postgres.create_database().unwrap();
    let database = url.rsplit('/').next().unwrap().to_owned();
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
