//! One producer, used from many threads and from other runtimes than the one it was made in.

use producer_core::ProducerRecord;

use super::support::{TOPIC, cluster, producer, settings, values, within};

/// Threads, each with a runtime of its own.
const THREADS: usize = 64;

const RECORDS: usize = 50;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_threads_with_runtimes_of_their_own_share_a_producer() {
    let broker = cluster(1, 4).await;
    let producer = producer(settings(&broker));
    let threads: Vec<_> = (0..THREADS)
        .map(|thread| {
            let producer = producer.clone();
            tokio::task::spawn_blocking(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                runtime.block_on(async {
                    let mut deliveries = Vec::new();
                    for number in 0..RECORDS {
                        let partition = i32::try_from(thread % 4).unwrap();
                        let record = ProducerRecord::to(TOPIC).partition(partition).value(format!("{thread} {number}"));
                        deliveries.push(within("a send", producer.send(record)).await.unwrap());
                    }
                    for delivery in deliveries {
                        within("a delivery", delivery).await.unwrap();
                    }
                });
            })
        })
        .collect();
    for thread in threads {
        within("a thread", thread).await.unwrap();
    }

    let mut next = [0; THREADS];
    for partition in 0..4 {
        for value in values(&broker.records(TOPIC, partition).unwrap()) {
            let (thread, number) = value.split_once(' ').unwrap();
            let next = &mut next[thread.parse::<usize>().unwrap()];
            assert_eq!(number.parse::<usize>().unwrap(), *next, "thread {thread}");
            *next += 1;
        }
    }
    assert_eq!(next, [RECORDS; THREADS]);
    assert_eq!(producer.buffered_bytes(), 0);
}
