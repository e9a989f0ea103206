//! A store whose callers' runtimes come and go, as the workers of a server do: what one leaves behind is done.

use std::sync::Arc;
use std::time::Duration;

use end_to_end_tests::services::postgres::Postgres;
use registry_server::store::conformance::{new_version, pair, register, subject, versions};
use registry_server::store::{PostgresStore, Revision, Store};
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;

/// After so long, and multiples of it, a runtime ends: from before its write begins to behind it.
const STEP: Duration = Duration::from_micros(400);

/// For what takes milliseconds.
const DEADLINE: Duration = Duration::from_secs(20);

/// A runtime of one thread: this one, while it is asked to.
fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

fn open(home: &Runtime) -> Arc<dyn Store> {
    let url = Postgres::shared().unwrap().create_database().unwrap();
    Arc::new(home.block_on(PostgresStore::open(&url)).unwrap())
}

#[test]
fn a_write_whose_runtime_ends_is_done_once() {
    let home = runtime();
    let store = open(&home);
    for step in 0..12 {
        let elsewhere = runtime();
        let name = subject(&format!("s-{step}"));
        elsewhere.block_on(async {
            let write = store.insert_version(new_version(&name, &format!("text {step}"), Revision::default()));
            // Cut off or done.
            let _ = timeout(step * STEP, write).await;
        });
        drop(elsewhere);

        home.block_on(async {
            let (next, text) = (subject(&format!("next-{step}")), format!("next text {step}"));
            let registered = timeout(DEADLINE, register(&store, &next, &text)).await.unwrap();
            assert_eq!(registered, pair(2 * step + 2, 1), "{step} steps");
            assert_eq!(versions(&store, &name).await, [(1, 2 * step + 1, false)], "{step} steps");
        });
    }
    home.block_on(store.close());
}
