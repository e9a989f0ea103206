//! Where a database lies, who owns it, and how connections to it are set up.

use std::fmt;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, SqliteConnection};

use super::super::{StoreError, StoreErrorKind};
use super::failure::{failed, is_no_database};
use super::files::{identity_at, identity_of};

const OPERATION: &str = "open the database";

/// Older releases can lose committed transactions in WAL mode, see <https://www.sqlite.org/wal.html#walresetbug>.
const SQLITE_VERSION_MIN: (u32, u32, u32) = (3, 51, 3);

/// How long a connection waits for a lock. Only a foreign tool (a backup, a shell) makes ours wait, and in memory
/// readers wait for the writer.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a write to a file waits for a lock, once the server is up: those behind it wait as well, and all of them
/// are to be told within two seconds.
const WAIT_BRIEFLY: &str = "PRAGMA busy_timeout = 1500";

/// After a long reader kept the log from being reset, it is cut back to this many bytes.
const LOG_BYTES_KEPT: &str = "67108864";

/// The log is moved into the file when it has so many pages of 4 KiB: a page that many writes change is moved once for
/// all of them, and a start after a crash reads at most 16 MiB of log.
const CHECKPOINT_PAGES: &str = "4096";

/// Rows that SQLite's thread may be ahead of whoever asked, who collects them all: it need not wait, with its locks,
/// until some are taken. More than any statement has.
const ROWS_UNTAKEN_MAX: usize = 1 << 24;

/// How often the lock's file is opened anew when another start removes it: each time is one more start that fails.
const LOCK_ATTEMPTS: usize = 8;

const MAKE_ROOM: &str = "make room on its disk";

const LET_WRITE: &str = "the server writes to the database, to files beside it and to their folder: let its user do so, \
                         or mount the file system for writing";

/// A file, or a name that connections of this process share in memory.
#[derive(Debug, Clone)]
pub(super) enum Location {
    File(PathBuf),
    Memory(String),
}

impl Location {
    pub(super) fn file(path: &Path) -> Self {
        Self::File(path.to_owned())
    }

    /// A fresh database in memory.
    pub(super) fn memory() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self::Memory(format!("/registry-{}", NEXT.fetch_add(1, Ordering::Relaxed)))
    }

    /// Refuses a file with tables that are not the registry's: it belongs to another program. Nothing in it is changed.
    pub(super) async fn check_tables(&self) -> Result<(), StoreError> {
        let Self::File(path) = self else { return Ok(()) };
        if !path.exists() {
            return Ok(());
        }
        let mut connection = connect(self.options()).await?;
        let foreign: Option<String> = sqlx::query_scalar(include_str!("../sql/select_foreign_table_sqlite.sql"))
            .fetch_optional(&mut connection)
            .await
            .map_err(failed(OPERATION))?;
        sqlx::Connection::close(connection).await.map_err(failed(OPERATION))?;
        let Some(table) = foreign else { return Ok(()) };
        let advice = format!(
            "`{self}` is the database of another program, with a table `{table}`, and is left as it is; name another \
             file: the server makes one that is not there yet"
        );
        Err(StoreError::new(OPERATION, StoreErrorKind::Setup, advice))
    }

    /// A connection that may write, to a database that is made if there is none.
    pub(super) async fn create(&self) -> Result<SqliteConnection, StoreError> {
        connect(self.writer_options().create_if_missing(true)).await
    }

    /// A connection that may write, to a database that is there.
    pub(super) async fn connect_writer(&self) -> Result<SqliteConnection, StoreError> {
        connect(self.writer_options()).await
    }

    /// In WAL mode the writer is also the only one that moves the log into the file.
    fn writer_options(&self) -> SqliteConnectOptions {
        let options = match self {
            Self::File(_) => self
                .options()
                .journal_mode(SqliteJournalMode::Wal)
                .synchronous(SqliteSynchronous::Full)
                .pragma("journal_size_limit", LOG_BYTES_KEPT)
                .pragma("wal_autocheckpoint", CHECKPOINT_PAGES),
            Self::Memory(_) => self.options(),
        };
        // What a savepoint or a statement may have to take back, pages of one group of writes, and what the connection
        // has for itself.
        options.pragma("temp_store", "memory")
    }

    /// Makes what the writing connection has for itself, once the layout is up to date.
    pub(super) async fn prepare_writer(&self, connection: &mut SqliteConnection) -> Result<(), StoreError> {
        let statements = include_str!("../sql/new_versions_sqlite.sql");
        sqlx::raw_sql(statements).execute(&mut *connection).await.map_err(failed(OPERATION))?;
        match self {
            Self::File(_) => sqlx::raw_sql(WAIT_BRIEFLY).execute(connection).await.map(drop).map_err(failed(OPERATION)),
            Self::Memory(_) => Ok(()),
        }
    }

    /// Options of a connection that cannot write.
    pub(super) fn reader_options(&self) -> SqliteConnectOptions {
        match self {
            Self::File(_) => self.options().read_only(true),
            Self::Memory(_) => self.options().pragma("query_only", "on"),
        }
    }

    /// Refuses a file system without write-ahead log: SQLite falls back in silence, and readers would block the writer.
    pub(super) async fn check_journal(&self, connection: &mut SqliteConnection) -> Result<(), StoreError> {
        let Self::File(path) = self else { return Ok(()) };
        let journal: String =
            sqlx::query_scalar("PRAGMA journal_mode").fetch_one(connection).await.map_err(failed(OPERATION))?;
        if journal == "wal" {
            return Ok(());
        }
        let advice = format!(
            "the file system of `{}` cannot keep SQLite's write-ahead log (journal mode `{journal}`, expected `wal`); \
             use a local disk",
            path.display()
        );
        Err(StoreError::new(OPERATION, StoreErrorKind::Setup, advice))
    }

    fn options(&self) -> SqliteConnectOptions {
        let options =
            SqliteConnectOptions::new().foreign_keys(true).busy_timeout(BUSY_TIMEOUT).row_buffer_size(ROWS_UNTAKEN_MAX);
        match self {
            Self::File(path) => options.filename(path.clone()),
            // SQLite's own in-memory file system: connections share the database by name, with ordinary locks.
            Self::Memory(name) => options.filename(PathBuf::from(name)).vfs("memdb"),
        }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Memory(_) => f.write_str("the database in memory"),
        }
    }
}

async fn connect(options: SqliteConnectOptions) -> Result<SqliteConnection, StoreError> {
    options.connect().await.map_err(failed(OPERATION))
}

/// Says what to do about a database that cannot be opened: it is something else, or nothing can be written.
pub(super) fn explain(location: &Location, error: StoreError) -> StoreError {
    if is_no_database(&error) {
        let advice = format!(
            "`{location}` is no SQLite database, or an encrypted one, and is left as it is; name another file: the \
             server makes one that is not there yet"
        );
        return StoreError::new(OPERATION, error.kind, advice);
    }
    let advice = match error.kind {
        StoreErrorKind::Full => MAKE_ROOM,
        StoreErrorKind::ReadOnly => LET_WRITE,
        _ => return error,
    };
    StoreError::new(OPERATION, error.kind, format!("cannot write to `{location}`: {}; {advice}", error.source))
}

/// Refuses a SQLite that is known to lose data.
pub(super) async fn check_sqlite(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    let text: String =
        sqlx::query_scalar("SELECT sqlite_version()").fetch_one(connection).await.map_err(failed(OPERATION))?;
    if version_numbers(&text).is_some_and(|found| found >= SQLITE_VERSION_MIN) {
        return Ok(());
    }

    let (major, minor, patch) = SQLITE_VERSION_MIN;
    let advice = format!(
        "SQLite {text} can lose committed writes, expected at least {major}.{minor}.{patch}; \
         build the server with the SQLite that it bundles"
    );
    Err(StoreError::new(OPERATION, StoreErrorKind::Setup, advice))
}

fn version_numbers(text: &str) -> Option<(u32, u32, u32)> {
    let mut numbers = text.split('.').map(|part| part.parse::<u32>().ok());
    Some((numbers.next()??, numbers.next()??, numbers.next()??))
}

/// The right to use a database file: a lock on `<file>.lock` that ends with the process, however it ends.
///
/// The lock's file stays behind a server. One that was made for a start that failed is removed by that start, while it
/// has the lock; whoever has opened it meanwhile finds that it is gone, so that no two processes lock two files of one
/// name.
#[derive(Debug)]
pub(super) struct Ownership {
    database: PathBuf,
    lock: File,
    /// The lock's file, if it was made for this start.
    made: Option<PathBuf>,
}

impl Ownership {
    /// Takes the lock or says who has it.
    pub(super) fn take(path: &Path) -> Result<Self, StoreError> {
        let mut ownership = Self::lock(place(path)?)?;

        // SQLite would open what it cannot write to, and leave files there that stay so.
        for suffix in ["", "-wal", "-shm"] {
            must_be_writable(&beside(&ownership.database, suffix))?;
        }

        // Only for the message that a second process prints; the lock works without it.
        let lock = &mut ownership.lock;
        let _ = lock.set_len(0).and_then(|()| write!(lock, "{}", std::process::id()));
        Ok(ownership)
    }

    fn lock(database: PathBuf) -> Result<Self, StoreError> {
        let path = beside(&database, ".lock");
        for _ in 0..LOCK_ATTEMPTS {
            let Some((mut lock, is_new)) = open_lock(&path).map_err(|error| cannot(&path, &error))? else { continue };
            match lock.try_lock() {
                Ok(()) if is_at(&lock, &path) => {
                    return Ok(Self { database, lock, made: is_new.then_some(path) });
                }
                // Removed by a start that has failed.
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Err(owned(&database, &mut lock)),
                Err(TryLockError::Error(error)) => return Err(cannot(&path, &error)),
            }
        }
        let advice = format!("`{}` comes and goes: another server tries to start on this database", path.display());
        Err(StoreError::new(OPERATION, StoreErrorKind::Setup, advice))
    }

    /// The lock's file stays from now on.
    pub(super) fn keep(mut self) -> Self {
        self.made = None;
        self
    }

    /// The file that is owned, by its real name.
    pub(super) fn database(&self) -> &Path {
        &self.database
    }
}

impl Drop for Ownership {
    fn drop(&mut self) {
        if let Some(path) = self.made.take() {
            // It may stay: the next start takes it as it is.
            let _ = std::fs::remove_file(path);
        }
        // By itself it would end with the last copy of the file, and a process that is just being started has one.
        let _ = self.lock.unlock();
    }
}

/// The lock's file, and whether it was made here; `None` if it was there and has just been removed.
fn open_lock(path: &Path) -> std::io::Result<Option<(File, bool)>> {
    // Not truncated before the lock is ours: the text belongs to the owner.
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    match options.clone().create_new(true).open(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => match options.open(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            outcome => outcome.map(|lock| Some((lock, false))),
        },
        outcome => outcome.map(|lock| Some((lock, true))),
    }
}

/// Whether the file that is open is the one of this name.
fn is_at(open: &File, path: &Path) -> bool {
    matches!((identity_of(open), identity_at(path)), (Ok(open), Ok(named)) if open == named)
}

/// A file that belongs to the database.
pub(super) fn beside(database: &Path, suffix: &str) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Refuses a file that is there and cannot be written to. Not while this process has it open with SQLite, whose locks
/// end when the process closes the file.
fn must_be_writable(path: &Path) -> Result<(), StoreError> {
    match OpenOptions::new().write(true).open(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(cannot(path, &error)),
        _ => Ok(()),
    }
}

/// Where a database may lie that is named like this. Touches no file.
pub(super) fn place(path: &Path) -> Result<PathBuf, StoreError> {
    let place = real_path(path)?;
    if place.is_dir() {
        let advice = format!(
            "`{}` is a folder, and a file is wanted: name one in it, as `sqlite://{}`",
            path.display(),
            path.join("schema-registry.db").display()
        );
        return Err(StoreError::new(OPERATION, StoreErrorKind::Setup, advice));
    }
    Ok(place)
}

/// The absolute path behind symbolic links, so that two names of one file meet at one lock.
fn real_path(path: &Path) -> Result<PathBuf, StoreError> {
    let absolute = std::path::absolute(path).map_err(|error| cannot(path, &error))?;
    if let Ok(real) = absolute.canonicalize() {
        return Ok(real);
    }

    let (Some(folder), Some(name)) = (absolute.parent(), absolute.file_name()) else {
        return Err(StoreError::new(OPERATION, StoreErrorKind::Setup, format!("`{}` is not a file", path.display())));
    };
    let folder = match folder.canonicalize() {
        Err(error) if error.kind() == ErrorKind::NotFound => return Err(no_folder(folder)),
        outcome => outcome.map_err(|error| cannot(folder, &error))?,
    };
    if !folder.is_dir() {
        let advice = format!("`{}` is no folder, so that no file can lie in it; name another path", folder.display());
        return Err(StoreError::new(OPERATION, StoreErrorKind::Setup, advice));
    }
    Ok(folder.join(name))
}

fn no_folder(folder: &Path) -> StoreError {
    let folder = folder.display();
    let advice = format!("there is no folder `{folder}`: make it with `mkdir -p {folder}`, or name another path");
    StoreError::new(OPERATION, StoreErrorKind::Setup, advice)
}

fn cannot(path: &Path, error: &std::io::Error) -> StoreError {
    let path = path.display();
    let advice = match error.kind() {
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
            format!("cannot write to `{path}`: {error}; {LET_WRITE}")
        }
        ErrorKind::StorageFull => format!("cannot use `{path}`: {error}; {MAKE_ROOM}"),
        _ => format!("cannot use `{path}`: {error}"),
    };
    StoreError::new(OPERATION, StoreErrorKind::Setup, advice)
}

fn owned(database: &Path, lock: &mut File) -> StoreError {
    // A process id has at most 20 digits; the file may hold anything.
    let mut owner = String::new();
    let _ = Read::by_ref(lock).take(20).read_to_string(&mut owner);
    let owner = owner.parse::<u32>().map_or_else(|_| "another process".to_owned(), |id| format!("process {id}"));
    let advice = format!(
        "`{}` is in use by {owner}; stop it, or give this server a database of its own. \
         Several servers can share one PostgreSQL database, not one SQLite file",
        database.display()
    );
    StoreError::new(OPERATION, StoreErrorKind::Setup, advice)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_by_number() {
        assert!(version_numbers("3.51.3").unwrap() >= SQLITE_VERSION_MIN);
        assert!(version_numbers("3.100.0").unwrap() >= SQLITE_VERSION_MIN);
        assert!(version_numbers("3.51.2").unwrap() < SQLITE_VERSION_MIN);
        assert!(version_numbers("3.9.9").unwrap() < SQLITE_VERSION_MIN);
        assert_eq!(version_numbers("three"), None);
    }

    #[test]
    fn a_lock_ends_with_its_owner_whoever_has_a_copy_of_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("registry.db");
        let owner = Ownership::take(&path).unwrap().keep();
        let _copy = owner.lock.try_clone().unwrap();

        drop(owner);

        Ownership::take(&path).unwrap();
    }
}
