//! Comparisons that take long leave the worker to its other requests.

use std::pin::{Pin, pin};
use std::sync::mpsc;
use std::task::Poll;

use futures_util::poll;
use tokio::runtime::Builder;

use super::*;

/// How often a check is looked at, others having had their turn meanwhile.
const LOOKS: usize = 100;

/// What a check comes to within some looks.
async fn ends_soon<T>(mut check: Pin<&mut impl Future<Output = T>>) -> Option<T> {
    for _ in 0..LOOKS {
        if let Poll::Ready(outcome) = poll!(check.as_mut()) {
            return Some(outcome);
        }
        tokio::task::yield_now().await;
    }
    None
}

/// Records in each other, each with the one inside in two fields: twice as many problems at each level.
fn doubling(end: &str) -> SchemaInput {
    let text = (0..40).fold(format!("\"{end}\""), |inner, level| {
        let again = if level == 0 { inner.clone() } else { format!("\"R{}\"", level - 1) };
        let fields = format!(r#"[{{"name":"a","type":{inner}}},{{"name":"b","type":{again}}}]"#);
        format!(r#"{{"type":"record","name":"R{level}","fields":{fields}}}"#)
    });
    input(&text)
}

/// The threads of the worker that may be held up are all taken, so a comparison that is to run there cannot.
#[test]
fn a_small_schema_that_takes_long_to_compare_does_not_hold_its_worker_up() {
    let runtime = Builder::new_current_thread().enable_all().max_blocking_threads(1).build().unwrap();
    runtime.block_on(async {
        let (registry, _store) = registry().await;
        let subject = subject("s");
        register(&registry, "s", &doubling("int")).await.unwrap();
        let check = async |schema: &SchemaInput| {
            registry.check_compatibility(&subject, Some(Selector::Latest), schema).await.unwrap()
        };
        // From now on all that a check needs is in memory.
        check(&doubling("int")).await;
        let (free, until_free) = mpsc::sync_channel::<()>(1);
        let thread = tokio::task::spawn_blocking(move || until_free.recv());

        let (short, long) = (record("a"), doubling("string"));
        let short = ends_soon(pin!(check(&short))).await;
        let mut long = pin!(check(&long));
        let held_up = ends_soon(long.as_mut()).await;

        assert!(short.is_some(), "all but a long comparison takes {LOOKS} turns at most");
        assert_eq!(held_up, None, "compared on the worker");
        drop(free);
        thread.await.unwrap().unwrap_err();
        let messages = long.await;
        assert!(messages[0].contains("steps"), "{messages:?}");
    });
}
