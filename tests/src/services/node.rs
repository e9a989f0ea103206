//! Node.js with the registry clients of npm.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::Result;

use super::run::run;
use crate::cache;

/// The packages that `./test` installed from `tests/requirements/node`, and whatever `node` the machine has.
#[derive(Debug, Clone)]
pub struct Node {
    modules: PathBuf,
}

impl Node {
    /// Finds the packages in the cache folder.
    ///
    /// # Errors
    /// `./test` has not installed them yet.
    pub fn find() -> Result<Self> {
        Ok(Self { modules: cache::entry("node/node_modules")? })
    }

    /// Runs the script at `path`, which is relative to the folder `tests`, and returns what it printed.
    ///
    /// # Errors
    /// It ended with a failure (the message has the end of what it printed) or not within `deadline`.
    pub fn run(&self, path: &str, arguments: &[&str], deadline: Duration) -> Result<String> {
        let mut command = Command::new("node");
        command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).args(arguments);
        command.env("NODE_PATH", &self.modules);
        run(path, &mut command, deadline)
    }
}
