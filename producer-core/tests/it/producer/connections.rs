//! What a broker sees of a producer that connects, byte by byte.

use std::time::Duration;

use producer_core::testing::{Api, Fault, FaultAction};
use producer_core::{ProducerConfig, ProducerRecord};
use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

use super::support::{TOPIC, cluster, numbered, producer, settings, until, within};

/// A producer's first record, and the listener in place of a broker that it sends to.
async fn sending(set: impl FnOnce(&mut ProducerConfig)) -> (TcpListener, tokio::task::JoinHandle<()>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let mut config = ProducerConfig::new(&listener.local_addr().unwrap().to_string());
    set(&mut config);
    let producer = producer(config);
    let sending = tokio::spawn(async move { drop(producer.send(numbered(0)).await) });
    (listener, sending)
}

async fn accept(listener: &TcpListener) -> TcpStream {
    within("a connection", listener.accept()).await.unwrap().0
}

#[tokio::test]
async fn requests_bear_the_name_of_the_client() {
    for (given, expected) in [("order service", "order service"), ("", "producer-")] {
        let (listener, sending) = sending(|config| config.client_id = given.to_owned()).await;
        let mut stream = accept(&listener).await;

        let mut start = [0; 12];
        within("a request", stream.read_exact(&mut start)).await.unwrap();
        let length = usize::from(within("a request", stream.read_u16()).await.unwrap());
        let mut name = vec![0; length];
        within("a request", stream.read_exact(&mut name)).await.unwrap();

        // Length, then key and version of the request, its number, the length of the name.
        assert_eq!(start[4..6], 18_i16.to_be_bytes(), "ApiVersions comes first");
        let name = String::from_utf8(name).unwrap();
        assert!(name.starts_with(expected) && (given.is_empty() || name == given), "{name:?}");
        sending.abort();
    }
}

#[tokio::test]
async fn a_broker_that_hangs_up_is_left_alone_for_longer_each_time() {
    let (listener, sending) = sending(|config| {
        config.reconnect_backoff = Duration::from_millis(150);
        config.reconnect_backoff_max = Duration::from_millis(300);
        config.retry_backoff = Duration::from_millis(1);
        config.retry_backoff_max = Duration::from_millis(1);
    })
    .await;

    let mut at = Vec::new();
    for _ in 0..4 {
        drop(accept(&listener).await);
        at.push(Instant::now());
    }

    // A fifth less at most; how much more is a matter of the machine.
    let pauses: Vec<Duration> = at.windows(2).map(|pair| pair[1] - pair[0]).collect();
    for (pause, least) in pauses.iter().zip([110, 230, 230]) {
        assert!(*pause >= Duration::from_millis(least), "{pauses:?}");
    }
    sending.abort();
}

/// What is on its way to a broker that asks for a pause fills the buffers between the two, and the system that is told
/// to give up who takes nothing for `request.timeout.ms` does not know of the pause.
#[tokio::test]
async fn a_broker_that_asks_for_a_pause_is_not_given_up_though_it_takes_nothing_for_long() {
    let broker = cluster(1, 1).await;
    let mut config = settings(&broker);
    config.request_timeout = Duration::from_millis(500);
    config.enable_idempotence = false;
    config.retries = 0;
    let producer = producer(config);
    within("the first", producer.send_and_wait(numbered(0))).await.unwrap();
    broker.inject(Fault::new(Api::Produce, FaultAction::Throttle(Duration::from_secs(2))));
    broker.freeze_node(1).unwrap();
    let large = ProducerRecord::to(TOPIC).partition(0).value("x".repeat(900_000));
    let mut deliveries = Vec::new();
    for _ in 0..5 {
        deliveries.push(within("a send", producer.send(large.clone())).await.unwrap());
    }
    until("five requests are on their way", || producer.metrics().requests_in_flight == 5).await;
    broker.thaw_node(1).unwrap();

    for delivery in deliveries {
        within("a delivery", delivery).await.unwrap();
    }
}
