//! Weights for partitions by how many batches wait for them: the shorter the queue, the likelier (KIP-794).

use std::time::Duration;

/// How long a look at the queues of a topic serves. Looking costs a lock for each partition, and a topic may have
/// thousands; Java looks once in a turn of its sender, which takes as long.
pub(crate) const LOOK_AGE_MAX: Duration = Duration::from_millis(1);

/// Partitions and their weights, summed up so that a random number finds one by binary search.
///
/// As Java does it: a partition's weight is the longest queue plus one, less its own.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct LoadTable {
    /// Partitions, each with the sum of the weights up to and with its own; rising.
    sums: Vec<(i32, usize)>,
}

impl LoadTable {
    /// From the length of the queue of each partition that may be chosen, of `partition_count` that there are.
    ///
    /// `None` if weights would change nothing: all queues are equally long, and no partition is left out.
    pub(crate) fn new(queues: &[(i32, usize)], partition_count: usize) -> Option<Self> {
        let longest = queues.iter().map(|(_, waiting)| *waiting).max()?;
        let is_even = queues.iter().all(|(_, waiting)| *waiting == longest);
        if partition_count < 2 || is_even && queues.len() == partition_count {
            return None;
        }
        let mut sum = 0;
        let sums = queues.iter().map(|(partition, waiting)| {
            sum += longest + 1 - waiting;
            (*partition, sum)
        });
        Some(Self { sums: sums.collect() })
    }

    /// The partition for a random number.
    pub(crate) fn pick(&self, random: usize) -> i32 {
        let total = self.sums.last().map_or(1, |(_, sum)| *sum);
        let drawn = random % total;
        self.sums[self.sums.partition_point(|(_, sum)| *sum <= drawn)].0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shorter_queues_are_drawn_more_often() {
        // They weigh 1, 6, 3, 6 and 5.
        let queues = [(0, 5), (1, 0), (2, 3), (3, 0), (4, 1)];
        let table = LoadTable::new(&queues, 5).unwrap();

        let mut drawn = [0; 5];
        for random in 0..21 * 1000 {
            drawn[usize::try_from(table.pick(random)).unwrap()] += 1;
        }

        assert_eq!(drawn, [1000, 6000, 3000, 6000, 5000]);
    }

    #[test]
    fn equal_queues_need_no_weights_unless_a_partition_is_left_out() {
        assert_eq!(LoadTable::new(&[(0, 2), (1, 2), (2, 2)], 3), None);
        assert_eq!(LoadTable::new(&[(0, 7)], 1), None);
        assert_eq!(LoadTable::new(&[], 3), None);

        let without_the_middle = LoadTable::new(&[(0, 2), (2, 2)], 3).unwrap();
        assert_eq!([0, 1, 2, 3].map(|random| without_the_middle.pick(random)), [0, 2, 0, 2]);
    }
}
