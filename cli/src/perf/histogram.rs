//! Latencies in a fixed number of counters, so that measuring takes no memory of its own.

/// Counters per doubling: a value is known to a 64th, 1.6 %.
const STEPS: u64 = 64;

/// Values below this have a counter each.
const LINEAR_BITS: u32 = STEPS.trailing_zeros();

/// Doublings above the linear part, up to 2^40 microseconds (12 days).
const DOUBLINGS: u64 = 40 - LINEAR_BITS as u64;

/// Microseconds.
#[derive(Debug, Clone)]
pub(super) struct Histogram {
    counts: Vec<u64>,
    count: u64,
    sum: u64,
    max: u64,
}

impl Histogram {
    pub(super) fn new() -> Self {
        Self { counts: vec![0; (STEPS * (DOUBLINGS + 1)) as usize], count: 0, sum: 0, max: 0 }
    }

    pub(super) fn record(&mut self, micros: u64) {
        let last = self.counts.len() - 1;
        self.counts[index(micros).min(last)] += 1;
        self.count += 1;
        self.sum += micros;
        self.max = self.max.max(micros);
    }

    pub(super) fn count(&self) -> u64 {
        self.count
    }

    pub(super) fn max(&self) -> u64 {
        self.max
    }

    /// 0 without a value.
    pub(super) fn mean(&self) -> f64 {
        self.sum as f64 / self.count.max(1) as f64
    }

    /// The smallest value that this fraction of all values does not exceed, to 1.6 %; 0 without a value.
    pub(super) fn percentile(&self, fraction: f64) -> u64 {
        let wanted = ((self.count as f64 * fraction).ceil() as u64).max(1);
        let mut seen = 0;
        for (index, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                return upper(index as u64).min(self.max);
            }
        }
        self.max
    }
}

/// The counter of a value: the value itself up to 63, then 64 counters for each doubling.
fn index(micros: u64) -> usize {
    if micros < STEPS {
        return micros as usize;
    }
    let doubling = u64::BITS - micros.leading_zeros() - LINEAR_BITS;
    // The highest seven bits, of which the first is always one.
    (u64::from(doubling) * STEPS + (micros >> (doubling - 1)) - STEPS) as usize
}

/// The largest value that shares a counter.
fn upper(index: u64) -> u64 {
    let (doubling, step) = (index / STEPS, index % STEPS);
    match doubling {
        0 => step,
        _ => ((STEPS + step + 1) << (doubling - 1)) - 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_value_lies_in_a_narrow_counter() {
        for micros in (0..10_000).chain([1 << 20, (1 << 20) - 1, (1 << 40) - 1]) {
            let index = index(micros) as u64;

            assert!(upper(index) >= micros, "{micros}");
            assert!(index == 0 || upper(index - 1) < micros, "{micros}");
            assert!(upper(index) - micros <= micros / 64, "{micros}");
        }
    }

    #[test]
    fn percentiles_are_those_of_the_values() {
        let mut histogram = Histogram::new();
        (1..=1000).for_each(|micros| histogram.record(micros));

        for (fraction, micros) in [(0.5, 500), (0.95, 950), (0.999, 999), (1.0, 1000)] {
            let found = histogram.percentile(fraction);
            assert!((micros..=micros + micros / 64).contains(&found), "{fraction}: {found}");
        }
        assert_eq!((histogram.count(), histogram.max(), histogram.mean()), (1000, 1000, 500.5));
    }

    #[test]
    fn nothing_and_too_much_are_no_trouble() {
        let mut histogram = Histogram::new();
        assert_eq!((histogram.percentile(0.99), histogram.mean()), (0, 0.0));

        histogram.record(u64::MAX / 2);

        assert_eq!(histogram.max(), u64::MAX / 2);
        assert!(histogram.percentile(0.5) >= 1 << 39);
    }
}
