//! How many connections a node takes.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use end_to_end_tests::binaries::workspace;
use end_to_end_tests::services::postgres::Postgres;
use futures_util::future::join_all;

use super::blocked::limited_database;
use super::load::schema;
use super::nodes::{Answer, Node, record, start};
use super::store::database_of;

/// More than a node has connections for, twice over.
const CLIENTS: usize = 32;

/// Reads at once, the writer, the revisions of those who have no connection of their own, and what listens to others.
const CONNECTIONS_MIN: usize = 11;

/// So many threads have one of their own for revisions.
const COUNTING_THREADS_MAX: usize = 3;

/// Where that is said.
const GUIDE: &str = "- Up to fifteen connections for each registry";

/// What reads and writes wait for, until a sign of life is asked for.
const LOCK: &str = "BEGIN; LOCK TABLE schemas; SELECT pg_sleep(2); COMMIT";

#[tokio::test(flavor = "multi_thread")]
async fn a_node_takes_fifteen_connections_at_most_however_many_ask_and_however_long_they_wait() {
    let guide = std::fs::read_to_string(workspace().join("docs/running-on-postgres.md")).unwrap();
    assert!(guide.contains(GUIDE), "the guide no longer says `{GUIDE}`");
    let postgres = Postgres::shared().unwrap();
    let url = postgres.create_database().unwrap();
    let registry = start(&url);
    let database = database_of(&url).to_owned();
    let is_over = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> =
        (0..CLIENTS).map(|client| tokio::spawn(ask(Node::new(registry.url()), client, Arc::clone(&is_over)))).collect();

    let most = tokio::task::spawn_blocking(move || {
        let pids = format!(
            "SELECT pid FROM pg_stat_activity
             WHERE datname = '{database}' AND application_name = 'schema-registry'"
        );
        // One that has just been left may take a moment to end: what is there twice in a row counts.
        let mut before = BTreeSet::new();
        let mut count = || {
            let now: BTreeSet<String> = postgres.psql("postgres", &pids).unwrap().lines().map(str::to_owned).collect();
            let lasting = now.intersection(&before).count();
            before = now;
            lasting
        };
        std::thread::scope(|scope| {
            let locked = scope.spawn(|| postgres.psql(&database, LOCK).unwrap());
            let mut most = 0;
            while !locked.is_finished() {
                most = most.max(count());
            }
            // Those who have waited go on all at once.
            (0..CLIENTS).fold(most, |most, _| most.max(count()))
        })
    });
    let most = most.await.unwrap();
    is_over.store(true, Ordering::Relaxed);
    let answers = join_all(clients).await;

    println!("{most} connections");
    assert!(answers.into_iter().all(|answers| answers.unwrap() > 0), "a client was answered nothing");
    let threads = std::thread::available_parallelism().unwrap().get();
    let expected = CONNECTIONS_MIN + threads.min(COUNTING_THREADS_MAX);
    // With the one that asks a database that does not answer for a sign of life.
    assert!((expected..=expected + 1).contains(&most), "{most}, expected {expected}");
}

/// Clients on all threads of a node, which takes connections in turn.
const CLIENTS_EVERYWHERE: usize = 8;

/// Those that its threads have for themselves make it faster, no more.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_gets_no_further_connection_reads_on_all_its_threads() {
    let postgres = Postgres::start().unwrap();
    let registry = start(&limited_database(&postgres));
    postgres.psql("postgres", "ALTER DATABASE app CONNECTION LIMIT 0").unwrap();
    let nodes: Vec<_> = std::iter::repeat_with(|| Node::new(registry.url())).take(CLIENTS_EVERYWHERE).collect();
    assert!(nodes[0].register("kept", &record("Kept", &[])).await.is_ok());

    for _ in 0..3 {
        let read = join_all(nodes.iter().map(|node| node.get("/subjects/kept/versions/latest"))).await;
        assert!(read.iter().all(Answer::is_ok), "{read:?}");
    }
    registry.stop().unwrap();
}

/// Registers one schema after the other and reads what is not remembered; how many answers were no refusals.
async fn ask(node: Node, client: usize, is_over: Arc<AtomicBool>) -> usize {
    let mut answers = 0;
    for number in 0.. {
        if is_over.load(Ordering::Relaxed) {
            break;
        }
        let subject = format!("s-{client}-{number}");
        for answer in [
            node.register(&subject, &schema(client, number)).await,
            node.get(&format!("/subjects/{subject}/versions/latest")).await,
            node.get(&format!("/schemas?subjectPrefix={subject}")).await,
            node.get(&format!("/schemas/ids/{}", client + number)).await,
        ] {
            assert!([200, 404, 503].contains(&answer.status), "{answer:?}");
            answers += usize::from(answer.is_ok());
        }
    }
    answers
}
