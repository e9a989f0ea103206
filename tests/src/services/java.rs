//! Java with the jars of Apache Kafka: its tools, and small programs of ours against its client.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::Result;

use super::kafka::VERSION;
use super::run::run;
use crate::cache;

/// A Java virtual machine with Kafka's classes at hand.
#[derive(Debug, Clone)]
pub struct Java {
    jars: PathBuf,
}

impl Java {
    /// Finds the jars in the cache folder.
    ///
    /// # Errors
    /// `./test` has not fetched them yet.
    pub fn find() -> Result<Self> {
        Ok(Self { jars: cache::entry(&format!("kafka-{VERSION}/complete"))?.with_file_name("libs") })
    }

    /// Runs a class of the jars and returns what it printed.
    ///
    /// # Errors
    /// It ended with a failure (the message has the end of what it printed) or not within `deadline`.
    pub fn run_class(&self, class: &str, arguments: &[&str], deadline: Duration) -> Result<String> {
        run(class, self.command().arg(class).args(arguments), deadline)
    }

    /// Compiles the program at `path`, which is relative to the folder `tests`, runs it and returns what it printed.
    ///
    /// # Errors
    /// As [`Java::run_class`]; and there may be a runtime without a compiler on this machine.
    pub fn run_source(&self, path: &str, arguments: &[&str], deadline: Duration) -> Result<String> {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
        run(path, self.command().arg(source).args(arguments), deadline)
    }

    fn command(&self) -> Command {
        super::kafka::java(&self.jars)
    }
}
