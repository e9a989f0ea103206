//! What happened lately: sums over two windows of 30 seconds, as Java's `metrics.num.samples` and
//! `metrics.sample.window.ms` have it by default.

use std::time::Duration;

use tokio::time::Instant;

/// The length of one window.
const WINDOW: Duration = Duration::from_secs(30);

/// Windows that count, the current one included.
const WINDOWS: u32 = 2;

#[derive(Debug, Clone, Copy)]
struct Sample {
    began: Instant,
    count: u64,
    sum: f64,
    max: f64,
}

/// Values of the last minute at most.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Windowed {
    current: Option<Sample>,
    previous: Option<Sample>,
}

impl Windowed {
    pub(super) fn record(&mut self, now: Instant, value: f64) {
        if self.current.is_none_or(|current| now >= current.began + WINDOW) {
            self.previous = self.current;
            self.current = Some(Sample { began: now, count: 0, sum: 0.0, max: f64::NEG_INFINITY });
        }
        if let Some(current) = &mut self.current {
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

    /// The sum per second. Until one window has passed it is spread over a whole one, as Java does.
    pub(super) fn rate(&self, now: Instant) -> f64 {
        // From 0: the sum of nothing would be -0, and be shown so.
        let sum = self.living(now).fold(0.0, |sum, sample| sum + sample.sum);
        let oldest = self.living(now).map(|sample| sample.began).min();
        let elapsed = oldest.map_or(WINDOW, |began| (now - began).max(WINDOW));
        sum / elapsed.as_secs_f64()
    }

    fn living(&self, now: Instant) -> impl Iterator<Item = &Sample> {
        self.current.iter().chain(&self.previous).filter(move |sample| now < sample.began + WINDOW * WINDOWS)
    }
}

/// A number that only grows, and how fast it did lately.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Rated {
    pub(super) total: u64,
    lately: Windowed,
}

impl Rated {
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

    #[test]
    fn values_are_forgotten_after_two_windows() {
        let (mut windowed, start) = (Windowed::default(), Instant::now());
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
    fn a_rate_is_per_second_and_starts_low() {
        let (mut rated, start) = (Rated::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        assert!(rated.rate(start).is_sign_positive(), "not -0");

        rated.add(at(0), 300);
        assert_eq!(rated.rate(at(1)), 10.0, "spread over one window");
        rated.add(at(40), 200);

        assert_eq!((rated.total, rated.rate(at(50))), (500, 10.0));
        assert_eq!((rated.total, rated.rate(at(200))), (500, 0.0));
    }
}
