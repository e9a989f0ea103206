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

/// How long a node is frozen: for a moment, or for longer than anything waits for it or in it. The database takes its
/// locks away after 5 s; when it goes on, its own patience with reads (9 s) and writes (10 s) is over, too. Clients
/// wait for 30 s.
const FROZEN: Duration = Duration::from_millis(300);
const FROZEN_LONG: Duration = Duration::from_secs(15);

/// So many strikes in a row kill, the next ones freeze. What races in the batches that are struck comes round after
/// no more, so that each kind of round meets each fault.
const SAME_FAULT: usize = 4;

/// The place that is struck changes every so many strikes, and once more behind both faults: each kind of round meets
/// them at both places.
const SAME_PLACE: usize = 2;

/// Of every so many freezes the first ones are long: enough in a row for all kinds of rounds.
const FREEZES: usize = 49;
const LONG_FREEZES: usize = 4;

/// What is done to whom.
#[derive(Debug, Clone, Copy)]
pub(super) struct Strike {
    pub(super) place: usize,
    pub(super) fault: Fault,
    answers_before: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Fault {
    /// SIGKILL, and another start.
    Kill,
    /// SIGSTOP, and SIGCONT a moment later.
    Freeze,
    /// SIGSTOP, and SIGCONT long after the database has taken the node's locks away.
    LongFreeze,
}

impl Fault {
    pub(super) const ALL: [Self; 3] = [Self::Kill, Self::Freeze, Self::LongFreeze];

    fn of(number: usize) -> Self {
        let (turn, place) = (number / SAME_FAULT, number % SAME_FAULT);
        let freezes_before = turn / 2 * SAME_FAULT + place;
        match turn % 2 {
            0 => Self::Kill,
            _ if freezes_before % FREEZES < LONG_FREEZES => Self::LongFreeze,
            _ => Self::Freeze,
        }
    }
}

impl Strike {
    /// The strike of a batch, if it has one.
    pub(super) fn of(batch: usize) -> Option<Self> {
        let number = batch / STRIKE_EVERY;
        if !batch.is_multiple_of(STRIKE_EVERY) {
            return None;
        }
        let answers_before = number.wrapping_mul(2_654_435_761) % ANSWERS_MAX;
        let place = (number / SAME_PLACE + number / (2 * SAME_FAULT)) % 2;
        Some(Self { place, fault: Fault::of(number), answers_before })
    }

    /// Strikes once enough answers have come from now on, and returns when the node is back.
    pub(super) async fn strike(self, world: &World, registries: &[Arc<Mutex<Registry>>]) {
        let mut answers = world.answers();
        let goal = *answers.borrow() + self.answers_before;
        answers.wait_for(|count| *count >= goal).await.unwrap();

        let freeze = async |time| {
            let signal = |signal| registries[self.place].lock().unwrap().process().signal(signal).unwrap();
            signal(Signal::SIGSTOP);
            tokio::time::sleep(time).await;
            signal(Signal::SIGCONT);
        };
        match self.fault {
            Fault::Kill => {
                let registry = Arc::clone(&registries[self.place]);
                let restarted = tokio::task::spawn_blocking(move || {
                    let mut registry = registry.lock().unwrap();
                    registry.restart().unwrap();
                    registry.url().to_owned()
                });
                world.moved(self.place, &restarted.await.unwrap());
            }
            Fault::Freeze => freeze(FROZEN).await,
            Fault::LongFreeze => freeze(FROZEN_LONG).await,
        }
    }
}
