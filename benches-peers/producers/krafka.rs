//! Produces with krafka, as `compare.py` asks; a task awaits the answers in the order of the records.

use std::error::Error;

use benches_peers::load::{BUFFER_BYTES, LINGER, Load, Run, SentAt, UNANSWERED_MAX};
use krafka::producer::{Acks, DeliveryHandle};
use krafka::{Compression, Kafka, Record};
use tokio::sync::mpsc;

fn main() -> Result<(), Box<dyn Error>> {
    let load = Load::from_arguments()?;
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(produce(&load))
}

async fn produce(load: &Load) -> Result<(), Box<dyn Error>> {
    let kafka = Kafka::builder(load.servers.clone()).connect().await?;
    let producer = kafka
        .producer()
        .acks(Acks::All)
        .idempotent(true)
        .linger(LINGER)
        .batch_size(load.batch_bytes()?)
        .buffer_memory(BUFFER_BYTES)
        .compression(if load.is_lz4() { Compression::Lz4 } else { Compression::None })
        .metrics_push(false)
        .build()
        .await?;
    let run = Run::start(load);
    let (sent, mut answers) = mpsc::channel::<(DeliveryHandle, SentAt)>(UNANSWERED_MAX);
    let counting = tokio::spawn(async move {
        while let Some((answer, sent_at)) = answers.recv().await {
            if answer.await.is_ok() {
                run.acknowledged(sent_at);
            }
        }
    });
    for number in 0..load.records {
        run.pace(number).await;
        let mut record = Record::new(load.topic.as_str(), load.value.clone());
        if let Some(key) = load.key(number) {
            record = record.key(key.clone());
        }
        let sent_at = run.now();
        sent.send((producer.enqueue(record).await?, sent_at)).await?;
    }
    drop(sent);
    producer.flush().await?;
    counting.await?;
    let elapsed = run.elapsed();
    producer.close().await?;
    run.report(elapsed);
    Ok(())
}
