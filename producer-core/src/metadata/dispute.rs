//! Brokers that tell different ids of a topic: it was made again, and some of them lag behind.
//!
//! An id that is new is believed at once, a former one when more than half of the brokers tell it: who told the newer
//! one may have been the one that lags. In either case the others are asked, those first that were not heard for
//! longest, until more than half tell the same. All do soon; one that is gone is soon not told of any more.

use crate::connection::Endpoint;

/// Who tells which id. Empty where all agree.
#[derive(Debug, Clone, Default)]
pub(super) struct Dispute {
    /// The last word of each broker.
    words: Vec<(Endpoint, [u8; 16])>,
}

impl Dispute {
    pub(super) fn is_over(&self) -> bool {
        self.words.is_empty()
    }

    pub(super) fn end(&mut self) {
        self.words.clear();
    }

    /// A broker tells an id.
    pub(super) fn hear(&mut self, broker: &Endpoint, id: [u8; 16]) {
        self.words.retain(|(heard, _)| heard != broker);
        self.words.push((broker.clone(), id));
    }

    /// Whether more than half of so many brokers tell this id.
    pub(super) fn is_won_by(&self, id: [u8; 16], broker_count: usize) -> bool {
        self.words.iter().filter(|(_, told)| *told == id).count() * 2 > broker_count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: [u8; 16] = [1; 16];
    const NEW: [u8; 16] = [2; 16];

    /// What is known after these answers of brokers in a cluster of so many.
    fn verdict(broker_count: usize, answers: &[(u16, [u8; 16])]) -> Option<[u8; 16]> {
        let mut dispute = Dispute::default();
        answers.iter().for_each(|(broker, id)| dispute.hear(&Endpoint::new("broker", *broker), *id));
        [OLD, NEW].into_iter().find(|id| dispute.is_won_by(*id, broker_count))
    }

    #[test]
    fn more_than_half_of_the_brokers_decide() {
        for (name, broker_count, answers, expected) in [
            ("there is no other", 1, &[(1, OLD)][..], Some(OLD)),
            ("the other may know better", 2, &[(1, OLD)], None),
            ("one, however often", 3, &[(1, OLD), (1, OLD), (1, OLD), (1, OLD)], None),
            ("a tie", 2, &[(1, OLD), (2, NEW), (1, OLD), (2, NEW)], None),
            ("who lagged has caught up", 2, &[(1, OLD), (2, NEW), (1, NEW)], Some(NEW)),
            ("two of three", 3, &[(1, OLD), (2, NEW), (3, NEW)], Some(NEW)),
            ("half of four", 4, &[(1, OLD), (2, OLD)], None),
        ] {
            assert_eq!(verdict(broker_count, answers), expected, "{name}");
        }
    }
}
