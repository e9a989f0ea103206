//! The PostgreSQL backend: the suite of all backends, on a database of its own for each case.

use std::sync::Arc;

use async_trait::async_trait;
use end_to_end_tests::services::postgres::Postgres;
use registry_server::store::conformance::{Place, conformance, conformance_reopened};
use registry_server::store::{PostgresStore, Store};

struct Database(String);

#[async_trait]
impl Place for Database {
    async fn new() -> Self {
        Self(Postgres::shared().unwrap().create_database().unwrap())
    }

    async fn open(&self) -> Arc<dyn Store> {
        Arc::new(PostgresStore::open(&self.0).await.unwrap())
    }
}

conformance!(Database);

mod reopened {
    use super::*;

    conformance_reopened!(Database);
}
