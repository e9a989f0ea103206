//! When the machine, which has three brokers and other tests to run besides, let nothing of this process run: told by
//! a clock on a thread of its own, which has nothing to do with the producer and its runtime.

use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How often the clock looks.
const TICK: Duration = Duration::from_millis(5);

/// How late a timer is where others have their turns and nothing is wrong.
const NOISE: Duration = Duration::from_millis(20);

/// A clock that is running.
#[derive(Debug)]
pub(super) struct StallClock {
    /// The clock ends when this is dropped.
    end: SyncSender<()>,
    thread: JoinHandle<Stalls>,
}

impl StallClock {
    pub(super) fn start() -> Self {
        let (end, ended) = sync_channel(0);
        let thread = std::thread::spawn(move || {
            let mut stalls = Vec::new();
            loop {
                let due = Instant::now() + TICK;
                if ended.recv_timeout(TICK) != Err(RecvTimeoutError::Timeout) {
                    return Stalls(stalls);
                }
                let woken = Instant::now();
                if woken > due + NOISE {
                    stalls.push((due, woken));
                }
            }
        });
        Self { end, thread }
    }

    pub(super) fn end(self) -> Stalls {
        drop(self.end);
        self.thread.join().unwrap()
    }
}

/// From when to when a timer was late, one after the other.
#[derive(Debug)]
pub(super) struct Stalls(Vec<(Instant, Instant)>);

impl Stalls {
    /// For how much of this time the machine stood still.
    pub(super) fn within(&self, from: Instant, to: Instant) -> Duration {
        self.0.iter().map(|(due, woken)| to.min(*woken).saturating_duration_since(from.max(*due))).sum()
    }

    pub(super) fn longest(&self) -> Duration {
        self.0.iter().map(|(due, woken)| *woken - *due).max().unwrap_or_default()
    }
}
