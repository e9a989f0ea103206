//! A program that a test runs to its end, for what it prints.

use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use crate::wait::wait_for;

/// How much of each of a program's outputs a failure shows.
const TAIL_BYTES: usize = 4096;

/// Runs `command` and returns what it printed; `name` is for messages.
pub(super) fn run(name: &str, command: &mut Command, deadline: Duration) -> Result<String> {
    let folder = tempfile::tempdir()?;
    let (out, err) = (folder.path().join("out"), folder.path().join("err"));
    // Into files and not pipes: a program that prints a lot is never held up by a reader that is slow.
    let mut child = command
        .stdin(Stdio::null())
        .stdout(File::create(&out)?)
        .stderr(File::create(&err)?)
        .spawn()
        .with_context(|| format!("cannot start `{name}`"))?;

    let ended = wait_for(&format!("`{name}` to end"), deadline, || child.try_wait()?.context("it is still running"));
    if ended.is_err() {
        drop(child.kill());
        drop(child.wait());
    }
    let complaint = || format!("`{name}` failed; the end of what it printed:\n{}{}", tail(&out), tail(&err));
    let status = ended.with_context(complaint)?;
    ensure!(status.success(), "{status}: {}", complaint());
    Ok(std::fs::read_to_string(&out)?)
}

fn tail(path: &Path) -> String {
    let text = std::fs::read(path).unwrap_or_default();
    String::from_utf8_lossy(&text[text.len().saturating_sub(TAIL_BYTES)..]).into_owned()
}
