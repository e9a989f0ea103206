//! What a tracing subscriber sees of a send.

use std::sync::{Arc, Mutex};

use producer_core::ProducerRecord;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use super::support::{cluster, producer, to, warm};

/// Notes the names of spans of this crate in the order in which they begin.
#[derive(Clone, Default)]
struct Names(Arc<Mutex<Vec<&'static str>>>);

impl Names {
    fn take(&self) -> Vec<&'static str> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

impl Subscriber for Names {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("producer_core")
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut names = self.0.lock().unwrap();
        names.push(span.metadata().name());
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, _: &Event<'_>) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[tokio::test(start_paused = true)]
async fn every_send_has_one_span_whether_it_waits_or_not() {
    let broker = cluster(1, 1);
    broker.create_topic("another", 1).unwrap();
    let producer = producer(&broker, |_| {});
    warm(&broker, &producer, 1).await;
    let names = Names::default();
    let _seen = tracing::subscriber::set_default(names.clone());

    producer.send_and_wait(to(0, 1)).await.unwrap();
    assert_eq!(names.take(), ["send", "produce"], "nothing had to be waited for");

    producer.send_and_wait(ProducerRecord::to("another").value("x".to_owned())).await.unwrap();
    assert_eq!(names.take(), ["send", "metadata", "produce"], "the topic had to be asked for");
}
