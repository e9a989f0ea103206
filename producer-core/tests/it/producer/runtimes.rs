//! One producer, used from many threads and from other runtimes than the one it was made in.

use producer_core::ProducerRecord;

use tokio::runtime::Builder;

use super::support::{Records, TOPIC, cluster, numbered, producer, settings, values, within};

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

/// Far more than are taken in the time of an answer, and far less than `buffer.memory` holds, where a send would wait.
const TIGHT_MAX: usize = 400_000;

/// Sends as fast as a task can until the first record has its answer; how many records that took.
async fn sends_without_a_wait(producer: Records) -> usize {
    let first = producer.send(numbered(1)).await.unwrap();
    for number in 2..TIGHT_MAX {
        drop(producer.send(numbered(number)).await.unwrap());
        if first.try_result().is_some() {
            return number;
        }
    }
    TIGHT_MAX
}

#[test]
fn a_task_that_only_sends_lets_its_records_leave() {
    let elsewhere = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let broker = elsewhere.block_on(cluster(1, 1));
    // With several threads, whom a task wakes may still have to wait for the thread of that task.
    let runtimes = [
        ("current thread", Builder::new_current_thread().enable_all().build()),
        ("one thread", Builder::new_multi_thread().worker_threads(1).enable_all().build()),
        ("two threads", Builder::new_multi_thread().worker_threads(2).enable_all().build()),
    ];
    let sent = runtimes.map(|(name, runtime)| {
        let sent = runtime.unwrap().block_on(async {
            let producer = producer(settings(&broker));
            within("the first", producer.send_and_wait(numbered(0))).await.unwrap();
            within("the task", tokio::spawn(sends_without_a_wait(producer))).await.unwrap()
        });
        (name, sent)
    });

    assert!(sent.iter().all(|(_, sent)| *sent < TIGHT_MAX), "records sent before the first was answered: {sent:?}");
}
