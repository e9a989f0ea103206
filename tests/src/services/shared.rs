//! One of a service for all tests of a process.

use std::sync::{Mutex, PoisonError};

use anyhow::Result;

/// A service that the first caller starts and that lives until the process ends; the service's guard stops it then. A
/// start that failed is tried again.
pub(super) struct Shared<S: 'static>(Mutex<Option<&'static S>>);

impl<S> Shared<S> {
    pub(super) const fn new() -> Self {
        Self(Mutex::new(None))
    }

    pub(super) fn or_start(&self, start: impl FnOnce() -> Result<S>) -> Result<&'static S> {
        let mut shared = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(service) = *shared {
            return Ok(service);
        }
        let service: &'static S = Box::leak(Box::new(start()?));
        *shared = Some(service);
        Ok(service)
    }
}
