//! A node of the layout before beside one that brings the layout up to date, both writing.
//!
//! Where the program of both is today's, what is shown is what the newest migration does to a node that runs, to its
//! connections and prepared statements. What the program before makes of the new layout, and today's of what that
//! writes meanwhile, is shown with its statements ([`program_before`]), kind by kind in [`every_write`]. That any older
//! program finds its columns is a case of `store/conformance/upgrades.rs`. On SQLite there are no two programs at a
//! time: one process owns a file.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use end_to_end_tests::services::postgres::Postgres;
use registry_server::store::conformance::upgrades::{LAYOUTS, make_postgres_at, postgres_held_at};
use registry_server::store::conformance::{register, subject, versions};
use registry_server::store::{PostgresStore, Store, StoreErrorKind};

use program_before::ProgramBefore;

mod every_write;
mod program_before;

/// Tasks that write on each node.
const WRITERS: usize = 4;

/// Registers of the older node before the newer one starts, and after it has.
const WRITES: u32 = 40;

/// For what takes a second.
const DEADLINE: Duration = Duration::from_secs(30);

/// Registers in subjects of all until it is told to stop; every answer as subject, version and id.
async fn write(
    store: Arc<dyn Store>,
    name: String,
    done: Arc<AtomicU32>,
    stop: Arc<AtomicBool>,
) -> Vec<(String, u32, u32)> {
    let mut answers = Vec::new();
    for number in 0.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let key = format!("s{}", number % 3);
        let (id, version) = register(&store, &subject(&key), &format!("{name} {number}")).await;
        answers.push((key, version.0, id.0));
        done.fetch_add(1, Ordering::Relaxed);
    }
    answers
}

/// Waits until so many writes more are done.
async fn more(done: &AtomicU32) {
    let goal = done.load(Ordering::Relaxed) + WRITES;
    let reached = async {
        while done.load(Ordering::Relaxed) < goal {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(DEADLINE, reached).await.expect("the node stopped writing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_of_the_layout_before_goes_on_beside_one_that_migrates() {
    let url = Postgres::shared().unwrap().create_database().unwrap();
    let older: Arc<dyn Store> = Arc::new(postgres_held_at(&url, LAYOUTS - 1).await.unwrap());
    let (stop, of_older, of_newer) = (Arc::new(AtomicBool::new(false)), Arc::default(), Arc::default());
    let spawn = |store: &Arc<dyn Store>, node: &'static str, done: &Arc<AtomicU32>| {
        (0..WRITERS)
            .map(|writer| {
                let (store, done, stop) = (Arc::clone(store), Arc::clone(done), Arc::clone(&stop));
                tokio::spawn(write(store, format!("{node} {writer}"), done, stop))
            })
            .collect::<Vec<_>>()
    };
    let mut writers = spawn(&older, "older", &of_older);
    more(&of_older).await;

    let newer: Arc<dyn Store> = Arc::new(PostgresStore::open(&url).await.unwrap());
    writers.extend(spawn(&newer, "newer", &of_newer));
    more(&of_older).await;
    more(&of_newer).await;

    stop.store(true, Ordering::Relaxed);
    let mut ids = Vec::new();
    for writer in writers {
        for (key, version, id) in writer.await.unwrap() {
            for store in [&older, &newer] {
                assert!(versions(store, &subject(&key)).await.contains(&(version, id, false)), "{key} {version}");
            }
            ids.push(id);
        }
    }
    ids.sort_unstable();
    assert_eq!(ids, (1..=u32::try_from(ids.len()).unwrap()).collect::<Vec<_>>(), "an id twice, or a gap");

    // It may run, but not start any more.
    older.close().await;
    let refused = postgres_held_at(&url, LAYOUTS - 1).await.unwrap_err();
    assert_eq!(refused.kind, StoreErrorKind::Setup);
    assert!(refused.source.to_string().contains("newer server"), "{refused:?}");
    newer.close().await;
}

/// Both write versions of one subject, and both register the same contents, each in a subject of its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_program_before_registers_beside_todays() {
    assert_eq!(LAYOUTS - 1, ProgramBefore::LAYOUT, "take over the statements of the program before the last migration");
    let url = Postgres::shared().unwrap().create_database().unwrap();
    make_postgres_at(&url, ProgramBefore::LAYOUT, "SELECT 1;").await;
    let mut before = ProgramBefore::connect(&url).await;
    assert_eq!(before.register("both", "first").await, (1, 1));
    let today: Arc<dyn Store> = Arc::new(PostgresStore::open(&url).await.unwrap());

    let of_before = tokio::spawn(async move {
        let (mut both, mut own) = (Vec::new(), Vec::new());
        for number in 0..WRITES {
            both.push(before.register("both", &format!("before {number}")).await);
            own.push(before.register("before", &format!("shared {number}")).await);
        }
        (before, both, own)
    });
    let (mut both, mut own) = (vec![(1, 1)], Vec::new());
    for number in 0..WRITES {
        for (name, text, answers) in
            [("both", format!("today {number}"), &mut both), ("today", format!("shared {number}"), &mut own)]
        {
            let (id, version) = register(&today, &subject(name), &text).await;
            answers.push((version.0, id.0));
        }
    }
    let (mut before, both_of_before, own_of_before) = of_before.await.unwrap();

    // One content, one id, whoever came first.
    assert_eq!(own, own_of_before);
    both.extend(both_of_before);
    both.sort_unstable();
    let versions_of_both: Vec<u32> = both.iter().map(|(version, _)| *version).collect();
    assert_eq!(versions_of_both, (1..=2 * WRITES + 1).collect::<Vec<_>>());
    for (name, answers) in [("both", &both), ("today", &own), ("before", &own)] {
        let expected: Vec<_> = answers.iter().map(|(version, id)| (*version, *id, false)).collect();
        assert_eq!(versions(&today, &subject(name)).await, expected, "{name}");
        assert_eq!(before.versions(name).await, expected, "{name}");
    }
    let mut ids: Vec<u32> = both.iter().chain(&own).map(|(_, id)| *id).collect();
    ids.sort_unstable();
    assert_eq!(ids, (1..=3 * WRITES + 1).collect::<Vec<_>>(), "an id twice, or a gap");
    today.close().await;
}
