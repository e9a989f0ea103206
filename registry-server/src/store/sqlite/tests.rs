//! The suite of all backends, and what only SQLite has: files, ownership, the writer's groups.

use std::sync::Arc;

use async_trait::async_trait;
use tempfile::TempDir;

use super::super::Store;
use super::super::conformance::{Place, conformance, conformance_reopened};
use super::SqliteStore;

mod at_once;
mod crash;
mod groups;
mod opening;
mod plans;
mod scale;
mod upgrade;

struct OnDisk(TempDir);

#[async_trait]
impl Place for OnDisk {
    async fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    async fn open(&self) -> Arc<dyn Store> {
        Arc::new(SqliteStore::open_file(&self.0.path().join("registry.db")).await.unwrap())
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
}

mod in_memory {
    use super::*;

    conformance!(InMemory);
}
