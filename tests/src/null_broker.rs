//! The `null-broker` in a process of its own: it takes every record and keeps none.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result};

use crate::binaries;

/// A running null broker; it ends when this is dropped.
#[derive(Debug)]
pub struct NullBroker {
    child: Child,
    address: String,
}

impl NullBroker {
    /// Starts one whose topics have so many partitions, and which waits so long before each answer.
    ///
    /// # Errors
    /// It does not start.
    pub fn start(partitions: u16, delay_ms: u32) -> Result<Self> {
        let mut child = Command::new(binaries::path("null-broker")?)
            .args([partitions.to_string(), delay_ms.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start the null broker")?;
        let mut address = String::new();
        let stdout = child.stdout.take().context("the null broker has no output")?;
        BufReader::new(stdout).read_line(&mut address).context("the null broker names no address")?;
        Ok(Self { child, address: address.trim().to_owned() })
    }

    /// `host:port`.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }
}

impl Drop for NullBroker {
    fn drop(&mut self) {
        // It ends when its standard input closes.
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}
