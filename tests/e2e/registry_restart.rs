//! What a registry keeps: data survives a restart, ids go on, one process owns a file.

use std::path::Path;

use end_to_end_tests::{Registry, start_registry};
use registry_server::config::Database;
use registry_server::server::StartError;
use registry_server::{Server, ServerConfig};
use schema_core::Level;
use serde_json::Value;

use crate::raw_http::Connection;

fn start(folder: &Path, change: impl FnOnce(&mut ServerConfig)) -> (tokio::runtime::Runtime, Server) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut config = ServerConfig::ephemeral();
    config.database = Database::Url(format!("sqlite://{}", folder.join("registry.db").display()));
    change(&mut config);
    let server = runtime.block_on(Server::start(config)).unwrap();
    (runtime, server)
}

fn register(connection: &mut Connection, subject: &str, schema: &str) -> Value {
    let body = serde_json::json!({ "schema": schema }).to_string();
    let headers = [("Content-Type", "application/json")];
    connection.send("POST", &format!("/subjects/{subject}/versions"), &headers, Some(body.as_bytes())).json()
}

#[test]
fn data_survives_a_restart_and_ids_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let (runtime, server) = start(folder.path(), |_| {});
    let mut connection = Connection::open(server.address);
    let first = register(&mut connection, "s", "\"int\"");
    register(&mut connection, "t", "\"long\"");
    let by_id = connection.send("GET", "/schemas/ids/2", &[], None).text();
    drop(connection);
    runtime.block_on(server.stop());

    let (runtime, server) = start(folder.path(), |_| {});
    let mut connection = Connection::open(server.address);

    assert_eq!(connection.send("GET", "/schemas/ids/2", &[], None).text(), by_id);
    assert_eq!(register(&mut connection, "s", "\"int\""), first);
    assert_eq!(register(&mut connection, "u", "\"string\"")["id"], 3);
    drop(connection);
    runtime.block_on(server.stop());
}

#[test]
fn the_level_of_the_settings_counts_at_the_first_start_alone() {
    for first in [Level::Full, Level::Backward] {
        let folder = tempfile::tempdir().unwrap();
        for level in [first, Level::None] {
            let (runtime, server) = start(folder.path(), |config| config.compatibility = level);
            let answer = Connection::open(server.address).send("GET", "/config", &[], None).json();
            assert_eq!(answer["compatibilityLevel"], first.as_str(), "started with {level:?}");
            runtime.block_on(server.stop());
        }
    }
}

#[test]
fn a_second_server_on_one_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (runtime, server) = start(folder.path(), |_| {});
    let mut config = ServerConfig::ephemeral();
    config.database = Database::Url(format!("sqlite://{}", folder.path().join("registry.db").display()));

    let second = runtime.block_on(Server::start(config));

    assert!(matches!(second, Err(StartError::Store { .. })), "{second:?}");
    runtime.block_on(server.stop());
}

#[test]
fn the_binary_keeps_its_data_in_the_working_folder_and_drains_on_sigterm() {
    let registry = Registry::start(&[]).unwrap();
    let address = registry.url().trim_start_matches("http://").parse().unwrap();
    let mut connection = Connection::open(address);

    assert_eq!(register(&mut connection, "s", "\"int\"")["id"], 1);
    assert!(registry.folder().join("schema-registry.db").exists());
    drop(connection);
    registry.stop().unwrap();
}

#[test]
fn the_ephemeral_binary_leaves_no_file() {
    let registry = start_registry().unwrap();

    assert!(!registry.folder().join("schema-registry.db").exists());
    registry.stop().unwrap();
}

#[test]
fn an_address_for_others_needs_a_word() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut config = ServerConfig::ephemeral();
    config.listen = "0.0.0.0:0".parse().unwrap();

    let refused = runtime.block_on(Server::start(config.clone())).unwrap_err();
    config.insecure_public = true;
    let server = runtime.block_on(Server::start(config)).unwrap();

    assert!(matches!(refused, StartError::Config(ref error) if error.to_string().contains("--insecure-public")));
    runtime.block_on(server.stop());
}
