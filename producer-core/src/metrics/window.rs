//! What happened lately: sums over a few windows of time, as Java's `metrics.num.samples` and
//! `metrics.sample.window.ms` have it.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// Which windows count.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Windows {
    /// How many, the current one included; at least 1.
    pub(crate) count: u32,
    /// The length of each.
    pub(crate) length: Duration,
}

impl Windows {
    /// How long a window counts from its beginning.
    fn all(&self) -> Duration {
        self.length.saturating_mul(self.count)
    }
}

#[derive(Debug, Clone, Copy)]
struct Sample {
    began: Instant,
    count: u64,
    sum: f64,
    max: f64,
}

/// Values of the windows that count.
#[derive(Debug, Clone)]
pub(super) struct Windowed {
    windows: Windows,
    samples: VecDeque<Sample>,
}

impl Windowed {
    pub(super) fn new(windows: Windows) -> Self {
        Self { windows, samples: VecDeque::new() }
    }

    pub(super) fn record(&mut self, now: Instant, value: f64) {
        if self.samples.back().is_none_or(|current| now >= current.began + self.windows.length) {
            let all = self.windows.all();
            while self.samples.front().is_some_and(|oldest| now >= oldest.began + all) {
                self.samples.pop_front();
            }
            self.samples.push_back(Sample { began: now, count: 0, sum: 0.0, max: f64::NEG_INFINITY });
        }
        if let Some(current) = self.samples.back_mut() {
            current.count += 1;
            current.sum += value;
            current.max = current.max.max(value);
        }
    }

    /// The mean value, NaN without one.
    pub(super) fn avg(&self, now: Instant) -> f64 {
        let (count, sum) = self.living(now).fold((0, 0.0), |(count, sum), s| (count + s.count, sum + s.sum));
        // NaN for none.
        sum / count as f64
    }

    /// The largest value, NaN without one.
    pub(super) fn max(&self, now: Instant) -> f64 {
        self.living(now).map(|sample| sample.max).fold(f64::NAN, f64::max)
    }

    /// The sum per second. Until one window has passed it is spread over a whole one.
    pub(super) fn rate(&self, now: Instant) -> f64 {
        // From 0: the sum of nothing would be -0, and be shown so.
        let sum = self.living(now).fold(0.0, |sum, sample| sum + sample.sum);
        let oldest = self.living(now).map(|sample| sample.began).min();
        let elapsed = oldest.map_or(self.windows.length, |began| (now - began).max(self.windows.length));
        sum / elapsed.as_secs_f64()
    }

    fn living(&self, now: Instant) -> impl Iterator<Item = &Sample> {
        let all = self.windows.all();
        self.samples.iter().filter(move |sample| now < sample.began + all)
    }
}

/// A number that only grows, and how fast it did lately.
#[derive(Debug, Clone)]
pub(super) struct Rated {
    pub(super) total: u64,
    lately: Windowed,
}

impl Rated {
    pub(super) fn new(windows: Windows) -> Self {
        Self { total: 0, lately: Windowed::new(windows) }
    }

    pub(super) fn add(&mut self, now: Instant, count: u64) {
        self.total += count;
        self.lately.record(now, count as f64);
    }

    pub(super) fn rate(&self, now: Instant) -> f64 {
        self.lately.rate(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOWS: Windows = Windows { count: 2, length: Duration::from_secs(30) };

    #[test]
    fn values_are_forgotten_after_two_windows() {
        let (mut windowed, start) = (Windowed::new(WINDOWS), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        assert!(windowed.avg(start).is_nan() && windowed.max(start).is_nan());

        windowed.record(at(0), 1.0);
        windowed.record(at(10), 3.0);
        windowed.record(at(40), 8.0);

        assert_eq!((windowed.avg(at(41)), windowed.max(at(41))), (4.0, 8.0));
        assert_eq!((windowed.avg(at(60)), windowed.max(at(60))), (8.0, 8.0), "the first window is over");
        assert!(windowed.avg(at(100)).is_nan(), "the second one too");
    }

    #[test]
    fn as_many_windows_count_as_are_wanted_and_no_more_are_kept() {
        let windows = Windows { count: 3, length: Duration::from_secs(1) };
        let (mut windowed, start) = (Windowed::new(windows), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);

        (0..100).for_each(|second| windowed.record(at(second), second as f64));

        assert_eq!((windowed.avg(at(99)), windowed.max(at(99)), windowed.rate(at(99))), (98.0, 99.0, 147.0));
        assert_eq!((windowed.avg(at(100)), windowed.avg(at(101)), windowed.samples.len()), (98.5, 99.0, 3));
    }

    #[test]
    fn a_rate_is_per_second_and_starts_low() {
        let (mut rated, start) = (Rated::new(WINDOWS), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        assert!(rated.rate(start).is_sign_positive(), "not -0");

        rated.add(at(0), 300);
        assert_eq!(rated.rate(at(1)), 10.0, "spread over one window");
        rated.add(at(40), 200);

        assert_eq!((rated.total, rated.rate(at(50))), (500, 10.0));
        assert_eq!((rated.total, rated.rate(at(200))), (500, 0.0));
    }
}
