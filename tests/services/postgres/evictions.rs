//! What one node removes, the other nodes serve for five seconds at most, whatever became of the messages between them.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use end_to_end_tests::services::postgres::Postgres;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::nodes::{Node, record, start};

/// A node that has missed the message serves what was removed for this time at most. It asks a silent connection after
/// a second, waits a second and a half for the answer, and makes another half a second later; the rest is for the
/// machine.
pub(super) const EVICTED_MAX: Duration = Duration::from_secs(5);

/// The connections of registries that hear what other nodes have done: nothing else of them asks this.
const LISTENERS: &str = "SELECT pid FROM pg_stat_activity WHERE application_name = 'schema-registry' \
                         AND (query ILIKE 'LISTEN %' OR query = 'SELECT 1')";

pub(super) fn listeners(postgres: &Postgres) -> BTreeSet<i32> {
    let pids = postgres.psql("postgres", LISTENERS).unwrap();
    pids.lines().map(|pid| pid.parse().unwrap()).collect()
}

/// Removes a schema by one node that another has in its cache and whose listening connection is broken by `fault`.
fn evicts_after(fault: impl FnOnce(&Postgres, i32)) {
    let postgres = Postgres::start().unwrap();
    let database = postgres.create_database().unwrap();
    let (removing, others) = (start(&database), listeners(&postgres));
    let caching = start(&database);
    let listener = *listeners(&postgres).difference(&others).next().expect("the second node listens");
    let (removing, caching_node) = (Node::new(removing.url()), Node::new(caching.url()));

    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let id = removing.register("s", &record("Removed", &[])).await.id();
        let by_id = format!("/schemas/ids/{id}");
        assert!(removing.call("DELETE", "/subjects/s", None).await.unwrap().is_ok());
        assert!(caching_node.get(&by_id).await.is_ok());

        fault(&postgres, listener);
        let removed = removing.call("DELETE", "/subjects/s?permanent=true", None).await.unwrap();

        let since = Instant::now();
        assert!(removed.is_ok(), "{removed:?}");
        while caching_node.get(&by_id).await.status != 404 {
            assert!(since.elapsed() < EVICTED_MAX, "still served after {:?}", since.elapsed());
        }
        println!("served for {:?} after it was removed", since.elapsed());
        assert!(!listeners(&postgres).is_empty());
    });
}

#[test]
fn a_node_whose_listening_connection_was_cut_forgets_what_was_removed() {
    evicts_after(|postgres, listener| {
        postgres.psql("postgres", &format!("SELECT pg_terminate_backend({listener})")).unwrap();
    });
}

#[test]
fn a_node_whose_listening_connection_hangs_forgets_what_was_removed() {
    // The server is dropped with the test, which sets its processes going again.
    evicts_after(|_, listener| kill(Pid::from_raw(listener), Signal::SIGSTOP).unwrap());
}
