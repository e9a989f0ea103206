//! Writes that find the writer idle: their callers do them.

use std::pin::pin;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::runtime::{Builder, Runtime};
use tokio::task::yield_now;
use tokio::time::timeout;

use super::super::super::Revision;
use super::super::super::conformance::{new_version, pair, register, subject, versions};
use super::*;

/// A runtime of one thread: this one, while it is asked to.
fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

fn open(folder: &TempDir, home: &Runtime) -> Arc<dyn Store> {
    Arc::new(home.block_on(SqliteStore::open_file(&folder.path().join("registry.db"))).unwrap())
}

#[test]
fn a_lone_write_does_not_wait_for_the_task() {
    let folder = tempfile::tempdir().unwrap();
    let (home, elsewhere) = (runtime(), runtime());
    let store = open(&folder, &home);

    // The task does not run meanwhile.
    let write = store.insert_version(new_version(&subject("s"), "text", Revision::default()));
    let inserted = elsewhere.block_on(async { timeout(Duration::from_secs(30), write).await });

    assert_eq!(inserted.unwrap().unwrap().place(), Some(pair(1, 1)));
    home.block_on(store.close());
}

#[test]
fn a_write_whose_runtime_ends_is_done_by_the_task() {
    // The runtime ends before the write begins, in the middle of it, or behind it.
    for steps in 0..6 {
        let folder = tempfile::tempdir().unwrap();
        let (home, elsewhere) = (runtime(), runtime());
        let store = open(&folder, &home);
        elsewhere.block_on(async {
            let mut write = pin!(store.insert_version(new_version(&subject("s-1"), "text 1", Revision::default())));
            assert!(write.as_mut().now_or_never().is_none());
            for _ in 0..steps {
                yield_now().await;
            }
        });
        drop(elsewhere);

        home.block_on(async {
            assert_eq!(register(&store, &subject("s-2"), "text 2").await, pair(2, 1), "{steps} steps");
            assert_eq!(versions(&store, &subject("s-1")).await, [(1, 1, false)], "{steps} steps");
            store.close().await;
        });
    }
}
