//! Free ports for services that have to be told their port before they start.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU16, Ordering};

use anyhow::{Context as _, Result};

/// Below 32768, where Linux begins to hand out ports to outgoing connections: a service that is stopped
/// and started again finds its own port free.
const RANGE: std::ops::Range<u16> = 15_000..32_000;

/// A port of 127.0.0.1 that nobody listens on, never given twice by one test process.
///
/// # Errors
/// Every port of the range is taken.
pub fn free_port() -> Result<u16> {
    static OFFSET: AtomicU16 = AtomicU16::new(0);
    let span = u32::from(RANGE.end - RANGE.start);
    // Test processes that run side by side begin at different places.
    let start = std::process::id().wrapping_mul(7919) % span;
    (0..span)
        .find_map(|_| {
            let offset = u32::from(OFFSET.fetch_add(1, Ordering::Relaxed));
            let port = RANGE.start + u16::try_from((start + offset) % span).ok()?;
            TcpListener::bind(("127.0.0.1", port)).is_ok().then_some(port)
        })
        .context("no free port between 15000 and 32000")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_free_and_different() {
        let taken = TcpListener::bind(("127.0.0.1", free_port().unwrap())).unwrap();
        let port = free_port().unwrap();

        assert!(RANGE.contains(&port));
        assert_ne!(port, taken.local_addr().unwrap().port());
    }
}
