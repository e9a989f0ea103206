//! Java with the jars of Apache Kafka or Avro: Kafka's tools, and small programs of ours against their classes.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::Result;

use super::kafka::VERSION;
use super::run::run;
use crate::cache;

/// The version of Avro's jars.
const AVRO_VERSION: &str = "1.12.1";

/// A Java virtual machine with classes at hand.
#[derive(Debug, Clone)]
pub struct Java {
    jars: PathBuf,
}

impl Java {
    /// Finds Kafka's jars in the cache folder.
    ///
    /// # Errors
    /// `./test` has not fetched them yet.
    pub fn find() -> Result<Self> {
        Self::with_jars(&format!("kafka-{VERSION}"))
    }

    /// Finds Avro's jars in the cache folder.
    ///
    /// # Errors
    /// As [`Java::find`].
    pub fn with_avro() -> Result<Self> {
        Self::with_jars(&format!("avro-{AVRO_VERSION}"))
    }

    fn with_jars(folder: &str) -> Result<Self> {
        Ok(Self { jars: cache::entry(&format!("{folder}/complete"))?.with_file_name("libs") })
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
