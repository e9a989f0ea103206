//! What the batches of an idempotent producer must be in the log of a replica, as Kafka's own tool finds them.

use std::collections::HashMap;

use end_to_end_tests::services::kafka::StoredBatch;

/// With which sequence a producer begins in a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Beginning {
    Zero,
    /// Any: what was sent to the topic of this name that was deleted, and may be written there, goes again as it was.
    /// A broker that knows nothing of the producer takes it.
    Any,
}

/// Valid batches of known producers, without a gap in offsets or in a producer's sequences.
pub(super) fn check_log(batches: &[&StoredBatch], beginning: Beginning) {
    let mut next_offset = 0;
    // Of the newest epoch: a broker keeps one.
    let mut next = HashMap::<i64, (i64, i64)>::new();
    for batch in batches {
        assert!(batch.is_valid, "{batch:?}");
        assert_eq!(batch.base_offset, next_offset, "a gap before {batch:?}");
        assert_eq!(batch.last_offset - batch.base_offset + 1, batch.count, "{batch:?}");
        assert_eq!(batch.last_sequence - batch.base_sequence + 1, batch.count, "{batch:?}");
        assert!(batch.producer_id >= 0, "written without idempotence: {batch:?}");
        let expected = match next.get(&batch.producer_id) {
            None if beginning == Beginning::Any => batch.base_sequence,
            None => 0,
            Some((epoch, sequence)) => {
                assert!(batch.producer_epoch >= *epoch, "an epoch that was over: {batch:?}");
                if batch.producer_epoch > *epoch { 0 } else { *sequence }
            }
        };
        assert_eq!(batch.base_sequence, expected, "a gap in the sequences before {batch:?}");
        next.insert(batch.producer_id, (batch.producer_epoch, batch.last_sequence + 1));
        next_offset = batch.last_offset + 1;
    }
}
