//! The suite of all backends, and what only SQLite has: files, ownership, the writer's groups.

use std::sync::Arc;

use async_trait::async_trait;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Row, SqliteConnection};
use tempfile::TempDir;

use super::super::conformance::upgrades::{self, Dialect, Earlier, upgraded};
use super::super::conformance::{Place, conformance, conformance_reopened};
use super::super::{Store, migrations};
use super::SqliteStore;

mod alone;
mod at_once;
mod crash;
mod files;
mod groups;
mod opening;
mod plans;
mod scale;

struct OnDisk(TempDir);

impl OnDisk {
    /// As other programs do.
    async fn connect(&self) -> SqliteConnection {
        let options = SqliteConnectOptions::new().filename(self.0.path().join("registry.db")).create_if_missing(true);
        options.journal_mode(SqliteJournalMode::Wal).connect().await.unwrap()
    }
}

#[async_trait]
impl Place for OnDisk {
    async fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    async fn open(&self) -> Arc<dyn Store> {
        Arc::new(SqliteStore::open_file(&self.0.path().join("registry.db")).await.unwrap())
    }
}

#[async_trait]
impl Earlier for OnDisk {
    const DIALECT: Dialect = upgrades::SQLITE;

    async fn make_at(&self, last: usize, statements: &str) {
        let mut connection = self.connect().await;
        migrations::run(&migrations::SQLITE.up_to(last), &mut connection, "an earlier database").await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(statements)).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    }

    async fn ask(&self, question: &str) -> Vec<String> {
        let mut connection = self.connect().await;
        sqlx::query_scalar(AssertSqlSafe(question)).fetch_all(&mut connection).await.unwrap()
    }
}

struct InMemory;

#[async_trait]
impl Place for InMemory {
    async fn new() -> Self {
        Self
    }

    async fn open(&self) -> Arc<dyn Store> {
        Arc::new(SqliteStore::open_in_memory().await.unwrap())
    }
}

mod on_disk {
    use super::*;

    conformance!(OnDisk);

    mod reopened {
        use super::*;

        conformance_reopened!(OnDisk);
    }

    mod upgraded {
        use super::*;

        upgraded!(OnDisk);
    }
}

mod in_memory {
    use super::*;

    conformance!(InMemory);
}

/// The steps that SQLite takes for a statement.
async fn plan(connection: &mut SqliteConnection, statement: &str) -> Vec<String> {
    let explained = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {statement}"));
    let steps = sqlx::query(explained).fetch_all(connection).await.unwrap();
    steps.iter().map(|row| row.get("detail")).collect()
}
