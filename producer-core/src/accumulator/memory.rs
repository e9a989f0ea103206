//! The byte budget behind `buffer.memory`: first come, first served; leases give back what they took.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bytes that records may take until they are acknowledged.
///
/// One permit of a fair semaphore is one byte: a large record at the head of the queue is not overtaken
/// by small ones, and a waiter that is dropped passes its bytes on.
#[derive(Debug)]
pub(crate) struct ByteBudget {
    bytes: Arc<Semaphore>,
    total: usize,
    waiters: AtomicUsize,
}

/// Bytes taken; given back on drop.
#[derive(Debug)]
pub(crate) struct Lease {
    permit: OwnedSemaphorePermit,
}

impl Lease {
    pub(crate) fn bytes(&self) -> usize {
        self.permit.num_permits()
    }

    /// Takes `bytes` of this lease, all if there are no more; together the two are what this was.
    pub(crate) fn split(&mut self, bytes: usize) -> Option<Self> {
        self.permit.split(bytes.min(self.bytes())).map(|permit| Self { permit })
    }
}

/// The producer is closing; nobody gets bytes any more.
#[derive(Debug)]
pub(crate) struct BudgetClosed;

impl ByteBudget {
    pub(crate) fn new(total: usize) -> Self {
        let total = total.min(Semaphore::MAX_PERMITS);
        Self { bytes: Arc::new(Semaphore::new(total)), total, waiters: AtomicUsize::new(0) }
    }

    pub(crate) fn total(&self) -> usize {
        self.total
    }

    /// Bytes not leased.
    pub(crate) fn available(&self) -> usize {
        self.bytes.available_permits()
    }

    /// How many wait.
    pub(crate) fn waiting(&self) -> usize {
        self.waiters.load(Ordering::Relaxed)
    }

    /// Whether somebody waits: then every open batch is due, whatever its linger.
    pub(crate) fn is_exhausted(&self) -> bool {
        self.waiting() > 0
    }

    /// Takes bytes without waiting; not ahead of those who wait.
    pub(crate) fn try_lease(&self, bytes: usize) -> Option<Lease> {
        let permit = self.bytes.clone().try_acquire_many_owned(u32::try_from(bytes).ok()?).ok()?;
        Some(Lease { permit })
    }

    /// Waits for bytes, in turn. `on_wait` is called once the caller stands in the queue.
    ///
    /// Cancel safety: dropping the future leaves the queue and passes on what was already assigned.
    pub(crate) async fn lease(&self, bytes: usize, on_wait: impl FnOnce()) -> Result<Lease, BudgetClosed> {
        let bytes = u32::try_from(bytes).map_err(|_| BudgetClosed)?;
        let _waiter = Waiter::enter(&self.waiters);
        on_wait();
        let permit = self.bytes.clone().acquire_many_owned(bytes).await.map_err(|_| BudgetClosed)?;
        Ok(Lease { permit })
    }

    /// Sends every waiter away, now and later.
    pub(crate) fn close(&self) {
        self.bytes.close();
    }
}

struct Waiter<'a>(&'a AtomicUsize);

impl<'a> Waiter<'a> {
    fn enter(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn large_waiters_are_served_in_turn_and_everything_comes_back() {
        let budget = Arc::new(ByteBudget::new(100));
        let held = budget.try_lease(90).unwrap();
        let large = tokio::spawn({
            let budget = budget.clone();
            async move { budget.lease(80, || ()).await.unwrap().bytes() }
        });
        while !budget.is_exhausted() {
            tokio::task::yield_now().await;
        }

        assert!(budget.try_lease(5).is_none(), "ten bytes are free, but the large one came first");
        drop(held);

        assert_eq!(large.await.unwrap(), 80);
        assert_eq!(budget.available(), 100);
        assert!(!budget.is_exhausted());
    }

    #[tokio::test]
    async fn a_dropped_waiter_passes_its_turn_on() {
        let budget = ByteBudget::new(100);
        let held = budget.try_lease(60).unwrap();
        {
            let mut abandoned = std::pin::pin!(budget.lease(100, || ()));
            assert!(futures_util::future::poll_immediate(&mut abandoned).await.is_none());
            assert!(budget.try_lease(1).is_none());
        }

        assert!(budget.try_lease(40).is_some());
        drop(held);
        assert_eq!(budget.available(), 100);
    }

    #[test]
    fn a_lease_in_two_parts_comes_back_whole() {
        let budget = ByteBudget::new(100);
        let mut lease = budget.try_lease(60).unwrap();

        let part = lease.split(45).unwrap();
        assert_eq!((lease.bytes(), part.bytes(), budget.available()), (15, 45, 40));
        let rest = lease.split(1000).unwrap();
        assert_eq!((lease.bytes(), rest.bytes()), (0, 15));

        drop((lease, part, rest));
        assert_eq!(budget.available(), 100);
    }

    #[tokio::test]
    async fn closing_sends_waiters_away() {
        let budget = ByteBudget::new(10);
        let _held = budget.try_lease(10).unwrap();

        let (waited, ()) = tokio::join!(budget.lease(1, || ()), async { budget.close() });

        assert!(waited.is_err());
    }
}
