//! Produces with rdkafka's `FutureProducer` (librdkafka behind Rust), as `compare.py` asks; a task awaits the futures
//! in the order of the records.

use std::error::Error;
use std::time::Duration;

use benches_peers::load::{Load, Run, SentAt, UNANSWERED_MAX, rdkafka_settings};
use rdkafka::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::future_producer::DeliveryFuture;
use rdkafka::producer::{FutureProducer, FutureRecord, Producer};
use tokio::sync::mpsc;

/// A full queue has room again after a batch or two; timers are no finer.
const FULL_FOR: Duration = Duration::from_millis(1);

fn main() -> Result<(), Box<dyn Error>> {
    let load = Load::from_arguments()?;
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(produce(&load))
}

async fn produce(load: &Load) -> Result<(), Box<dyn Error>> {
    let run = Run::start(load);
    let config: ClientConfig = rdkafka_settings(load).into_iter().collect();
    let producer: FutureProducer = config.create()?;
    let (sent, mut answers) = mpsc::channel::<(DeliveryFuture, SentAt)>(UNANSWERED_MAX);
    let counting = tokio::spawn(async move {
        while let Some((answer, sent_at)) = answers.recv().await {
            if matches!(answer.await, Ok(Ok(_))) {
                run.acknowledged(sent_at);
            }
        }
    });
    for number in 0..load.records {
        run.pace(number).await;
        let sent_at = run.now();
        let mut record = FutureRecord::to(&load.topic).payload(&load.value[..]);
        if let Some(key) = load.key(number) {
            record = record.key(&key[..]);
        }
        let answer = loop {
            match producer.send_result(record) {
                Ok(answer) => break answer,
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), refused)) => {
                    record = refused;
                    tokio::time::sleep(FULL_FOR).await;
                }
                Err((error, _)) => return Err(error.into()),
            }
        };
        sent.send((answer, sent_at)).await?;
    }
    drop(sent);
    producer.flush(Duration::from_secs(60))?;
    counting.await?;
    run.report(run.elapsed());
    Ok(())
}
