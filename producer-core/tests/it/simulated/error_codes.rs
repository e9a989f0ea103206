//! What a producer does about each error code: the whole way from the answer to the record's end.

use producer_core::testing::{Api, FaultAction};
use producer_core::{Outcome, ProduceError};

use super::support::{TOPIC, cluster, numbers, produce, producer, send, to, warm};

/// What a user, and a broker, see of a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seen {
    /// The record was sent once more and is there.
    SentAgain,
    /// The same, and metadata was asked for in between.
    SentAgainAfterMetadata,
    /// The same, in a new epoch.
    SentAgainInANewEpoch,
    /// The record is taken to be there.
    Taken,
    Failed(Outcome),
    /// This record failed, and so will all later ones.
    Ended,
}

use Seen::{Ended, Failed, SentAgain, SentAgainAfterMetadata, SentAgainInANewEpoch, Taken};

/// Which are sent again, and which say that metadata is old, is as Java's `Errors` and `TransactionManager` have it,
/// but for those whose row in the table says what Java does. Those that answer other requests than to produce fail.
fn expected(code: i16) -> Seen {
    match code {
        3 | 5 | 6 | 8 | 9 | 13 | 56 | 72 | 74 | 75 | 100 | 103 | 129 => SentAgainAfterMetadata,
        2 | 7 | 14 | 15 | 16 | 19 | 20 | 51 | 78 | 89 => SentAgain,
        // Warm means that a batch was acknowledged, so the broker forgot us.
        45 | 47 | 49 | 59 => SentAgainInANewEpoch,
        46 => Taken,
        31 | 35 | 48 | 50 | 53 | 90 => Ended,
        // Too large to be cut: a record alone.
        10 | 17 | 18 | 21 | 29 | 32 | 42 | 43 | 44 | 54 | 58 | 76 | 87 | 120 => Failed(Outcome::NotWritten),
        _ => Failed(Outcome::Unknown),
    }
}

async fn seen(code: i16) -> Seen {
    let broker = cluster(1, 1);
    let producer = producer(&broker, |_| {});
    warm(&broker, &producer, 1).await;
    let before = (broker.request_count(Api::Produce), broker.request_count(Api::Metadata));
    broker.inject(produce(FaultAction::Error(code)));

    let result = send(&producer, 0, [1]).await.pop().unwrap().await;

    let requests = broker.request_count(Api::Produce) - before.0;
    let has_asked = broker.request_count(Api::Metadata) > before.1;
    let is_there = numbers(&broker, 0) == [0, 1];
    let is_new_epoch = broker.batches(TOPIC, 0).unwrap().pop().unwrap().producer_epoch > 0;
    let later = producer.send_and_wait(to(0, 2)).await;
    assert_eq!(matches!(later, Err(ProduceError::Fatal { .. })), later.is_err(), "{code}: {later:?}");
    match (result, requests, is_there) {
        (Ok(landed), 2, true) => {
            assert_eq!(landed.offset, Some(1), "{code}");
            match (is_new_epoch, has_asked) {
                (true, _) => SentAgainInANewEpoch,
                (false, true) => SentAgainAfterMetadata,
                (false, false) => SentAgain,
            }
        }
        (Ok(landed), 1, false) => {
            assert_eq!(landed.offset, None, "{code}");
            Taken
        }
        (Err(ProduceError::Fatal { .. }), 1, false) if later.is_err() => Ended,
        (Err(error), 1, false) if later.is_ok() => Failed(error.outcome()),
        other => panic!("{code}: {other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn each_code_does_what_it_asks_for() {
    // Kafka's codes end at 133 today; one of tomorrow is none of those.
    for code in (-1..=133).filter(|code| *code != 0).chain([i16::MIN, i16::MAX]) {
        assert_eq!(seen(code).await, expected(code), "{code}");
    }
}
