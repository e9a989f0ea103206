//! schemathesis against a `registry-server` on PostgreSQL, as `foreign_clients::openapi_requests` does it on SQLite.

use end_to_end_tests::services::postgres::Postgres;

use crate::foreign_clients::openapi_requests::judge;

use super::nodes::start;

#[test]
fn every_answer_is_as_the_document_says() {
    judge(start(&Postgres::shared().unwrap().create_database().unwrap()));
}
