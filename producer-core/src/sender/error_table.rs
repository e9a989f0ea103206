//! Every error code that a produce reply may carry, and what it asks for: one row each.
//!
//! Pure data; `response.rs` turns a row into an action. What a code means is Kafka's
//! (<https://kafka.apache.org/protocol#protocol_error_codes>), what follows from it is Java's way, where no other is
//! given. A code without a row fails the batch.

use crate::error::Outcome::{self, NotWritten, Unknown, Written};
use crate::error_code::*;

/// What a code asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Treatment {
    /// Nothing: the batch is in the log.
    Done,
    /// To be sent again to another leader, which the metadata tells now or soon. Not written, and no retry is counted.
    Moved,
    /// To be sent again, once the metadata has been asked for.
    Refresh(Outcome),
    /// To be sent again; what is written already, only with idempotence.
    Retry(Outcome),
    /// To be sent again; if it is the oldest, with a new epoch, since the broker expects another sequence.
    /// It fails if an attempt before may have written it, and without idempotence.
    NewEpoch,
    /// To be cut in two.
    Split,
    /// The batch, the topic or our rights to it are at fault: it fails.
    Refuse(Outcome),
    /// No record of this producer will fare better.
    Fatal(&'static str),
}

use Treatment::{Done, Fatal, Moved, NewEpoch, Refresh, Refuse, Retry, Split};

/// The row of a code; a code that a newer broker invented fails the batch, which may be written.
pub(super) fn treatment(code: i16) -> Treatment {
    TABLE.iter().find(|(listed, _)| *listed == code).map_or(Refuse(Unknown), |(_, treatment)| *treatment)
}

const TABLE: &[(i16, Treatment)] = &[
    (0, Done),
    // A bug or a broken batch on the other side; again would end alike.
    (UNKNOWN_SERVER_ERROR, Refuse(Unknown)),
    // A wrong checksum, so damaged on the way.
    (CORRUPT_MESSAGE, Retry(NotWritten)),
    // Just created, or deleted, which is no move: it counts.
    (UNKNOWN_TOPIC_OR_PARTITION, Refresh(NotWritten)),
    // The next leader is still being elected.
    (LEADER_NOT_AVAILABLE, Moved),
    (NOT_LEADER_OR_FOLLOWER, Moved),
    // The replicas did not follow in time. `response.rs` says written if there is an offset.
    (REQUEST_TIMED_OUT, Retry(Unknown)),
    // Another will lead. Java fails the batch.
    (BROKER_NOT_AVAILABLE, Refresh(NotWritten)),
    // What older brokers say of a partition that was taken from them.
    (REPLICA_NOT_AVAILABLE, Moved),
    (MESSAGE_TOO_LARGE, Split),
    // Between brokers; it may have got as far as the log.
    (NETWORK_EXCEPTION, Refresh(Unknown)),
    (COORDINATOR_LOAD_IN_PROGRESS, Retry(NotWritten)),
    (COORDINATOR_NOT_AVAILABLE, Retry(NotWritten)),
    (NOT_COORDINATOR, Retry(NotWritten)),
    (INVALID_TOPIC_EXCEPTION, Refuse(NotWritten)),
    // Larger than a segment of the log, as Java does not split that.
    (RECORD_LIST_TOO_LARGE, Refuse(NotWritten)),
    (NOT_ENOUGH_REPLICAS, Retry(NotWritten)),
    // In the leader's log; with idempotence the retry finds it there, without it fails.
    (NOT_ENOUGH_REPLICAS_AFTER_APPEND, Retry(Written)),
    (INVALID_REQUIRED_ACKS, Refuse(NotWritten)),
    // This topic only, and until somebody grants it.
    (TOPIC_AUTHORIZATION_FAILED, Refuse(NotWritten)),
    (CLUSTER_AUTHORIZATION_FAILED, Fatal("grant this client IdempotentWrite on the cluster")),
    (INVALID_TIMESTAMP, Refuse(NotWritten)),
    (UNSUPPORTED_VERSION, Fatal("the broker does not take this version of the request")),
    (INVALID_REQUEST, Refuse(NotWritten)),
    (UNSUPPORTED_FOR_MESSAGE_FORMAT, Refuse(NotWritten)),
    (POLICY_VIOLATION, Refuse(NotWritten)),
    (OUT_OF_ORDER_SEQUENCE_NUMBER, NewEpoch),
    // Written before, and the broker forgot where.
    (DUPLICATE_SEQUENCE_NUMBER, Done),
    // Without transactions an epoch is as good as the next. Java fails the batch.
    (INVALID_PRODUCER_EPOCH, NewEpoch),
    // The producer id belongs to a transactional producer. Java fails the batch, as it would all that follow.
    (INVALID_TXN_STATE, Fatal("another, transactional producer uses this producer id")),
    // The broker has forgotten the id, as with 59. Java gives the producer up.
    (INVALID_PRODUCER_ID_MAPPING, NewEpoch),
    // Java fails the batch, as it would all that follow.
    (INVALID_TRANSACTION_TIMEOUT, Fatal("the cluster does not take the transaction timeout")),
    (CONCURRENT_TRANSACTIONS, Retry(NotWritten)),
    (TRANSACTIONAL_ID_AUTHORIZATION_FAILED, Fatal("grant this client its transactional id")),
    (SECURITY_DISABLED, Refuse(NotWritten)),
    // A disk failed, perhaps after the append; the leader moves.
    (KAFKA_STORAGE_ERROR, Refresh(Unknown)),
    (SASL_AUTHENTICATION_FAILED, Refuse(NotWritten)),
    // Retention deleted our batches, and the broker forgot us with them.
    (UNKNOWN_PRODUCER_ID, NewEpoch),
    (LISTENER_NOT_FOUND, Refresh(NotWritten)),
    // One of the two sides has not heard of the last election. Java asks for no metadata if it is the broker.
    (FENCED_LEADER_EPOCH, Moved),
    (UNKNOWN_LEADER_EPOCH, Moved),
    (UNSUPPORTED_COMPRESSION_TYPE, Refuse(NotWritten)),
    (OFFSET_NOT_AVAILABLE, Retry(NotWritten)),
    (INVALID_RECORD, Refuse(NotWritten)),
    (THROTTLING_QUOTA_EXCEEDED, Retry(NotWritten)),
    (PRODUCER_FENCED, Fatal("another producer took over")),
    // The topic was deleted or made again.
    (UNKNOWN_TOPIC_ID, Refresh(NotWritten)),
    (INCONSISTENT_TOPIC_ID, Refresh(NotWritten)),
    (TRANSACTION_ABORTABLE, Refuse(NotWritten)),
    // Whoever is asked for metadata says whether it is so. Java fails the batch.
    (REBOOTSTRAP_REQUIRED, Refresh(NotWritten)),
];

#[cfg(test)]
mod tests {
    use super::*;

    /// One test a row, named by what it shows.
    macro_rules! rows {
        ($($name:ident: $code:literal => $treatment:pat,)*) => {
            $(#[test] fn $name() { assert!(matches!(treatment($code), $treatment), "{:?}", treatment($code)); })*

            #[test]
            fn every_row_has_its_test_and_every_code_its_name() {
                let tested = [$($code),*];
                for (code, _) in TABLE {
                    assert!(tested.contains(code), "{code}");
                    assert!(*code == 0 || crate::error_code::name(*code) != "UNLISTED_ERROR", "{code}");
                    assert_eq!(TABLE.iter().filter(|(other, _)| other == code).count(), 1, "{code}");
                }
            }
        };
    }

    rows! {
        no_error_is_done: 0 => Done,
        unknown_server_error_fails_and_may_be_written: -1 => Refuse(Unknown),
        corrupt_message_is_sent_again: 2 => Retry(NotWritten),
        unknown_topic_or_partition_asks_for_metadata: 3 => Refresh(NotWritten),
        leader_not_available_is_a_move: 5 => Moved,
        not_leader_or_follower_is_a_move: 6 => Moved,
        request_timed_out_may_be_written: 7 => Retry(Unknown),
        broker_not_available_asks_for_metadata: 8 => Refresh(NotWritten),
        replica_not_available_is_a_move: 9 => Moved,
        message_too_large_is_split: 10 => Split,
        network_exception_may_be_written: 13 => Refresh(Unknown),
        coordinator_load_in_progress_is_sent_again: 14 => Retry(NotWritten),
        coordinator_not_available_is_sent_again: 15 => Retry(NotWritten),
        not_coordinator_is_sent_again: 16 => Retry(NotWritten),
        invalid_topic_fails: 17 => Refuse(NotWritten),
        record_list_too_large_fails: 18 => Refuse(NotWritten),
        not_enough_replicas_is_sent_again: 19 => Retry(NotWritten),
        not_enough_replicas_after_append_is_written_and_sent_again: 20 => Retry(Written),
        invalid_required_acks_fails: 21 => Refuse(NotWritten),
        topic_authorization_failed_fails_this_batch: 29 => Refuse(NotWritten),
        cluster_authorization_failed_ends_the_producer: 31 => Fatal(_),
        invalid_timestamp_fails: 32 => Refuse(NotWritten),
        unsupported_version_ends_the_producer: 35 => Fatal(_),
        invalid_request_fails: 42 => Refuse(NotWritten),
        unsupported_for_message_format_fails: 43 => Refuse(NotWritten),
        policy_violation_fails: 44 => Refuse(NotWritten),
        out_of_order_sequence_number_wants_a_new_epoch: 45 => NewEpoch,
        duplicate_sequence_number_is_done: 46 => Done,
        invalid_producer_epoch_wants_a_new_epoch: 47 => NewEpoch,
        invalid_txn_state_ends_the_producer: 48 => Fatal(_),
        invalid_producer_id_mapping_wants_a_new_epoch: 49 => NewEpoch,
        invalid_transaction_timeout_ends_the_producer: 50 => Fatal(_),
        concurrent_transactions_is_sent_again: 51 => Retry(NotWritten),
        transactional_id_authorization_failed_ends_the_producer: 53 => Fatal(_),
        security_disabled_fails: 54 => Refuse(NotWritten),
        kafka_storage_error_may_be_written: 56 => Refresh(Unknown),
        sasl_authentication_failed_fails: 58 => Refuse(NotWritten),
        unknown_producer_id_wants_a_new_epoch: 59 => NewEpoch,
        listener_not_found_asks_for_metadata: 72 => Refresh(NotWritten),
        fenced_leader_epoch_is_a_move: 74 => Moved,
        unknown_leader_epoch_is_a_move: 75 => Moved,
        unsupported_compression_type_fails: 76 => Refuse(NotWritten),
        offset_not_available_is_sent_again: 78 => Retry(NotWritten),
        invalid_record_fails: 87 => Refuse(NotWritten),
        throttling_quota_exceeded_is_sent_again: 89 => Retry(NotWritten),
        producer_fenced_ends_the_producer: 90 => Fatal(_),
        unknown_topic_id_asks_for_metadata: 100 => Refresh(NotWritten),
        inconsistent_topic_id_asks_for_metadata: 103 => Refresh(NotWritten),
        transaction_abortable_fails: 120 => Refuse(NotWritten),
        rebootstrap_required_asks_for_metadata: 129 => Refresh(NotWritten),
        a_code_that_is_not_listed_fails_and_may_be_written: 9999 => Refuse(Unknown),
    }
}
