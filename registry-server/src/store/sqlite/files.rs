//! The files that SQLite has open, and whether they are still those of their names.
//!
//! Who removes such a file, or puts another in its place, changes nothing for SQLite: it goes on in a file that nobody
//! can open any more, and all that is written there is gone with the process.

use std::fs::{File, Metadata};
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

#[cfg(target_os = "linux")]
use rustix::fs::{AtFlags, CWD, StatxFlags, makedev, statx};
#[cfg(target_os = "linux")]
use rustix::io::Errno;
use sqlx::{ConnectOptions as _, SqliteConnection};

use super::super::{StoreError, StoreErrorKind};
use super::connect::{Location, beside};
use super::failure::failed;

/// A database that is open. Connections that are made later are to the same files.
#[derive(Debug, Clone)]
pub(super) struct Opened {
    location: Location,
    /// None in memory.
    files: Vec<OpenFile>,
}

impl Opened {
    /// Of a database with a connection that has written.
    pub(super) fn new(location: Location) -> Result<Self, StoreError> {
        let paths = match &location {
            // The log holds what is not in the file yet. Its index is shared by all connections of a process.
            Location::File(path) => vec![path.clone(), beside(path, "-wal")],
            Location::Memory(_) => Vec::new(),
        };
        let files = paths.into_iter().map(OpenFile::new).collect::<Result<_, _>>()?;
        Ok(Self { location, files })
    }

    /// Another connection for the writer.
    pub(super) async fn connect_writer(&self) -> Result<SqliteConnection, StoreError> {
        self.check("open the database")?;
        let mut connection = self.location.connect_writer().await?;
        self.location.prepare_writer(&mut connection).await?;
        self.check("open the database")?;
        Ok(connection)
    }

    /// A connection that cannot write.
    pub(super) async fn connect_reader(&self, operation: &'static str) -> Result<SqliteConnection, StoreError> {
        self.check(operation)?;
        let connection = self.location.reader_options().connect().await.map_err(failed(operation))?;
        self.check(operation)?;
        Ok(connection)
    }

    /// Refuses to go on in files that are not to be found by their names any more. Costs a call of the system for each
    /// of the two.
    pub(super) fn check(&self, operation: &'static str) -> Result<(), StoreError> {
        self.files.iter().try_for_each(|file| file.check(operation))
    }
}

#[derive(Debug, Clone)]
struct OpenFile {
    path: PathBuf,
    identity: Identity,
}

impl OpenFile {
    fn new(path: PathBuf) -> Result<Self, StoreError> {
        let identity = identity_at(&path).map_err(|error| unknown("open the database", &path, &error))?;
        Ok(Self { path, identity })
    }

    fn check(&self, operation: &'static str) -> Result<(), StoreError> {
        let what = match identity_at(&self.path) {
            Ok(identity) if identity == self.identity => return Ok(()),
            Ok(_) => "replaced",
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => "removed",
            Err(error) => return Err(unknown(operation, &self.path, &error)),
        };
        let advice = format!(
            "`{}` was {what} while it was open, so that nothing that is written now would last; put the file back that \
             was there, or stop the server, and start it on the files that are to be served: a backup has no `-wal` \
             beside it",
            self.path.display()
        );
        Err(StoreError::new(operation, StoreErrorKind::Replaced, advice))
    }
}

/// The device and the number of a file on it: one file has them as long as anybody has it open.
type Identity = (u64, u64);

/// That of a file that is open.
pub(super) fn identity_of(open: &File) -> io::Result<Identity> {
    open.metadata().map(|metadata| identity(&metadata))
}

/// That of the file of a name. Its times are not asked for: where somebody has, Linux notes the time of the next write
/// anew (since 6.13, <https://docs.kernel.org/filesystems/multigrain-ts.html>), and a commit may wait until that is on
/// the disk as well.
pub(super) fn identity_at(path: &Path) -> io::Result<Identity> {
    #[cfg(target_os = "linux")]
    match statx(CWD, path, AtFlags::empty(), StatxFlags::INO) {
        Ok(found) => return Ok((makedev(found.stx_dev_major, found.stx_dev_minor), found.stx_ino)),
        // Not known here, or kept from us by a sandbox.
        Err(Errno::NOSYS | Errno::PERM) => {}
        Err(error) => return Err(error.into()),
    }
    std::fs::metadata(path).map(|metadata| identity(&metadata))
}

fn identity(metadata: &Metadata) -> Identity {
    (metadata.dev(), metadata.ino())
}

fn unknown(operation: &'static str, path: &Path, error: &std::io::Error) -> StoreError {
    StoreError::unavailable(operation, format!("cannot look for `{}`: {error}", path.display()))
}
