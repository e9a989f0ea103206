//! `/v1/metadata`: what this server is, for clients and tools.

use actix_web::web::Bytes;
use futures_util::future::LocalBoxFuture;
use schema_core::wire::{ServerId, ServerScope, ServerVersion};

use super::{Answer, Call, json};

/// Names of clusters by their kind. Schemas are not kept in Kafka here, so there is no name of a Kafka cluster to tell.
const CLUSTERS: [(&str, &str); 2] = [("kafka-cluster", ""), ("schema-registry-cluster", "schema-registry")];

/// `GET /v1/metadata/id`: the cluster, as those name it who give out permissions.
pub(crate) fn id<'a>(_call: &'a Call<'a>) -> LocalBoxFuture<'a, Answer> {
    Box::pin(async {
        let clusters = CLUSTERS.map(|(kind, name)| (kind.to_owned(), name.to_owned())).into();
        json(&ServerId { scope: ServerScope { path: Vec::new(), clusters } })
    })
}

/// `GET /v1/metadata/version`: the version of this program.
pub(crate) fn version<'a>(_call: &'a Call<'a>) -> LocalBoxFuture<'a, Answer> {
    Box::pin(async { json(&ServerVersion { version: env!("CARGO_PKG_VERSION").to_owned(), commit_id: String::new() }) })
}

/// `GET /v1/metadata/deployment`: attributes that no deployment of this server has.
pub(crate) fn deployment<'a>(_call: &'a Call<'a>) -> LocalBoxFuture<'a, Answer> {
    Box::pin(async { Ok(Bytes::from_static(br#"{"attributes":[]}"#)) })
}
