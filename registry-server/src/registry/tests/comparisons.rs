//! Comparisons that take long leave the worker to its other requests.

use std::pin::{Pin, pin};
use std::sync::mpsc;
use std::task::Poll;

use futures_util::poll;
use tokio::runtime::Builder;

use super::super::INLINE_BYTES_MAX;
use super::*;

/// What a comparison finds at once, at most.
const PROBLEMS: usize = 1_000;

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

/// A small schema of so many fields that each makes a problem: more than a comparison at once has room for.
fn many_fields(of: &str) -> SchemaInput {
    let fields: Vec<_> = (0..=PROBLEMS).map(|number| format!(r#"{{"name":"f{number}","type":"{of}"}}"#)).collect();
    let text = format!(r#"{{"type":"record","name":"R","fields":[{}]}}"#, fields.join(","));
    assert!(2 * text.len() < INLINE_BYTES_MAX, "{} bytes are no small schema", text.len());
    input(&text)
}

/// The threads of the worker that may be held up are all taken, so a comparison that is to run there cannot.
#[test]
fn a_small_schema_that_takes_long_to_compare_does_not_hold_its_worker_up() {
    let runtime = Builder::new_current_thread().enable_all().max_blocking_threads(1).build().unwrap();
    runtime.block_on(async {
        let (registry, _store) = registry().await;
        let subject = subject("s");
        register(&registry, "s", &many_fields("long")).await.unwrap();
        let check = async |schema: &SchemaInput| {
            registry.check_compatibility(&subject, Some(Selector::Latest), schema).await.unwrap()
        };
        // From now on all that a check needs is in memory.
        check(&many_fields("long")).await;
        let (free, until_free) = mpsc::sync_channel::<()>(1);
        let thread = tokio::task::spawn_blocking(move || until_free.recv());

        let (short, long) = (record("a"), many_fields("int"));
        let short = ends_soon(pin!(check(&short))).await;
        let mut long = pin!(check(&long));
        let held_up = ends_soon(long.as_mut()).await;

        assert!(short.is_some(), "all but a long comparison takes {LOOKS} turns at most");
        assert_eq!(held_up, None, "compared on the worker");
        drop(free);
        thread.await.unwrap().unwrap_err();
        let messages = long.await;
        assert!(messages.len() > PROBLEMS, "{} messages", messages.len());
    });
}
