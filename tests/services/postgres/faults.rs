//! What goes wrong around registries that share a database, and what their clients see of it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use end_to_end_tests::services::postgres::Postgres;
use end_to_end_tests::{Registry, wait_until};
use futures_util::future::join_all;

use super::load::{Load, WRITERS, schema};
use super::nodes::{Node, start};
use super::store::database_of;

/// Starts of three nodes on an empty database.
const STARTS: usize = 20;

/// Scripts that make the tables, in `migrations/postgres`.
const MIGRATIONS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../migrations/postgres");

/// How often a client tries before it gives up, which is to fail: more than there are nodes.
const TRIES_MAX: usize = 20;

/// Registers that are acknowledged between two restarts.
const ACKNOWLEDGED_MIN: usize = 10 * WRITERS;

/// A load is that far within this time, on a busy machine, too.
const LOAD_PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn three_nodes_start_at_once_on_an_empty_database() {
    let postgres = Postgres::shared().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let scripts = std::fs::read_dir(MIGRATIONS).unwrap().count().to_string();
    for round in 0..STARTS {
        let database = postgres.create_database().unwrap();
        let nodes: Vec<Registry> = std::thread::scope(|scope| {
            let starts: Vec<_> = (0..3).map(|_| scope.spawn(|| start(&database))).collect();
            starts.into_iter().map(|start| start.join().unwrap()).collect()
        });

        // A script that ran twice fails its node's start: what it makes is there.
        let name = database_of(&database);
        let applied = postgres.psql(name, "SELECT count(*) FROM _sqlx_migrations WHERE success").unwrap();
        assert_eq!(applied, scripts, "round {round}");
        let ids: Vec<u64> = runtime.block_on(async {
            let same = nodes.iter().map(|node| async { Node::new(node.url()).register("s", &schema(0, 0)).await.id() });
            join_all(same).await
        });
        assert_eq!(ids, [1, 1, 1], "round {round}");
    }
}

/// As the guide has it for an upgrade.
#[test]
fn a_rolling_restart_is_not_seen_by_clients_that_retry() {
    let database = Postgres::shared().unwrap().create_database().unwrap();
    let mut registries: Vec<Registry> = (0..3).map(|_| start(&database)).collect();
    let fleet = Arc::new(Mutex::new(registries.iter().map(|registry| Node::new(registry.url())).collect()));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let load = Load::start(&runtime, &fleet, TRIES_MAX);

    for place in 0..registries.len() {
        let (seen, refused) = (load.acknowledged(), load.refused());
        // Nobody tells the clients: they go on asking a node that ends, and then one that is gone.
        registries.remove(place).stop().unwrap();
        wait_until("a client to meet what was stopped", LOAD_PATIENCE, || load.refused() > refused).unwrap();
        let fresh = start(&database);
        let node = Node::new(fresh.url());
        assert!(runtime.block_on(node.get("/health/ready")).is_ok(), "one that listens is ready");
        fleet.lock().unwrap()[place] = node;
        registries.insert(place, fresh);
        wait_until("the writers' registers", LOAD_PATIENCE, || load.acknowledged() >= seen + ACKNOWLEDGED_MIN).unwrap();
    }

    load.end(&runtime);
}

#[test]
fn a_database_that_may_lose_what_it_confirms_is_complained_about() {
    for setting in ["fsync", "synchronous_commit"] {
        let postgres = Postgres::start_with(&[&format!("{setting}=off")]).unwrap();
        let mut registry = start(&postgres.create_database().unwrap());

        let log = registry.process().log();
        assert!(log.contains(&format!("`{setting} = off`")) && log.contains("WARN"), "{log}");
    }
}

#[test]
fn every_start_says_that_it_is_up() {
    let database = Postgres::shared().unwrap().create_database().unwrap();
    for round in ["on an empty database", "on one that is there"] {
        let mut registry = start(&database);

        let log = registry.process().log();
        assert!(log.contains("registry-server is up"), "{round}: {log}");
        registry.stop().unwrap();
    }
}

#[test]
fn a_database_of_a_newer_release_is_refused() {
    let postgres = Postgres::shared().unwrap();
    let database = postgres.create_database().unwrap();
    start(&database).stop().unwrap();
    let name = database_of(&database);
    let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
                 VALUES (9999, 'later', true, '\\x00', 0)";
    postgres.psql(name, newer).unwrap();

    let refused = Registry::start(&["--database", &database]).unwrap_err();

    let text = format!("{refused:#}");
    assert!(text.contains("written by a newer server") && text.contains("9999"), "{text}");
}
