//! Nodes that fail while rounds race: one is killed and started again, or frozen and set going again.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use end_to_end_tests::Registry;
use nix::sys::signal::Signal;

use super::world::World;

/// Every so many batches one is struck.
const STRIKE_EVERY: usize = 5;

/// At most so many answers of a batch come before the strike: less than a batch has.
const ANSWERS_MAX: usize = 24;

/// How long a node is frozen: for a moment, and now and then until the database has taken its locks away (after 5 s).
const FROZEN: (Duration, Duration) = (Duration::from_millis(300), Duration::from_secs(7));

/// Every so many freezes one is long.
const LONG_FREEZE_EVERY: usize = 16;

/// What is done to whom.
#[derive(Debug, Clone, Copy)]
pub(super) struct Strike {
    place: usize,
    fault: Fault,
    answers_before: usize,
}

#[derive(Debug, Clone, Copy)]
enum Fault {
    /// SIGKILL.
    Kill,
    /// SIGSTOP, then SIGCONT.
    Freeze(Duration),
}

impl Strike {
    /// The strike of a batch, if it has one.
    pub(super) fn of(batch: usize) -> Option<Self> {
        let number = batch / STRIKE_EVERY;
        if !batch.is_multiple_of(STRIKE_EVERY) {
            return None;
        }
        let fault = match number % 2 {
            0 => Fault::Kill,
            _ if (number / 2).is_multiple_of(LONG_FREEZE_EVERY) => Fault::Freeze(FROZEN.1),
            _ => Fault::Freeze(FROZEN.0),
        };
        let answers_before = number.wrapping_mul(2_654_435_761) % ANSWERS_MAX;
        Some(Self { place: number / 2 % 2, fault, answers_before })
    }

    /// Strikes once enough answers have come from now on, and returns when the node is back.
    pub(super) async fn strike(self, world: &World, registries: &[Arc<Mutex<Registry>>]) {
        let mut answers = world.answers();
        let goal = *answers.borrow() + self.answers_before;
        answers.wait_for(|count| *count >= goal).await.unwrap();

        let registry = Arc::clone(&registries[self.place]);
        match self.fault {
            Fault::Kill => {
                let restarted = tokio::task::spawn_blocking(move || {
                    let mut registry = registry.lock().unwrap();
                    registry.restart().unwrap();
                    registry.url().to_owned()
                });
                world.moved(self.place, &restarted.await.unwrap());
            }
            Fault::Freeze(time) => {
                let signal = |signal| registry.lock().unwrap().process().signal(signal).unwrap();
                signal(Signal::SIGSTOP);
                tokio::time::sleep(time).await;
                signal(Signal::SIGCONT);
            }
        }
    }
}
