//! A database that is taken back in time under its nodes: numbers and ids come again, with another meaning, and what a
//! node remembers of the history that is lost is not told for long.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use end_to_end_tests::services::postgres::Postgres;
use serde_json::{Value, json};

use super::blocked::{limited_database, runtime};
use super::nodes::{Node, record, start};
use super::store::database_of;

/// What is not so any more is told for this time at most.
const NOTICED_MAX: Duration = Duration::from_secs(5);

/// How often the node is asked meanwhile.
const ASKED_EACH: Duration = Duration::from_millis(20);

/// Empties all tables, with new files or without.
macro_rules! empty {
    ($statement:literal) => {
        concat!(
            "DO $$ DECLARE name text; BEGIN
                 SET LOCAL session_replication_role = replica;
                 FOR name IN SELECT quote_ident(tablename) FROM pg_tables WHERE schemaname = 'public' LOOP
                     EXECUTE format('",
            $statement,
            "', name);
                 END LOOP;
             END $$"
        )
    };
}

/// A way to take a database back to a dump.
struct Way {
    /// How `pg_dump` writes it.
    format: &'static str,
    /// What is done before.
    first: Option<&'static str>,
    /// The program that reads it, with its arguments.
    reader: &'static [&'static str],
    /// What nodes say of it.
    told: &'static str,
}

const WAYS: [Way; 4] = [
    Way {
        format: "custom",
        first: None,
        reader: &["pg_restore", "--clean", "--exit-on-error"],
        told: "tables were dropped and made anew",
    },
    Way {
        format: "plain",
        first: Some("DROP SCHEMA public CASCADE; CREATE SCHEMA public"),
        reader: &["psql", "--quiet", "--no-psqlrc", "--set=ON_ERROR_STOP=1", "--file"],
        told: "tables were dropped and made anew",
    },
    Way { first: Some(empty!("TRUNCATE %s CASCADE")), told: "was emptied or written anew", ..DATA_ALONE },
    Way { first: Some(empty!("DELETE FROM %s")), told: "its changes went back", ..DATA_ALONE },
];

const DATA_ALONE: Way = Way {
    format: "custom",
    first: None,
    reader: &["pg_restore", "--data-only", "--disable-triggers", "--exit-on-error"],
    told: "",
};

fn run(postgres: &Postgres, database: &str, program: &str, arguments: &[&str], file: &Path) {
    let mut command = Command::new(postgres.programs().join(program));
    command.args(arguments).arg(file).args(["--dbname", &postgres.url(database_of(database))]);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// What a node tells of a subject, and of the id of its only version.
async fn told(node: &Node, id: u64) -> Vec<Value> {
    let mut told = Vec::new();
    for path in [
        "/subjects/s/versions/latest".to_owned(),
        format!("/schemas/ids/{id}"),
        format!("/schemas/ids/{id}?subject=s"),
        format!("/schemas/ids/{id}/schema"),
    ] {
        let answer = node.get(&path).await;
        assert!(answer.is_ok(), "{path}: {answer:?}");
        let text = answer.body["schema"].as_str().map_or_else(|| answer.body.to_string(), str::to_owned);
        told.push(serde_json::from_str(&text).unwrap());
    }
    told
}

#[test]
fn a_database_that_is_taken_back_under_its_nodes_is_served_as_it_is_then() {
    let folder = tempfile::tempdir().unwrap();
    let dump = folder.path().join("dump");
    for Way { format, first, reader, told: reason } in WAYS {
        let postgres = Postgres::shared().unwrap();
        let database = postgres.create_database().unwrap();
        let (remembering, other) = (start(&database), start(&database));
        let (node, writes) = (Node::new(remembering.url()), Node::new(other.url()));
        let (old, new) = (record("Old", &[]), record("New", &[]));
        let further = record("New", &[("more", json!("string"))]);

        runtime().block_on(async {
            assert_eq!(writes.register("kept", &record("Kept", &[])).await.id(), 1);
            let arguments = ["--format", format, "--no-owner", "--file"];
            run(postgres, &database, "pg_dump", &arguments, &dump);
            // What has the id is asked for, by every path that is remembered.
            assert_eq!(node.register("s", &old).await.id(), 2);
            for _ in 0..2 {
                assert_eq!(told(&node, 2).await, [(); 4].map(|()| old.clone()));
            }
            // More is lost than is written again before the node looks.
            for id in 3..6 {
                let name = format!("Lost{id}");
                assert_eq!(node.register(&name, &record(&name, &[])).await.id(), id);
            }

            if let Some(first) = first {
                postgres.psql(database_of(&database), first).unwrap();
            }
            run(postgres, &database, reader[0], &reader[1..], &dump);
            // With the numbers of before, and of the same change.
            assert_eq!(writes.register("s", &new).await.id(), 2);

            let since = Instant::now();
            let mut asking = tokio::time::interval(ASKED_EACH);
            loop {
                asking.tick().await;
                let told = told(&node, 2).await;
                if told == [(); 4].map(|()| new.clone()) {
                    break;
                }
                assert!(since.elapsed() < NOTICED_MAX, "{reason}: {told:?} after {:?}", since.elapsed());
            }
            println!("{reason}: noticed {:?} after the id was given again", since.elapsed());

            assert_eq!(node.register("s", &old).await.status, 409, "it is there no more, and does not fit");
            assert_eq!(node.register("s", &further).await.id(), 3, "it fits what is there");
        });
        let log = remembering.log_with(reason).unwrap();
        assert!(log.contains("is not the database that it was"), "{log}");
    }
}

/// An administrator may have it so, or who hosts the database.
#[test]
fn a_server_that_does_not_tell_its_timeline_is_used_all_the_same() {
    let postgres = Postgres::start().unwrap();
    let database = limited_database(&postgres);
    postgres.psql("app", "REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC").unwrap();
    let registry = start(&database);
    let node = Node::new(registry.url());

    runtime().block_on(async {
        assert_eq!(node.register("s", &record("One", &[])).await.id(), 1);
        assert!(node.get("/schemas/ids/1").await.is_ok());
    });

    registry.stop().unwrap();
}
