//! The `tracing` spans, as a subscriber of a user's program sees them.
//!
//! A program of its own: producers of other tests, on threads without a subscriber, would have spans forgotten.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../it/simulated/support.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod support;

use std::fmt::{Debug, Write as _};
use std::sync::{Arc, Mutex};

use producer_core::ProducerRecord;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use self::support::{TOPIC, cluster, landed, producer, to, warm};

/// Keeps the spans of the thread it is set for, as `name field=value ...`, inner ones behind the outer one and `>`.
#[derive(Debug, Clone, Default)]
struct Spans(Arc<Mutex<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    /// A span's id is its place here, from 1.
    spans: Vec<String>,
    /// Those that are entered, the innermost last.
    entered: Vec<Id>,
}

impl Spans {
    /// The first span that begins so, whole.
    fn find(&self, start: &str) -> String {
        let kept = self.0.lock().unwrap();
        let found = kept.spans.iter().find(|span| span.starts_with(start));
        found.unwrap_or_else(|| panic!("no `{start}` among {:#?}", kept.spans)).clone()
    }

    /// The names of the spans that have begun, but for the first so many.
    fn names_from(&self, first: usize) -> Vec<String> {
        let name = |span: &String| span.rsplit(" > ").next().unwrap().split(' ').next().unwrap().to_owned();
        self.0.lock().unwrap().spans[first..].iter().map(name).collect()
    }
}

impl Subscriber for Spans {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_span() && metadata.target().starts_with("producer_core")
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut kept = self.0.lock().unwrap();
        let outer = kept.entered.last().map(|id| &kept.spans[id.into_u64() as usize - 1]);
        let mut text = outer.map_or(String::new(), |outer| format!("{outer} > ")) + span.metadata().name();
        span.record(&mut Fields(&mut text));
        kept.spans.push(text);
        Id::from_u64(kept.spans.len() as u64)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, _: &Event<'_>) {}

    fn enter(&self, span: &Id) {
        self.0.lock().unwrap().entered.push(span.clone());
    }

    fn exit(&self, span: &Id) {
        let left = self.0.lock().unwrap().entered.pop();
        assert_eq!(left.as_ref(), Some(span), "a span ends in the middle of another");
    }
}

/// Writes fields behind a name.
struct Fields<'a>(&'a mut String);

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        write!(self.0, " {field}={value:?}").unwrap();
    }
}

/// One after the other: `tracing` remembers of each span whether anybody listens, for all threads alike.
#[tokio::test(start_paused = true)]
async fn a_send_is_one_span_and_so_are_connections_metadata_and_requests() {
    spans_tell_what_they_are_about().await;
    every_send_has_one_span_whether_it_waits_or_not().await;
}

async fn spans_tell_what_they_are_about() {
    let spans = Spans::default();
    let _seen = tracing::subscriber::set_default(spans.clone());
    let broker = cluster(1, 1);
    let producer = producer(&broker, |_| {});

    landed(vec![producer.send(to(0, 0)).await.unwrap()]).await;

    let endpoint = broker.bootstrap_servers();
    assert_eq!(spans.find("send"), format!("send topic={TOPIC:?}"));
    assert_eq!(spans.find("metadata"), format!("metadata endpoint={endpoint}"));
    assert!(spans.find("produce").starts_with("produce node=1 batches=1 version="), "{spans:#?}");
    spans.find(&format!("metadata endpoint={endpoint} > connect endpoint={endpoint}"));
}

async fn every_send_has_one_span_whether_it_waits_or_not() {
    let broker = cluster(1, 1);
    broker.create_topic("another", 1).unwrap();
    let producer = producer(&broker, |_| {});
    warm(&broker, &producer, 1).await;
    let spans = Spans::default();
    let _seen = tracing::subscriber::set_default(spans.clone());

    producer.send_and_wait(to(0, 1)).await.unwrap();
    assert_eq!(spans.names_from(0), ["send", "produce"], "nothing had to be waited for");

    producer.send_and_wait(ProducerRecord::to("another").value("x".to_owned())).await.unwrap();
    assert_eq!(spans.names_from(2), ["send", "metadata", "produce"], "the topic had to be asked for");
}
