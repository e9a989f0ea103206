//! PostgreSQL from the system's package: a private server on a free port, with its data in a temporary folder.
//!
//! PostgreSQL refuses to run as root, so a test process of root hands the server to the user `postgres`.

use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use nix::sys::signal::Signal;
use nix::unistd::{User, geteuid};
use tempfile::TempDir;

use super::ports::free_port;
use super::shared::Shared;
use crate::disk::Disk;
use crate::process::Process;

/// The oldest release that the registry takes.
const MAJOR_VERSION_MIN: u32 = 15;

/// Where Debian's packages put the programs of each release.
const PACKAGES: &str = "/usr/lib/postgresql";

/// The user of the databases; no password is asked of connections from this machine.
const USER: &str = "sr";

/// Lists of a server's processes that are read before one is like that before it: two, as a rule.
const LISTS_MAX: usize = 20;

/// A second on a quiet machine.
const START_DEADLINE: Duration = Duration::from_secs(60);

/// A stop writes a checkpoint first.
const STOP_PATIENCE: Duration = Duration::from_secs(30);

/// Connections at once: several servers with their pools, of several tests.
const CONNECTIONS_MAX: u32 = 300;

/// What of a cluster lies on a disk of the test's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Tables and indexes. The log that makes them durable lies elsewhere.
    Tables,
    /// That log. A server that has no room for it is of no use until it has been ended and started.
    Log,
}

/// A server with its data, running or not; it ends and the data goes when dropped.
#[derive(Debug)]
pub struct Postgres {
    programs: PathBuf,
    owner: Option<User>,
    port: u16,
    settings: Vec<String>,
    process: Option<Process>,
    // After the process: first the server ends, then its data goes.
    disk: Option<(Part, Disk)>,
    folder: TempDir,
}

impl Postgres {
    /// Makes a database cluster of its own and starts a server on it.
    ///
    /// # Errors
    /// PostgreSQL is not installed, or did not start in time; the message has the end of its log.
    pub fn start() -> Result<Self> {
        Self::start_with(&[])
    }

    /// As [`Postgres::start`], with settings such as `fsync=off`.
    ///
    /// # Errors
    /// As [`Postgres::start`].
    pub fn start_with(settings: &[&str]) -> Result<Self> {
        Self::start_somewhere(settings, None)
    }

    /// As [`Postgres::start`], with a part of its data on a disk.
    ///
    /// # Errors
    /// As [`Postgres::start`].
    pub fn start_on(part: Part, disk: Disk) -> Result<Self> {
        Self::start_somewhere(&[], Some((part, disk)))
    }

    fn start_somewhere(settings: &[&str], disk: Option<(Part, Disk)>) -> Result<Self> {
        let programs = programs()?;
        let folder = tempfile::Builder::new().prefix("postgres-").tempdir()?;
        let owner = owner(folder.path())?;
        let settings = settings.iter().map(|&setting| setting.to_owned()).collect();
        let mut postgres = Self { programs, owner, port: free_port()?, settings, process: None, disk, folder };
        postgres.make_cluster()?;
        postgres.restart()?;
        Ok(postgres)
    }

    /// The server that tests of this process share; the first caller starts it.
    ///
    /// Tests keep apart by databases, see [`Postgres::create_database`]. Who stops the server starts one of its own.
    ///
    /// # Errors
    /// As [`Postgres::start`].
    pub fn shared() -> Result<&'static Self> {
        static SHARED: Shared<Postgres> = Shared::new();
        SHARED.or_start(Self::start)
    }

    /// Makes an empty database and returns its URL.
    ///
    /// # Errors
    /// What `psql` printed.
    pub fn create_database(&self) -> Result<String> {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let name = format!("registry_{}", NEXT.fetch_add(1, Ordering::Relaxed));
        self.psql("postgres", &format!("CREATE DATABASE {name}"))?;
        Ok(self.url(&name))
    }

    /// The URL of a database.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        format!("postgres://{USER}@127.0.0.1:{}/{database}", self.port)
    }

    /// The port of 127.0.0.1 that the server listens on.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The user of all databases.
    #[must_use]
    pub fn user(&self) -> &'static str {
        USER
    }

    /// The disk of [`Postgres::start_on`].
    #[must_use]
    pub fn disk(&self) -> Option<&Disk> {
        self.disk.as_ref().map(|(_, disk)| disk)
    }

    /// The folder of the client programs (`psql`, `pg_dump`, ...).
    #[must_use]
    pub fn programs(&self) -> &Path {
        &self.programs
    }

    /// Runs one statement and returns its rows, one a line, columns divided by `|`.
    ///
    /// # Errors
    /// What `psql` printed.
    pub fn psql(&self, database: &str, statement: &str) -> Result<String> {
        let output = Command::new(self.programs.join("psql"))
            .args(["--no-psqlrc", "--no-align", "--tuples-only", "--set=ON_ERROR_STOP=1", "--command", statement])
            .arg(self.url(database))
            .output()
            .context("cannot start `psql`")?;
        ensure!(output.status.success(), "`{statement}`: {}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
    }

    /// Replaces the rules by which clients are let in (`pg_hba.conf`), and waits until they are in force. They must go
    /// on letting the user of all databases in.
    ///
    /// # Errors
    /// The server does not run, or has not read them in time.
    pub fn set_access(&self, rules: &str) -> Result<()> {
        std::fs::write(self.psql("postgres", "SHOW hba_file")?, rules)?;
        let loaded = self.psql("postgres", "SELECT pg_conf_load_time()")?;
        self.psql("postgres", "SELECT pg_reload_conf()")?;
        crate::wait_for("PostgreSQL to read its rules anew", START_DEADLINE, || {
            let now = self.psql("postgres", "SELECT pg_conf_load_time()")?;
            ensure!(now != loaded, "they are of {loaded}");
            Ok(())
        })
    }

    /// Stops the server as an operator does: connections are cut, what is committed is kept.
    ///
    /// # Errors
    /// It did not end in time.
    pub fn stop(&mut self) -> Result<()> {
        self.end(Signal::SIGINT)
    }

    /// Ends the server as a crash of its machine would: no checkpoint, the next start recovers from the log.
    ///
    /// # Errors
    /// It did not end in time.
    pub fn crash(&mut self) -> Result<()> {
        self.end(Signal::SIGQUIT)
    }

    /// Freezes the server (SIGSTOP): its connections stay open and nothing is answered.
    ///
    /// # Errors
    /// It does not run.
    pub fn pause(&mut self) -> Result<()> {
        self.signal_all(Signal::SIGSTOP)
    }

    /// Lets a frozen server go on.
    ///
    /// # Errors
    /// It does not run.
    pub fn resume(&mut self) -> Result<()> {
        self.signal_all(Signal::SIGCONT)
    }

    /// To the server, which then starts no more, and to its processes, one for each connection.
    fn signal_all(&mut self, signal: Signal) -> Result<()> {
        let process = self.process.as_mut().context("PostgreSQL does not run")?;
        process.signal(signal)?;
        // The system's list may lack one while another ends, so it is read until it stays as it is.
        let mut told = Vec::new();
        for _ in 0..LISTS_MAX {
            let children = process.children()?;
            if children == told {
                break;
            }
            for child in &children {
                // One that has ended meanwhile needs no signal.
                let _ = nix::sys::signal::kill(*child, signal);
            }
            told = children;
        }
        Ok(())
    }

    /// Starts the server again on the same port and data, and waits until it takes connections.
    ///
    /// # Errors
    /// As [`Postgres::start`].
    pub fn restart(&mut self) -> Result<()> {
        let mut command = self.command("postgres");
        command.arg("-D").arg(self.data()).args(["-p", &self.port.to_string()]);
        command.args(["-c", "listen_addresses=127.0.0.1", "-c"]);
        command.arg(format!("unix_socket_directories={}", self.folder.path().display()));
        command.args(["-c", &format!("max_connections={CONNECTIONS_MAX}")]);
        for setting in &self.settings {
            command.args(["-c", setting]);
        }
        let log = self.folder.path().join("log");
        let mut process = Process::start("postgres", &mut command, &log, Some(self.folder.path()))?;
        let ready =
            crate::wait_for("PostgreSQL to take connections", START_DEADLINE, || match process.check_running() {
                // A dead server cannot become ready: the error is handed out of the wait as the answer.
                Err(ended) => Ok(Err(ended)),
                Ok(()) => self.psql("postgres", "SELECT 1").map(|_| Ok(())),
            });
        ready.with_context(|| process.log_tail())??;
        self.process = Some(process);
        Ok(())
    }

    fn end(&mut self, signal: Signal) -> Result<()> {
        // Frozen processes would not hear of the end, and outlive the server. One that does not run has none.
        let _ = self.resume();
        let Some(mut process) = self.process.take() else { return Ok(()) };
        process.signal(signal)?;
        crate::wait_until("PostgreSQL to end", STOP_PATIENCE, || process.check_running().is_err())
            .with_context(|| process.log_tail())
    }

    fn make_cluster(&self) -> Result<()> {
        let output = self
            .command("initdb")
            .arg("-D")
            .arg(self.data())
            .arg("--waldir")
            .arg(self.folder_of(Part::Log).join("wal"))
            .args(["-U", USER, "--auth=trust", "--no-locale", "-E", "UTF8", "--no-sync"])
            .output()
            .context("cannot start `initdb`")?;
        ensure!(output.status.success(), "`initdb` failed: {}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    }

    fn data(&self) -> PathBuf {
        self.folder_of(Part::Tables).join("data")
    }

    fn folder_of(&self, part: Part) -> &Path {
        match &self.disk {
            Some((on_disk, disk)) if *on_disk == part => disk.path(),
            _ => self.folder.path(),
        }
    }

    /// A program of the server's, run as the owner of the data.
    fn command(&self, program: &str) -> Command {
        let program = self.programs.join(program);
        let mut command = match (self.disk(), &self.owner) {
            (Some(disk), Some(owner)) => disk.enter_as(owner, program),
            (Some(disk), None) => disk.enter_as_somebody(program),
            (None, None) => Command::new(program),
            (None, Some(owner)) => {
                let mut command = Command::new(program);
                command.uid(owner.uid.as_raw()).gid(owner.gid.as_raw());
                command
            }
        };
        // Not the folder of the test: its owner may not enter it.
        command.current_dir(self.folder.path());
        command
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // The data goes away with the folder: nothing is gained by a checkpoint.
        if let Err(error) = self.end(Signal::SIGQUIT) {
            eprintln!("{error:#}");
        }
    }
}

/// The folder of the newest release's programs.
fn programs() -> Result<PathBuf> {
    let releases = std::fs::read_dir(PACKAGES).with_context(|| format!("no PostgreSQL in `{PACKAGES}`"))?;
    let newest = releases
        .filter_map(|release| release.ok()?.file_name().to_str()?.parse::<u32>().ok())
        .filter(|release| Path::new(PACKAGES).join(format!("{release}/bin/postgres")).exists())
        .max();
    match newest {
        Some(release) if release >= MAJOR_VERSION_MIN => Ok(Path::new(PACKAGES).join(format!("{release}/bin"))),
        found => bail!("PostgreSQL {MAJOR_VERSION_MIN} or newer expected in `{PACKAGES}`, found {found:?}"),
    }
}

/// Hands the folder to the user `postgres` when this process is root's.
fn owner(folder: &Path) -> Result<Option<User>> {
    if !geteuid().is_root() {
        return Ok(None);
    }
    let owner = User::from_name("postgres")?.context("there is no user `postgres`")?;
    std::os::unix::fs::chown(folder, Some(owner.uid.as_raw()), Some(owner.gid.as_raw()))?;
    Ok(Some(owner))
}
