//! The Python environment with `confluent-kafka`: the foreign client of the tests.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::Result;

use super::run::run;
use crate::cache;

/// The interpreter of the virtual environment that `./test` made from `tests/requirements/python.txt`.
#[derive(Debug, Clone)]
pub struct Python {
    interpreter: PathBuf,
}

impl Python {
    /// Finds the environment in the cache folder.
    ///
    /// # Errors
    /// `./test` has not made it yet.
    pub fn find() -> Result<Self> {
        Ok(Self { interpreter: cache::entry("python/bin/python")? })
    }

    /// Runs the script at `path`, which is relative to the folder `tests`, and returns what it printed.
    ///
    /// # Errors
    /// It ended with a failure (the message has the end of what it printed) or not within `deadline`.
    pub fn run(&self, path: &str, arguments: &[&str], deadline: Duration) -> Result<String> {
        let mut command = Command::new(&self.interpreter);
        command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).args(arguments);
        command.env("PYTHONUNBUFFERED", "1").env("PYTHONDONTWRITEBYTECODE", "1");
        run(path, &mut command, deadline)
    }
}
