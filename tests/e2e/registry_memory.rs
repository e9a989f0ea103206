//! What a server holds in memory once it has read more than its caches may hold.

use std::path::Path;

use end_to_end_tests::Registry;
use serde_json::json;

use crate::raw_http::{Connection, JSON};

/// Schemas, each with a text of its own of about so many bytes.
const SCHEMAS: usize = 1_000;
const TEXT_BYTES: usize = 50_000;

/// What the caches may hold: a fiftieth of the texts, and more than all of them with their answers.
const SMALL_CACHE: usize = 1 << 20;
const LARGE_CACHE: usize = 256 << 20;

/// What a server may take beside its caches and what it held when it had started: buffers of connections and of
/// SQLite, and what the allocator keeps.
const BESIDE: u64 = 24 << 20;

/// A server on the database in a folder, with caches of so many bytes.
fn start(folder: &Path, cache_bytes: usize) -> Registry {
    let database = format!("sqlite://{}", folder.join("registry.db").display());
    let own_folder = tempfile::tempdir().unwrap();
    let variables = [("SCHEMA_REGISTRY_CACHE_BYTES", cache_bytes.to_string())];
    let variables = variables.each_ref().map(|(name, value)| (*name, value.as_str()));
    Registry::start_in(own_folder, &["--database", &database], &variables).unwrap()
}

fn connect(registry: &Registry) -> Connection {
    Connection::open(registry.url().trim_start_matches("http://").parse().unwrap())
}

/// A figure of the server's process, in bytes.
fn memory(registry: &mut Registry, field: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", registry.process().id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

/// How much more a server holds at most, when every schema is read once, than when it has started.
fn growth(folder: &Path, cache_bytes: usize) -> u64 {
    let mut registry = start(folder, cache_bytes);
    let at_start = memory(&mut registry, "VmRSS:");
    let mut connection = connect(&registry);
    for id in 1..=SCHEMAS {
        assert_eq!(connection.send("GET", &format!("/schemas/ids/{id}"), &[], None).status, 200);
    }
    let growth = memory(&mut registry, "VmHWM:").saturating_sub(at_start);
    registry.stop().unwrap();
    println!("with caches of {cache_bytes} bytes: {growth} bytes more than the {at_start} at the start");
    growth
}

#[test]
fn a_server_holds_what_its_caches_may_and_a_constant() {
    let folder = tempfile::tempdir().unwrap();
    let registry = start(folder.path(), SMALL_CACHE);
    let mut connection = connect(&registry);
    for number in 0..SCHEMAS {
        let text = json!({ "type": "fixed", "name": "F", "size": number, "doc": "x".repeat(TEXT_BYTES) });
        let body = json!({ "schema": text.to_string() }).to_string();
        let path = format!("/subjects/s-{number}/versions");
        let registered = connection.send("POST", &path, &[JSON], Some(body.as_bytes()));
        assert_eq!(registered.status, 200, "{}", registered.text());
    }
    registry.stop().unwrap();

    let small = growth(folder.path(), SMALL_CACHE);
    let large = growth(folder.path(), LARGE_CACHE);

    assert!(small <= SMALL_CACHE as u64 + BESIDE, "{small} bytes");
    assert!(large >= (SCHEMAS * TEXT_BYTES) as u64, "caches that may hold all hold {large} bytes: nothing was shown");
}
