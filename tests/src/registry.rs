//! A real `registry-server` process, with its data in memory or in a file of its own.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result};
use tempfile::TempDir;

use crate::binaries;
use crate::disk::Disk;
use crate::process::Process;
use crate::wait::wait_for;

/// What the server prints before its address, on standard output.
const ADDRESS_PREFIX: &str = "listening on ";

/// The server's log, in its working folder.
const LOG: &str = "log";

/// The database of a registry on a disk of the test's own.
pub const ON_DISK: &str = "registry.db";

const START_DEADLINE: Duration = Duration::from_secs(60);

/// How long a line of the log may take.
const LOG_DEADLINE: Duration = Duration::from_secs(30);

/// How long the server may take to drain; its own default is half a minute.
const STOP_PATIENCE: Duration = Duration::from_secs(40);

/// A running registry; it is stopped when dropped.
#[derive(Debug)]
pub struct Registry {
    process: Process,
    url: String,
    folder: TempDir,
    /// As it was started.
    command: Command,
}

/// Starts a registry that keeps its data in memory, on a free port, and waits until it listens.
///
/// # Errors
/// It could not be built, or did not listen in time; the message has the end of its log.
pub fn start_registry() -> Result<Registry> {
    Registry::start(&["--ephemeral"])
}

impl Registry {
    /// Starts a registry with these arguments besides `--listen`, in an empty working folder.
    ///
    /// # Errors
    /// As [`start_registry`].
    pub fn start(arguments: &[&str]) -> Result<Self> {
        Self::start_in(tempfile::Builder::new().prefix("registry-").tempdir()?, arguments, &[])
    }

    /// Starts a registry in a working folder that may hold files for it, with variables in its environment.
    ///
    /// # Errors
    /// As [`start_registry`].
    pub fn start_in(folder: TempDir, arguments: &[&str], variables: &[(&str, &str)]) -> Result<Self> {
        let mut command = Command::new(binaries::path("registry-server")?);
        command.args(["--listen", "127.0.0.1:0"]).args(arguments).current_dir(folder.path());
        command.envs(variables.iter().copied());
        let (process, url) = launch(&mut command, folder.path())?;
        Ok(Self { process, url, folder, command })
    }

    /// As [`Registry::start_in`], in a process with a limit of open files: the shell's `ulimit` is told `limit`.
    ///
    /// # Errors
    /// As [`start_registry`].
    pub fn start_with_ulimit(limit: &str, arguments: &[&str], variables: &[(&str, &str)]) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("registry-").tempdir()?;
        let mut command = Command::new("sh");
        command.args(["-c", r#"ulimit $1 && shift && exec "$@""#, "sh", limit]);
        command.arg(binaries::path("registry-server")?).args(["--listen", "127.0.0.1:0"]).args(arguments);
        command.current_dir(folder.path()).envs(variables.iter().copied());
        let (process, url) = launch(&mut command, folder.path())?;
        Ok(Self { process, url, folder, command })
    }

    /// Starts a registry with its database on a disk of the test's own.
    ///
    /// # Errors
    /// As [`start_registry`].
    pub fn start_on(disk: &Disk, arguments: &[&str]) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("registry-").tempdir()?;
        Self::start_with_disk(disk.enter(binaries::path("registry-server")?), folder, disk, arguments)
    }

    /// As [`Registry::start_on`], by a user without any rights of root's.
    ///
    /// # Errors
    /// As [`start_registry`].
    pub fn start_on_without_rights(disk: &Disk, arguments: &[&str]) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("registry-").tempdir()?;
        std::fs::set_permissions(folder.path(), Permissions::from_mode(0o755))?;
        // That user may not get to where it was built.
        let program = folder.path().join("registry-server");
        std::fs::copy(binaries::path("registry-server")?, &program)?;
        let mut command = disk.enter_without_rights(program)?;
        command.current_dir(folder.path());
        Self::start_with_disk(command, folder, disk, arguments)
    }

    fn start_with_disk(mut command: Command, folder: TempDir, disk: &Disk, arguments: &[&str]) -> Result<Self> {
        let database = format!("sqlite://{}", disk.path().join(ON_DISK).display());
        command.args(["--listen", "127.0.0.1:0", "--database", &database]).args(arguments);
        let (process, url) = launch(&mut command, folder.path())?;
        Ok(Self { process, url, folder, command })
    }

    /// Kills the server if it still runs, and starts it again as it was started: in the same folder, on another port.
    ///
    /// # Errors
    /// As [`start_registry`].
    pub fn restart(&mut self) -> Result<()> {
        self.process.kill();
        std::fs::remove_file(self.folder.path().join(LOG))?;
        (self.process, self.url) = launch(&mut self.command, self.folder.path())?;
        Ok(())
    }

    /// `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The working folder of the server, where a relative `--database` lies.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The process, to signal it or to read its log.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// The log, once it has these words: a line may come after the answer that it is about.
    ///
    /// # Errors
    /// It never has.
    pub fn log_with(&self, words: &str) -> Result<String> {
        wait_for("a line of the log", LOG_DEADLINE, || {
            let log = self.process.log();
            if log.contains(words) { Ok(log) } else { Err(anyhow::anyhow!("`{words}` is not in:\n{log}")) }
        })
    }

    /// Stops the server as an operator does and checks that it ends by itself with success.
    ///
    /// # Errors
    /// It did not end, or ended with a failure.
    pub fn stop(mut self) -> Result<()> {
        let status = self.process.stop(STOP_PATIENCE)?;
        anyhow::ensure!(status.success(), "the registry ended with {status}:\n{}", self.process.log_tail());
        Ok(())
    }
}

fn launch(command: &mut Command, folder: &Path) -> Result<(Process, String)> {
    let mut process = Process::start("registry-server", command, &folder.join(LOG), Some(folder))?;
    let url = wait_for("the registry to print its address", START_DEADLINE, || {
        // An early end cannot turn into success: it is handed out of the wait as the answer.
        process.check_running().map_or_else(|ended| Ok(Err(ended)), |()| address(&process).map(Ok))
    })
    .with_context(|| process.log_tail())??;
    Ok((process, url))
}

fn address(process: &Process) -> Result<String> {
    let log = process.log();
    let (_, rest) = log.split_once(ADDRESS_PREFIX).context("no address in its output")?;
    let (address, _) = rest.split_once('\n').context("the line with the address is not complete")?;
    let address = address.split_whitespace().next().context("the address is empty")?;
    Ok(address.trim_end_matches(['"', '}', ',']).to_owned())
}
