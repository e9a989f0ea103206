//! The file of a registry, as other programs see it: checked, copied, and its log moved into it.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Result, ensure};
use end_to_end_tests::ledger::CONTRADICTIONS;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection};
use tempfile::TempDir;

/// The file, and its log.
const NAMES: [&str; 2] = ["schema-registry.db", "schema-registry.db-wal"];

/// The database in a folder.
pub(super) fn database(folder: &Path) -> PathBuf {
    folder.join(NAMES[0])
}

/// Copies file and log as they lie there. Nobody may write meanwhile.
pub(super) fn copy(folder: &Path) -> Result<TempDir> {
    let target = tempfile::tempdir()?;
    for name in NAMES {
        match std::fs::copy(folder.join(name), target.path().join(name)) {
            // A log that was moved into the file to its end, and not begun anew, may be gone.
            Err(error) if error.kind() == ErrorKind::NotFound && name == NAMES[1] => {}
            copied => _ = copied?,
        }
    }
    Ok(target)
}

/// Makes a backup by SQLite's own means while the registry writes.
pub(super) async fn back_up(folder: &Path) -> Result<TempDir> {
    let target = tempfile::tempdir()?;
    let mut tool = open(folder).await?;
    let file = database(target.path());
    sqlx::query("VACUUM INTO $1").bind(file.to_string_lossy()).execute(&mut tool).await?;
    tool.close().await?;
    Ok(target)
}

/// Checks what a registry that was killed has left: pages, keys between tables, and what the tables tell of each other.
/// A copy of it, so that the registry itself has to recover the original.
pub(super) async fn check(folder: &Path) -> Result<()> {
    let copy = copy(folder)?;
    let mut tool = open(copy.path()).await?;
    let verdict: Vec<String> = sqlx::query_scalar("PRAGMA integrity_check").fetch_all(&mut tool).await?;
    ensure!(verdict == ["ok"], "the file is damaged: {verdict:?}");
    let dangling = sqlx::query("PRAGMA foreign_key_check").fetch_all(&mut tool).await?;
    ensure!(dangling.is_empty(), "{} rows refer to what is not there", dangling.len());
    let contradictions: Vec<String> = sqlx::query_scalar(CONTRADICTIONS).fetch_all(&mut tool).await?;
    ensure!(contradictions.is_empty(), "the tables contradict each other: {contradictions:?}");
    tool.close().await?;
    Ok(())
}

/// What is done with the log once it has been moved into the file.
#[derive(Debug, Clone, Copy)]
pub(super) enum Then {
    /// The next write begins it anew (`RESTART`).
    Restart,
    /// It is emptied (`TRUNCATE`).
    Truncate,
}

/// Moves the log into the file, to its end, again and again until it is told to stop; how often that was done.
pub(super) async fn checkpoint(folder: PathBuf, then: Then, stop: Arc<AtomicBool>) -> Result<u32> {
    let statement = match then {
        Then::Restart => "PRAGMA wal_checkpoint(RESTART)",
        Then::Truncate => "PRAGMA wal_checkpoint(TRUNCATE)",
    };
    let mut tool = open(&folder).await?;
    let mut count = 0;
    while !stop.load(Ordering::Relaxed) {
        // Somebody's transaction may outlast the wait for it: then the log was moved in part.
        let is_busy: bool = sqlx::query_scalar(statement).fetch_one(&mut tool).await?;
        count += u32::from(!is_busy);
    }
    tool.close().await?;
    Ok(count)
}

async fn open(folder: &Path) -> Result<SqliteConnection> {
    Ok(SqliteConnectOptions::new().filename(database(folder)).connect().await?)
}
