//! Turns: in one process, one writer per subject decides at a time, so that it does not race itself.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::OwnedMutexGuard;
use tokio::time::Instant;

use super::moment::TRIES_MAX;
use super::{RegistryError, Subject};
use crate::store::StoreErrorKind;

/// Writers that may wait for one subject. A fleet of producers that starts at once registers one schema from
/// thousands of processes; beyond this the answer is to come back later.
const WAITING_MAX: usize = 4096;

/// Who has waited for longer than this when the one before it found the store away is told so, in place of a try of its
/// own: a store that hangs costs each try a second and a half, and everyone is promised an answer within two seconds.
const WAIT_BEFORE_A_TRY_MAX: Duration = Duration::from_millis(400);

/// The queues of all subjects that are being written.
#[derive(Debug, Default)]
pub(super) struct Queues {
    /// A subject is here while somebody has or wants its turn.
    by_subject: Arc<Mutex<HashMap<Subject, Queue>>>,
}

/// Why the last attempt failed, if the store was away.
type Outage = Option<RegistryError>;

#[derive(Debug, Default)]
struct Queue {
    turn: Arc<tokio::sync::Mutex<Outage>>,
    /// Who has the turn and who waits for it.
    members: usize,
}

/// The right to decide on a subject; the next in the queue gets it on drop.
#[derive(Debug)]
pub(super) struct Turn {
    /// Dropped before `_membership`, so that the queue outlives its turn.
    outage: OwnedMutexGuard<Outage>,
    _membership: Membership,
    /// How long somebody else had it first.
    waited: Option<Duration>,
}

#[derive(Debug)]
struct Membership {
    subject: Subject,
    by_subject: Arc<Mutex<HashMap<Subject, Queue>>>,
}

impl Queues {
    /// Waits for the subject's turn.
    ///
    /// # Errors
    /// [`RegistryError::Crowded`] when too many wait already.
    ///
    /// # Cancel safety
    /// Dropping the future leaves the queue.
    async fn enter(&self, subject: &Subject) -> Result<Turn, RegistryError> {
        let (turn, membership) = self.join(subject)?;
        let (outage, waited) = match Arc::clone(&turn).try_lock_owned() {
            Ok(outage) => (outage, None),
            Err(_) => {
                let began = Instant::now();
                (turn.lock_owned().await, Some(began.elapsed()))
            }
        };
        Ok(Turn { outage, _membership: membership, waited })
    }

    /// Looks, decides and writes in the turn of `of`, and all of it again when what was looked at has moved before it
    /// was written: `attempt` answers `None` then. As writers of one subject are kept apart, only changes in other
    /// scopes and by other processes get in between. The answer is about `name`.
    ///
    /// # Errors
    /// [`RegistryError::Crowded`] when too many wait already, or it moved [`TRIES_MAX`] times; else the attempt's, or
    /// [`RegistryError::Unavailable`] from the attempt before it after a long wait.
    ///
    /// # Cancel safety
    /// Dropping the future leaves the queue; an attempt's write may be done or not.
    pub(super) async fn until_it_stands<T>(
        &self,
        of: &Subject,
        name: &str,
        mut attempt: impl AsyncFnMut() -> Result<Option<T>, RegistryError>,
    ) -> Result<T, RegistryError> {
        self.until_it_stands_from((), of, name, async |_| attempt().await).await
    }

    /// As [`until_it_stands`](Self::until_it_stands), where the caller has looked already: the first attempt gets what
    /// was seen, unless others were before it in the queue, who have likely changed it.
    ///
    /// # Errors
    /// As [`until_it_stands`](Self::until_it_stands).
    ///
    /// # Cancel safety
    /// As [`until_it_stands`](Self::until_it_stands).
    pub(super) async fn until_it_stands_from<S, T>(
        &self,
        seen: S,
        of: &Subject,
        name: &str,
        mut attempt: impl AsyncFnMut(Option<S>) -> Result<Option<T>, RegistryError>,
    ) -> Result<T, RegistryError> {
        let mut turn = self.enter(of).await?;
        // Taken out, so that it does not outlive an attempt that its caller gives up.
        if let Some(outage) = turn.outage.take()
            && turn.waited > Some(WAIT_BEFORE_A_TRY_MAX)
        {
            *turn.outage = Some(outage.clone());
            return Err(outage);
        }
        let mut seen = Some(seen).filter(|_| turn.waited.is_none());
        for _ in 0..TRIES_MAX {
            let attempted = attempt(seen.take()).await;
            *turn.outage = attempted.as_ref().err().filter(|error| is_outage(error)).cloned();
            if let Some(done) = attempted? {
                return Ok(done);
            }
        }
        Err(RegistryError::Crowded { subject: name.to_owned() })
    }

    /// Whether somebody has the subject's turn or waits for it.
    pub(super) fn has_members(&self, subject: &Subject) -> bool {
        self.by_subject.lock().unwrap_or_else(PoisonError::into_inner).contains_key(subject)
    }

    fn join(&self, subject: &Subject) -> Result<(Arc<tokio::sync::Mutex<Outage>>, Membership), RegistryError> {
        let mut queues = self.by_subject.lock().unwrap_or_else(PoisonError::into_inner);
        let queue = queues.entry(subject.clone()).or_default();
        if queue.members >= WAITING_MAX {
            return Err(RegistryError::Crowded { subject: subject.name().to_owned() });
        }
        queue.members += 1;
        let membership = Membership { subject: subject.clone(), by_subject: Arc::clone(&self.by_subject) };
        Ok((Arc::clone(&queue.turn), membership))
    }
}

/// Whether others will find the same; room and the right to write may do for one and not for another.
fn is_outage(error: &RegistryError) -> bool {
    let is_of_all = |kind| {
        use StoreErrorKind::{Busy, Locked, Missing, Refused, Unavailable};
        matches!(kind, Unavailable | Busy | Locked | Refused | Missing)
    };
    matches!(error, RegistryError::Unavailable(cause) if is_of_all(cause.kind))
}

impl Drop for Membership {
    fn drop(&mut self) {
        let mut queues = self.by_subject.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(queue) = queues.get_mut(&self.subject) {
            queue.members -= 1;
            if queue.members == 0 {
                queues.remove(&self.subject);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    use futures_util::FutureExt;

    use super::*;
    use crate::store::StoreError;

    #[tokio::test]
    async fn turns_of_one_subject_come_one_after_the_other() {
        let queues = Queues::default();
        let (a, b) = (Subject::parse("a"), Subject::parse("b"));

        let first = queues.enter(&a).await.unwrap();
        let mut second = Box::pin(queues.enter(&a));

        assert!(second.as_mut().now_or_never().is_none());
        assert!(queues.enter(&b).now_or_never().is_some(), "another subject does not wait");
        drop(first);
        assert!(second.now_or_never().is_some());
        assert!(queues.by_subject.lock().unwrap().is_empty(), "nobody is left behind");
    }

    #[tokio::test]
    async fn who_finds_too_many_before_it_is_sent_away_and_may_come_again() {
        let queues = Queues::default();
        let a = Subject::parse("a");
        let first = queues.enter(&a).await.unwrap();
        let mut waiting: Vec<_> = (1..WAITING_MAX).map(|_| Box::pin(queues.enter(&a))).collect();
        assert!(waiting.iter_mut().all(|enter| enter.as_mut().now_or_never().is_none()));

        let refused = queues.until_it_stands(&a, "a", async || Ok(Some(()))).now_or_never();
        let Some(Err(RegistryError::Crowded { subject })) = refused else { panic!("{refused:?}") };
        assert_eq!(subject, "a");
        assert!(queues.enter(&Subject::parse("b")).now_or_never().is_some_and(|entered| entered.is_ok()));

        // Whoever leaves makes room, with its turn or without.
        drop(waiting.pop());
        assert!(queues.enter(&a).now_or_never().is_none());
        drop((first, waiting));
        queues.until_it_stands(&a, "a", async || Ok(Some(()))).await.unwrap();
        assert!(queues.by_subject.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn what_was_seen_counts_for_the_first_attempt_of_who_is_first() {
        let queues = Queues::default();
        let a = Subject::parse("a");
        let given = async |seen: &mut Vec<Option<u8>>| {
            let attempt = async |one| {
                seen.push(one);
                Ok((seen.len() == 2).then_some(()))
            };
            queues.until_it_stands_from(7, &a, "a", attempt).await
        };

        let mut by_the_first = Vec::new();
        given(&mut by_the_first).await.unwrap();
        assert_eq!(by_the_first, [Some(7), None]);

        let turn = queues.enter(&a).await.unwrap();
        let mut by_a_later_one = Vec::new();
        let mut waiting = Box::pin(given(&mut by_a_later_one));
        assert!(waiting.as_mut().now_or_never().is_none());
        drop(turn);
        waiting.await.unwrap();
        assert_eq!(by_a_later_one, [None, None]);
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_waited_for_long_is_told_that_the_store_is_away_or_busy() {
        for kind in [StoreErrorKind::Unavailable, StoreErrorKind::Busy] {
            told_in_time(kind).await;
        }
    }

    async fn told_in_time(kind: StoreErrorKind) {
        let queues = Queues::default();
        let (a, away) = (Subject::parse("a"), AtomicBool::new(true));
        let tries = AtomicUsize::new(0);
        let write = async || {
            let attempt = async || {
                tries.fetch_add(1, Ordering::Relaxed);
                if !away.load(Ordering::Relaxed) {
                    return Ok(Some(()));
                }
                tokio::time::sleep(Duration::from_millis(1_500)).await;
                Err(StoreError::new("write", kind, "it hangs").into())
            };
            let began = Instant::now();
            (queues.until_it_stands(&a, "a", attempt).await, began.elapsed())
        };
        let late = async || {
            tokio::time::sleep(Duration::from_millis(1_200)).await;
            write().await
        };

        let (first, second, late) = tokio::join!(write(), write(), late());

        for (outcome, waited) in [&first, &second, &late] {
            assert!(matches!(outcome, Err(RegistryError::Unavailable(_))), "{outcome:?}");
            assert!(*waited < Duration::from_secs(2), "{waited:?}");
        }
        assert_eq!(tries.load(Ordering::Relaxed), 2, "the second has waited for its answer, the late one tries itself");

        away.store(false, Ordering::Relaxed);
        write().await.0.unwrap();
        assert!(queues.by_subject.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_waiter_that_gives_up_leaves_the_queue() {
        let queues = Queues::default();
        let a = Subject::parse("a");
        let first = queues.enter(&a).await.unwrap();

        let mut second = Box::pin(queues.enter(&a));
        assert!(second.as_mut().now_or_never().is_none());
        drop(second);
        drop(first);

        assert!(queues.by_subject.lock().unwrap().is_empty());
    }
}
