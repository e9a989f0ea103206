//! A small file system of a test's own: it can be filled, emptied and made read-only while processes use it.
//!
//! It lies in memory, in a mount namespace that a sleeping process holds: nobody else sees it, and it is gone with the
//! last process in it, however the test ends. Root makes the namespace; others get one along with a user namespace of
//! their own, where the machine lets them.

use std::ffi::OsStr;
use std::fs::{File, OpenOptions, Permissions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use nix::unistd::{User, geteuid};
use tempfile::TempDir;

use crate::ledger::Ledger;
use crate::process::Process;

/// Clients that write while a disk fills.
const WRITERS: usize = 8;

/// Answers before it is full.
const ANSWERS: u64 = 100;

/// The last of the clients is refused within this time, as any call is told that it cannot be served. The calls before
/// it, which read or still find room, take next to nothing.
const REFUSAL_MAX: Duration = Duration::from_secs(2);

/// A mount takes milliseconds.
const MOUNT_DEADLINE: Duration = Duration::from_secs(30);

/// Takes up the room of a full disk.
const FILLER: &str = "filler";

/// Mounts `$1` with the options `$2` and holds the namespace.
const HOLDER: &str = r#"mount -t tmpfs -o "$2" tmpfs "$1" && echo mounted && exec sleep infinity"#;

/// A mounted file system, empty at first; it goes when it is dropped and the processes in it have ended.
#[derive(Debug)]
pub struct Disk {
    holder: Process,
    path: PathBuf,
    // After the holder.
    _folder: TempDir,
}

impl Disk {
    /// Mounts a disk with room for so many bytes.
    ///
    /// # Errors
    /// The machine lets this process mount nothing; the message says why.
    pub fn mount(bytes: u64) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("disk-").tempdir()?;
        // Whoever a process on the disk runs as, it has to get there.
        std::fs::set_permissions(folder.path(), Permissions::from_mode(0o755))?;
        let path = folder.path().join("mounted");
        std::fs::create_dir(&path)?;
        let mut command = Command::new("unshare");
        if !geteuid().is_root() {
            command.args(["--user", "--map-root-user"]);
        }
        command.args(["--mount", "sh", "-c", HOLDER, "holder"]).arg(&path).arg(format!("size={bytes},mode=0777"));
        let log = folder.path().join("log");
        let mut holder = Process::start("the holder of a disk", &mut command, &log, Some(folder.path()))?;
        let mounted = crate::wait_for("the disk to be mounted", MOUNT_DEADLINE, || match holder.check_running() {
            // It cannot come any more: the error is handed out of the wait as the answer.
            Err(ended) => Ok(Err(ended)),
            Ok(()) => holder.log().contains("mounted\n").then_some(Ok(())).context("it is not mounted"),
        });
        mounted??;
        Ok(Self { holder, path, _folder: folder })
    }

    /// Where processes that were started by [`Disk::enter`] find it.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A command that runs `program` where the disk is seen; its process becomes the program's.
    ///
    /// The rights of files bind it, also when it is root.
    #[must_use]
    pub fn enter(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = self.enter_as_root("setpriv");
        command.args(["--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-all"]).arg(program);
        command
    }

    /// As [`Disk::enter`], as another user; for root.
    #[must_use]
    pub fn enter_as(&self, user: &User, program: impl AsRef<OsStr>) -> Command {
        let mut command = self.enter_as_root("setpriv");
        command.args([format!("--reuid={}", user.uid), format!("--regid={}", user.gid)]);
        command.arg("--clear-groups").arg(program);
        command
    }

    /// As [`Disk::enter`], as a user that does not look like root; for whoever is not root.
    #[must_use]
    pub fn enter_as_somebody(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = self.enter_as_root("unshare");
        command.args(["--user", "--map-user=1000", "--map-group=1000"]).arg(program);
        command
    }

    /// As [`Disk::enter`], as a user without any rights of root's.
    ///
    /// # Errors
    /// There is no user `nobody`.
    pub fn enter_without_rights(&self, program: impl AsRef<OsStr>) -> Result<Command> {
        if !geteuid().is_root() {
            return Ok(self.enter_as_somebody(program));
        }
        let nobody = User::from_name("nobody")?.context("there is no user `nobody`")?;
        Ok(self.enter_as(&nobody, program))
    }

    /// Takes up all the room that is left.
    ///
    /// # Errors
    /// The disk cannot be written to for another reason than that it is full.
    pub fn fill(&self) -> Result<()> {
        let mut filler = OpenOptions::new().create(true).append(true).open(self.outside(FILLER))?;
        loop {
            match filler.write(&[0; 1 << 16]) {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::StorageFull => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Takes up all the room under clients that write to the registry at `url`, and waits until each has been refused.
    ///
    /// # Errors
    /// As [`Ledger::write_until`] and [`Disk::fill`]; or the last client was refused too late.
    pub async fn fill_under_writers(&self, ledger: &Ledger, url: &str) -> Result<()> {
        let mut full_since = None;
        let strike = || {
            self.fill()?;
            full_since = Some(Instant::now());
            Ok(())
        };
        // Each writer ends with its first write that is refused.
        ledger.write_until(&vec![url.to_owned(); WRITERS], ANSWERS, strike).await?;
        let told_after = full_since.context("nothing was filled")?.elapsed();
        println!("the last writer was refused {told_after:?} after the disk was full");
        ensure!(told_after < REFUSAL_MAX, "the last writer was refused after {told_after:?}");
        Ok(())
    }

    /// Gives back what [`Disk::fill`] took up.
    ///
    /// # Errors
    /// It was not filled.
    pub fn make_room(&self) -> Result<()> {
        Ok(std::fs::remove_file(self.outside(FILLER))?)
    }

    /// Makes the whole disk read-only, or writable again.
    ///
    /// # Errors
    /// A process has a file open for writing.
    pub fn set_read_only(&self, is_read_only: bool) -> Result<()> {
        let options = if is_read_only { "remount,bind,ro" } else { "remount,bind,rw" };
        let output = self.enter_as_root("mount").args(["-o", options]).arg(&self.path).output()?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    }

    /// Sets who may read and write a file on the disk.
    ///
    /// # Errors
    /// There is no such file.
    pub fn set_mode(&self, name: &str, mode: u32) -> Result<()> {
        Ok(File::open(self.outside(name))?.set_permissions(Permissions::from_mode(mode))?)
    }

    /// A command in the namespace, with all rights there.
    fn enter_as_root(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.holder.id().to_string(), "--mount"]);
        if !geteuid().is_root() {
            command.args(["--user", "--preserve-credentials"]);
        }
        command.arg(program);
        command
    }

    /// A file on the disk, as this process sees it.
    fn outside(&self, name: &str) -> PathBuf {
        let mut path = PathBuf::from(format!("/proc/{}/root", self.holder.id())).into_os_string();
        path.push(self.path.join(name));
        path.into()
    }
}
