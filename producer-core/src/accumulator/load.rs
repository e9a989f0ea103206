//! How busy the partitions of a topic are, for the choice of the next sticky one (KIP-794).

use std::collections::HashSet;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::partition::Partition;
use crate::node::NO_NODE;
use crate::partitioner::{LOOK_AGE_MAX, LoadTable};

/// The settings that say whether and how load counts.
#[derive(Debug, Clone, Copy)]
pub(super) struct LoadRules {
    pub(super) is_adaptive: bool,
    /// A broker that has taken nothing of what was ready for so long is left out; zero: never.
    pub(super) availability_timeout: Duration,
    pub(super) linger: Duration,
    pub(super) is_linger_adaptive: bool,
}

/// The load of one topic, measured when somebody asks and the last look is old.
#[derive(Debug)]
pub(super) struct Load {
    rules: LoadRules,
    state: Mutex<State>,
}

/// The last look, and the space for the next: there is one for every few batches.
#[derive(Debug, Default)]
struct State {
    last: Option<(Instant, Option<Arc<LoadTable>>)>,
    looks: Vec<Look<i32>>,
    able: Vec<(i32, usize)>,
}

impl Load {
    pub(super) fn new(rules: LoadRules) -> Self {
        Self { rules, state: Mutex::default() }
    }

    /// Weights for the partitions; `None` if each is as good as any other, among those in `near` if there are any.
    ///
    /// Those that are near come first: the others count only if none of them can be written to (KIP-1123). Locks the
    /// queues, so none may be locked by the caller.
    pub(super) fn table(&self, partitions: &[Arc<Partition>], near: &[i32]) -> Option<Arc<LoadTable>> {
        if !self.rules.is_adaptive || partitions.len() < 2 {
            return None;
        }
        let now = Instant::now();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, table)) = &state.last
            && now < *at + LOOK_AGE_MAX
        {
            return table.clone();
        }
        let table = self.measure(&mut state, partitions, near, now).map(Arc::new);
        state.last = Some((now, table.clone()));
        table
    }

    fn measure(
        &self,
        State { looks, able, .. }: &mut State,
        partitions: &[Arc<Partition>],
        near: &[i32],
        now: Instant,
    ) -> Option<LoadTable> {
        let timeout = self.rules.availability_timeout;
        looks.clear();
        for partition in partitions {
            let queue = partition.queue();
            let node = queue.ready.node();
            if node == NO_NODE {
                continue;
            }
            let is_hurried = self.rules.is_linger_adaptive && !queue.has_in_flight();
            let backlog = queue.backlog(if is_hurried { Duration::ZERO } else { self.rules.linger });
            let is_stuck = !timeout.is_zero()
                && backlog.ready_since.is_some_and(|since| since.max(queue.ready.drained_at()) + timeout < now);
            looks.push(Look { node, index: partition.index, batches: backlog.batches, is_stuck });
        }
        find_able(looks, able);
        let is_near = |(index, _): &(i32, usize)| near.binary_search(index).is_ok();
        if able.iter().any(is_near) {
            able.retain(is_near);
        }
        LoadTable::new(able, partitions.len())
    }
}

/// What a look at a partition's queue has shown.
#[derive(Debug)]
struct Look<N> {
    /// The node that leads the partition.
    node: N,
    index: i32,
    batches: usize,
    /// Whether what waits here shows that the node takes nothing.
    is_stuck: bool,
}

/// The partitions of nodes that no partition shows to be stuck, with their numbers of batches. As many steps as there
/// are partitions, also where they lie on as many nodes that are all stuck.
fn find_able<N: Copy + Eq + Hash>(looks: &[Look<N>], able: &mut Vec<(i32, usize)>) {
    let stuck: HashSet<N> = looks.iter().filter(|look| look.is_stuck).map(|look| look.node).collect();
    able.clear();
    able.extend(looks.iter().filter(|look| !stuck.contains(&look.node)).map(|look| (look.index, look.batches)));
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::hash::Hasher;

    use super::super::batch::RecordView;
    use super::super::{Accumulator, Append, Choice, Leader, Topic};
    use crate::config::ProducerConfig;
    use crate::delivery::Callback;
    use crate::record::Headers;

    use super::*;

    /// The node in the client's own rack.
    const NEAR_NODE: i32 = 7;

    /// One topic whose partitions are led by these nodes, in batches of 1,000 bytes.
    fn topic(leaders: &[i32], set: impl FnOnce(&mut ProducerConfig)) -> (Accumulator, Arc<Topic>) {
        let mut config = ProducerConfig { batch_bytes: 1000, ..ProducerConfig::new("a:1") };
        set(&mut config);
        let accumulator = Accumulator::new(&config, tokio::runtime::Handle::current());
        let leaders: Vec<Leader> =
            leaders.iter().map(|node| Leader { node: *node, epoch: 0, is_near: *node == NEAR_NODE }).collect();
        accumulator.apply(&"t".into(), [0; 16], &leaders);
        let topic = accumulator.topic("t").unwrap();
        (accumulator, topic)
    }

    fn append(accumulator: &Accumulator, topic: &Topic, index: usize, choice: Choice, bytes: usize) -> Append<()> {
        let (value, headers) = (vec![0; bytes], Headers::default());
        let record = RecordView { timestamp: 0, key: None, value: Some(&value), headers: &headers };
        accumulator.append(topic, &topic.partitions[index], &record, choice, &mut None, &mut None::<Callback>)
    }

    /// How often each partition comes next.
    fn drawn<const N: usize>(topic: &Topic) -> [usize; N] {
        let mut drawn = [0; N];
        for _ in 0..10_000 {
            drawn[usize::try_from(topic.next_partition()).unwrap()] += 1;
        }
        drawn
    }

    #[tokio::test(start_paused = true)]
    async fn the_longer_a_queue_the_rarer_its_partition() {
        let (accumulator, topic) = topic(&[1, 1, 1], |_| {});
        let [a, b, c] = drawn(&topic);
        assert!([a, b, c].iter().all(|count| (3000..3700).contains(count)), "even: {a} {b} {c}");

        // Nineteen batches that wait, and one open: weights of 1, 21 and 21.
        for _ in 0..20 {
            assert!(matches!(append(&accumulator, &topic, 0, Choice::Fixed, 900), Append::Done { .. }));
        }
        tokio::time::advance(LOOK_AGE_MAX).await;

        let [a, b, c] = drawn(&topic);
        assert!((100..400).contains(&a) && b > 4000 && c > 4000, "{a} {b} {c}");
    }

    #[tokio::test(start_paused = true)]
    async fn load_does_not_count_when_it_is_switched_off() {
        let (accumulator, topic) = topic(&[1, 1, 1], |config| config.partitioner_adaptive = false);
        for _ in 0..20 {
            append(&accumulator, &topic, 0, Choice::Fixed, 900);
        }
        tokio::time::advance(LOOK_AGE_MAX).await;

        assert!(drawn::<3>(&topic).iter().all(|count| (3000..3700).contains(count)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_broker_that_takes_nothing_is_left_out_until_it_does() {
        let timeout = Duration::from_millis(100);
        let (accumulator, topic) = topic(&[1, 1, 2], |config| config.partitioner_availability_timeout = timeout);
        append(&accumulator, &topic, 0, Choice::Fixed, 10);
        let linger = ProducerConfig::default().linger;

        tokio::time::advance(linger + timeout).await;
        assert!(drawn::<3>(&topic).iter().all(|count| *count > 1000), "not longer than the timeout");
        tokio::time::advance(LOOK_AGE_MAX).await;
        assert_eq!(drawn(&topic), [0, 0, 10_000], "what waits on partition 0 speaks for its broker");

        accumulator.ready_set(1).drained(Instant::now());
        tokio::time::advance(LOOK_AGE_MAX).await;
        assert!(drawn::<3>(&topic).iter().all(|count| *count > 1000));
    }

    #[tokio::test(start_paused = true)]
    async fn what_need_not_linger_is_ready_at_once() {
        for (is_adaptive, expected) in [(true, [0, 10_000]), (false, [5_000, 5_000])] {
            let (accumulator, topic) = topic(&[1, 2], |config| {
                config.partitioner_availability_timeout = Duration::from_millis(100);
                config.linger = Duration::from_secs(60);
                config.linger_adaptive = is_adaptive;
            });
            append(&accumulator, &topic, 0, Choice::Fixed, 10);

            tokio::time::advance(Duration::from_secs(1)).await;

            let drawn: [usize; 2] = drawn(&topic);
            // With one batch that waits, weights are 1 and 2.
            assert!(drawn[0].abs_diff(expected[0]) < 2_500, "{drawn:?}");
            assert_eq!(drawn[0] == 0, is_adaptive, "{drawn:?}");
        }
    }

    /// A node that counts how often it is looked up or compared.
    #[derive(Clone, Copy, Eq)]
    struct Counted<'c>(i32, &'c Cell<usize>);

    impl PartialEq for Counted<'_> {
        fn eq(&self, other: &Self) -> bool {
            self.1.set(self.1.get() + 1);
            self.0 == other.0
        }
    }

    impl Hash for Counted<'_> {
        fn hash<H: Hasher>(&self, state: &mut H) {
            self.1.set(self.1.get() + 1);
            self.0.hash(state);
        }
    }

    #[test]
    fn the_search_for_stuck_nodes_takes_a_few_steps_for_each_partition() {
        // A quadratic search takes as many as there are partitions.
        const STEPS_MAX: usize = 10;

        for count in [1_000, 10_000] {
            for stuck in [0, count / 2, count] {
                let steps = Cell::new(0);
                let look =
                    |index: i32| Look { node: Counted(index, &steps), index, batches: 1, is_stuck: index < stuck };
                let looks: Vec<_> = (0..count).map(look).collect();

                let mut able = Vec::new();
                find_able(&looks, &mut able);

                let steps = steps.get() / looks.len();
                assert!(steps <= STEPS_MAX, "{steps} steps for each of {count} partitions, {stuck} of them stuck");
                assert_eq!(able, (stuck..count).map(|index| (index, 1)).collect::<Vec<_>>());
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_partition_without_a_leader_is_left_out() {
        let (_accumulator, topic) = topic(&[1, NO_NODE, 1], |_| {});

        let [a, b, c] = drawn(&topic);

        assert!(b == 0 && a > 4000 && c > 4000, "{a} {b} {c}");
    }

    #[tokio::test(start_paused = true)]
    async fn partitions_in_the_own_rack_come_first_and_the_others_when_those_take_nothing() {
        for is_adaptive in [true, false] {
            let (_accumulator, topic) =
                topic(&[1, NEAR_NODE, 2, NEAR_NODE], |config| config.partitioner_adaptive = is_adaptive);
            let [a, b, c, d] = drawn(&topic);
            assert!(a == 0 && c == 0 && b > 4000 && d > 4000, "{a} {b} {c} {d}");
        }

        let timeout = Duration::from_millis(100);
        let (accumulator, topic) =
            topic(&[1, NEAR_NODE, 2], |config| config.partitioner_availability_timeout = timeout);
        append(&accumulator, &topic, 1, Choice::Fixed, 10);
        tokio::time::advance(Duration::from_secs(1)).await;
        let [a, b, c] = drawn(&topic);
        assert!(a > 4000 && b == 0 && c > 4000, "{a} {b} {c}");
    }

    #[tokio::test(start_paused = true)]
    async fn the_sticky_partition_moves_on_instead_of_beginning_a_second_batch() {
        let (accumulator, topic) = topic(&[1, 1, 1], |config| config.linger = Duration::from_secs(60));
        let first = usize::try_from(topic.sticky_partition()).unwrap();
        for _ in 0..2 {
            assert!(matches!(append(&accumulator, &topic, first, Choice::Sticky, 460), Append::Done { .. }));
        }

        // Not quite a batch of bytes yet: the next batch is still this partition's, and is its last.
        assert!(matches!(append(&accumulator, &topic, first, Choice::Sticky, 400), Append::Done { .. }));
        assert!(matches!(append(&accumulator, &topic, first, Choice::Sticky, 900), Append::Moved));

        let queue = topic.partitions[first].queue();
        assert!(queue.open.is_none(), "a closed batch does not linger");
        assert_eq!(queue.backlog(Duration::ZERO).batches, 2);
    }
}
