//! The memory of bodies: what those of all requests take together is bounded. It is taken as bytes arrive, and given
//! back with the body.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use actix_web::web::Bytes;

use super::error::HttpError;

/// What all bodies take, and may take.
#[derive(Debug)]
pub(crate) struct BodyMemory {
    limit_bytes: usize,
    taken_bytes: AtomicUsize,
}

impl BodyMemory {
    /// Of so many bytes, but never less than one body may take.
    pub(crate) fn new(limit_bytes: usize, body_bytes: usize) -> Self {
        Self { limit_bytes: limit_bytes.max(body_bytes), taken_bytes: AtomicUsize::new(0) }
    }

    /// What bodies take.
    pub(super) fn taken_bytes(&self) -> usize {
        self.taken_bytes.load(Ordering::Relaxed)
    }

    /// What they may take.
    pub(super) fn limit_bytes(&self) -> usize {
        self.limit_bytes
    }

    fn take(&self, bytes: usize) -> Result<(), HttpError> {
        let fits = |taken: usize| taken.checked_add(bytes).filter(|&sum| sum <= self.limit_bytes);
        match self.taken_bytes.try_update(Ordering::Relaxed, Ordering::Relaxed, fits) {
            Ok(_) => Ok(()),
            Err(_) => Err(HttpError::no_room_for_body(self.limit_bytes)),
        }
    }

    fn give_back(&self, bytes: usize) {
        self.taken_bytes.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// What one body takes, given back when this is dropped. Borrows the memory where the body stays with its request:
/// small ones cost the counter two steps and nothing else.
#[derive(Debug)]
pub(super) struct Share<M: Deref<Target = BodyMemory>> {
    memory: M,
    bytes: usize,
}

impl<M: Deref<Target = BodyMemory>> Share<M> {
    /// Of nothing yet.
    pub(super) fn new(memory: M) -> Self {
        Self { memory, bytes: 0 }
    }

    /// Makes it so large. It stays as it was where there is no room.
    pub(super) fn resize(&mut self, bytes: usize) -> Result<(), HttpError> {
        if bytes > self.bytes {
            self.memory.take(bytes - self.bytes)?;
        } else {
            self.memory.give_back(self.bytes - bytes);
        }
        self.bytes = bytes;
        Ok(())
    }

    /// Hands over what it has taken; nothing is left of it.
    fn hand_to<N: Deref<Target = BodyMemory>>(&mut self, memory: N) -> Share<N> {
        Share { memory, bytes: std::mem::take(&mut self.bytes) }
    }
}

impl<M: Deref<Target = BodyMemory>> Drop for Share<M> {
    fn drop(&mut self) {
        if self.bytes > 0 {
            self.memory.give_back(self.bytes);
        }
    }
}

/// A body, and its share of the memory.
#[derive(Debug)]
pub(super) struct Body<'a> {
    bytes: Bytes,
    _share: Share<&'a BodyMemory>,
}

impl<'a> Body<'a> {
    /// A body that stays with its request.
    pub(super) fn new(bytes: Bytes, share: Share<&'a BodyMemory>) -> Self {
        Self { bytes, _share: share }
    }

    /// A body that may outlive its request, with a thread that reads it: whoever holds it last gives its share back.
    pub(super) fn shared(bytes: Bytes, mut share: Share<&'a BodyMemory>, memory: &Arc<BodyMemory>) -> Self {
        let held = Held { bytes, _share: share.hand_to(Arc::clone(memory)) };
        Self { bytes: Bytes::from_owner(held), _share: share }
    }

    /// No body.
    pub(super) fn absent(memory: &'a BodyMemory) -> Self {
        Self::new(Bytes::new(), Share::new(memory))
    }

    /// The bytes, to be read elsewhere: of a body that is shared.
    pub(super) fn to_bytes(&self) -> Bytes {
        self.bytes.clone()
    }
}

impl Deref for Body<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Bytes that know their share.
struct Held {
    bytes: Bytes,
    _share: Share<Arc<BodyMemory>>,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_is_given_back_once() {
        let memory = BodyMemory::new(100, 10);
        let mut first = Share::new(&memory);
        let mut second = Share::new(&memory);

        assert!(first.resize(60).is_ok() && second.resize(30).is_ok());
        assert!(second.resize(41).is_err());
        assert_eq!(memory.taken_bytes(), 90);
        assert!(second.resize(40).is_ok() && second.resize(5).is_ok());
        assert_eq!(memory.taken_bytes(), 65);
        assert!(first.resize(usize::MAX).is_err());
        drop(first);
        assert_eq!(memory.taken_bytes(), 5);
        drop(Body::new(Bytes::from_static(b"12345"), second));
        drop(Body::absent(&memory));
        assert_eq!(memory.taken_bytes(), 0);
    }

    #[test]
    fn a_body_that_is_shared_is_counted_until_nobody_holds_it() {
        let memory = Arc::new(BodyMemory::new(100, 10));
        let mut share = Share::new(&*memory);
        assert!(share.resize(5).is_ok());

        let body = Body::shared(Bytes::from_static(b"12345"), share, &memory);
        let elsewhere = body.to_bytes();
        drop(body);

        assert_eq!((&elsewhere[..], memory.taken_bytes()), (&b"12345"[..], 5));
        drop(elsewhere);
        assert_eq!(memory.taken_bytes(), 0);
    }

    #[test]
    fn one_body_has_room_whatever_is_set() {
        let memory = BodyMemory::new(1, 10);

        assert!(Share::new(&memory).resize(10).is_ok() && Share::new(&memory).resize(11).is_err());
    }
}
