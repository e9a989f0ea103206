//! Produces with rdkafka's `ThreadedProducer` (librdkafka behind Rust), as `compare.py` asks.

use std::error::Error;
use std::time::Duration;

use benches_peers::load::{Load, Run, SentAt, rdkafka_settings};
use rdkafka::ClientConfig;
use rdkafka::ClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseRecord, DeliveryResult, Producer, ProducerContext, ThreadedProducer};

/// A full queue has room again after a batch or two.
const FULL_FOR: Duration = Duration::from_micros(200);

struct Count(&'static Run);

impl ClientContext for Count {}

impl ProducerContext for Count {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, sent_at: usize) {
        if result.is_ok() {
            self.0.acknowledged(SentAt(sent_at));
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let load = Load::from_arguments()?;
    let run = Run::start(&load);
    let config: ClientConfig = rdkafka_settings(&load).into_iter().collect();
    let producer: ThreadedProducer<Count> = config.create_with_context(Count(run))?;
    for number in 0..load.records {
        if let Some(early) = run.early_by(number) {
            sleep(early);
        }
        let mut record = BaseRecord::with_opaque_to(&load.topic, run.now().0).payload(&load.value[..]);
        if let Some(key) = load.key(number) {
            record = record.key(&key[..]);
        }
        while let Err((error, refused)) = producer.send(record) {
            if error != KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull) {
                return Err(error.into());
            }
            record = refused;
            sleep(FULL_FOR);
        }
    }
    producer.flush(Duration::from_secs(60))?;
    run.report(run.elapsed());
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "this thread has nothing else to do")]
fn sleep(time: Duration) {
    std::thread::sleep(time);
}
