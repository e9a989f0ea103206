//! A process that a test started: its log, its end. Stopped by its process id and by nothing else.
//!
//! A value in a `static` is never dropped, and a killed test process drops nothing. So each process has
//! a guard: a shell that waits for its standard input to close, which the kernel does when the test
//! process ends in any way, and then kills the process and removes its folder.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::wait::wait_for;

/// How many of the last bytes of a log an error shows.
const LOG_TAIL_BYTES: usize = 4096;

/// How long a process may take from SIGTERM to its end when it is dropped; then it is killed.
const DROP_PATIENCE: Duration = Duration::from_secs(10);

const GUARD_SCRIPT: &str = r#"read -r _; kill -9 "$1" 2>/dev/null; if [ -n "$2" ]; then rm -rf -- "$2"; fi"#;

/// A running process with its log file.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    guard: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `command` with standard output and standard error appended to `log`.
    ///
    /// `folder` is removed if the test process ends without dropping the value.
    ///
    /// # Errors
    /// The log cannot be opened or the program cannot be started.
    pub fn start(name: &str, command: &mut Command, log: &Path, folder: Option<&Path>) -> Result<Self> {
        let out = File::options().create(true).append(true).open(log)?;
        Self::start_with(name, command, [out.try_clone()?.into(), out.into()], log, folder)
    }

    /// As [`Process::start`], with standard output and standard error elsewhere; what goes to `log` is told in errors.
    ///
    /// # Errors
    /// The program cannot be started.
    pub fn start_with(
        name: &str,
        command: &mut Command,
        [stdout, stderr]: [Stdio; 2],
        log: &Path,
        folder: Option<&Path>,
    ) -> Result<Self> {
        let child = command
            .stdin(Stdio::null())
            .stdout(stdout)
            .stderr(stderr)
            .spawn()
            .with_context(|| format!("cannot start `{name}`"))?;
        let guard = Command::new("sh")
            .args(["-c", GUARD_SCRIPT, "guard", &child.id().to_string()])
            .arg(folder.unwrap_or(Path::new("")))
            .stdin(Stdio::piped())
            .spawn()
            .context("cannot start the guard of a process");
        match guard {
            Ok(guard) => Ok(Self { name: name.to_owned(), child, guard, log: log.to_owned() }),
            Err(error) => {
                let mut child = child;
                end(&mut child);
                Err(error)
            }
        }
    }

    /// The process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Fails once the process has ended, with the end of its log.
    ///
    /// # Errors
    /// The process has ended.
    pub fn check_running(&mut self) -> Result<()> {
        if let Some(status) = self.child.try_wait()? {
            bail!("`{}` ended with {status}; the end of its log:\n{}", self.name, self.log_tail());
        }
        Ok(())
    }

    /// Waits until the process has ended with success.
    ///
    /// # Errors
    /// It ended with a failure or not within `deadline`; the message has the end of its log.
    pub fn succeed(&mut self, deadline: Duration) -> Result<()> {
        let status = self.ended(deadline)?;
        ensure!(status.success(), "it ended with {status}; the end of its log:\n{}", self.log_tail());
        Ok(())
    }

    /// Waits until the process has ended in any way.
    ///
    /// # Errors
    /// It did not within `deadline`; the message has the end of its log.
    pub fn ended(&mut self, deadline: Duration) -> Result<ExitStatus> {
        let status = wait_for(&format!("`{}` to end", self.name), deadline, || {
            self.child.try_wait()?.context("it is still running")
        });
        status.with_context(|| format!("the end of its log:\n{}", self.log_tail()))
    }

    /// Everything the process has printed so far.
    #[must_use]
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// The last lines of the log, for error messages.
    #[must_use]
    pub fn log_tail(&self) -> String {
        let log = std::fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(&log[log.len().saturating_sub(LOG_TAIL_BYTES)..]).into_owned()
    }

    /// Asks the process to stop (SIGTERM), waits up to `patience`, then kills it.
    ///
    /// # Errors
    /// It had to be killed; the message carries the end of its log.
    pub fn stop(&mut self, patience: Duration) -> Result<ExitStatus> {
        self.signal(Signal::SIGTERM)?;
        let status = wait_for(&format!("`{}` to stop", self.name), patience, || {
            self.child.try_wait()?.context("it is still running")
        });
        if status.is_err() {
            end(&mut self.child);
        }
        status.with_context(|| format!("killed `{}`; the end of its log:\n{}", self.name, self.log_tail()))
    }

    /// Kills the process at once (SIGKILL), as a crash would.
    pub fn kill(&mut self) {
        end(&mut self.child);
    }

    /// Sends a signal; nothing happens if the process has ended.
    ///
    /// # Errors
    /// The signal could not be sent.
    pub fn signal(&mut self, signal: Signal) -> Result<()> {
        if self.child.try_wait()?.is_some() {
            return Ok(());
        }
        let id = i32::try_from(self.child.id()).context("a process id beyond i32")?;
        kill(Pid::from_raw(id), signal).with_context(|| format!("cannot send {signal} to `{}`", self.name))
    }

    /// The processes that it has started itself and that still run.
    ///
    /// # Errors
    /// Not on Linux, or it has ended.
    pub fn children(&self) -> Result<Vec<Pid>> {
        let id = self.child.id();
        let list = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children"))?;
        list.split_whitespace().map(|child| Ok(Pid::from_raw(child.parse()?))).collect()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The guard goes first, so that it never kills an id that the system has given to another process.
        end(&mut self.guard);
        if let Err(error) = self.stop(DROP_PATIENCE) {
            eprintln!("{error:#}");
        }
    }
}

/// Kills a child and collects its status; an error means that it has ended already.
fn end(child: &mut Child) {
    drop(child.kill());
    drop(child.wait());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start(script: &str, folder: &Path) -> Process {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        Process::start("script", &mut command, &folder.join("log"), None).unwrap()
    }

    #[test]
    fn the_log_of_a_process_that_ended_is_in_the_error() {
        let folder = tempfile::tempdir().unwrap();
        let mut process = start("echo no such disk; exit 3", folder.path());

        let error = wait_for("the end", Duration::from_secs(10), || match process.check_running() {
            Ok(()) => bail!("it is running"),
            Err(error) => Ok(error),
        })
        .unwrap();

        let message = error.to_string();
        assert!(message.contains("exit status: 3") && message.contains("no such disk"), "{message}");
    }

    #[test]
    fn a_process_that_ignores_the_request_is_killed() {
        let folder = tempfile::tempdir().unwrap();
        let mut process =
            start("trap '' TERM; echo ready; while :; do read -r _ || exec sleep 60; done", folder.path());
        wait_for("the trap", Duration::from_secs(10), || {
            process.log().contains("ready").then_some(()).context("not ready")
        })
        .unwrap();

        let error = process.stop(Duration::from_millis(100)).unwrap_err();

        assert!(format!("{error:#}").contains("killed `script`"), "{error:#}");
        assert!(process.check_running().is_err());
    }

    #[test]
    fn a_dropped_process_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let process = start("exec sleep 60", folder.path());
        let id = Pid::from_raw(i32::try_from(process.id()).unwrap());

        drop(process);

        assert_eq!(kill(id, None), Err(nix::errno::Errno::ESRCH));
    }
}
