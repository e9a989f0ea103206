//! The Python environment with `confluent-kafka`: the foreign client of the tests.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use crate::cache;
use crate::wait::wait_for;

/// How much of each of a script's outputs a failure shows.
const TAIL_BYTES: usize = 4096;

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
        let folder = tempfile::tempdir()?;
        let (out, err) = (folder.path().join("out"), folder.path().join("err"));
        // Into files and not pipes: a script that prints a lot is never held up by a reader that is slow.
        let mut child = Command::new(&self.interpreter)
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join(path))
            .args(arguments)
            .env("PYTHONUNBUFFERED", "1")
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdin(Stdio::null())
            .stdout(File::create(&out)?)
            .stderr(File::create(&err)?)
            .spawn()
            .with_context(|| format!("cannot start `{}`", self.interpreter.display()))?;

        let ended =
            wait_for(&format!("`{path}` to end"), deadline, || child.try_wait()?.context("it is still running"));
        if ended.is_err() {
            drop(child.kill());
            drop(child.wait());
        }
        let complaint = || format!("`{path}` failed; the end of what it printed:\n{}{}", tail(&out), tail(&err));
        let status = ended.with_context(complaint)?;
        ensure!(status.success(), "{status}: {}", complaint());
        Ok(std::fs::read_to_string(&out)?)
    }
}

fn tail(path: &Path) -> String {
    let text = std::fs::read(path).unwrap_or_default();
    String::from_utf8_lossy(&text[text.len().saturating_sub(TAIL_BYTES)..]).into_owned()
}
