//! A file, a folder or a file system under a registry on SQLite that takes no writes.

use end_to_end_tests::Registry;
use end_to_end_tests::disk::Disk;
use end_to_end_tests::registry::ON_DISK;
use serde_json::json;

use crate::postgres::nodes::{Node, record};

/// More than a new database and its log take.
const DISK_BYTES: u64 = 8 << 20;

const READABLE: u32 = 0o444;
const WRITABLE: u32 = 0o644;

/// How a registry is started: by this process's user, or by one who has no rights of root's.
type Start = fn(&Disk, &[&str]) -> anyhow::Result<Registry>;

/// Starts a registry that must refuse to, and is to name the file and the repair.
fn is_refused(start: Start, disk: &Disk, file: &str) {
    let refused = format!("{:#}", start(disk, &[]).unwrap_err());
    for part in ["exit status: 1", &disk.path().join(file).display().to_string(), "let its user do so"] {
        assert!(refused.contains(part), "`{part}` is not in: {refused}");
    }
}

#[test]
fn a_start_on_what_cannot_be_written_to_says_what_to_do() {
    says_what_to_do(Registry::start_on);
}

#[test]
fn a_start_without_rights_on_what_cannot_be_written_to_says_what_to_do() {
    says_what_to_do(Registry::start_on_without_rights);
}

fn says_what_to_do(start: Start) {
    let disk = Disk::mount(DISK_BYTES).unwrap();
    let lock = format!("{ON_DISK}.lock");
    disk.set_mode("", 0o555).unwrap();
    is_refused(start, &disk, &lock);
    disk.set_mode("", 0o777).unwrap();
    start(&disk, &[]).unwrap().stop().unwrap();

    disk.set_mode(ON_DISK, READABLE).unwrap();
    is_refused(start, &disk, ON_DISK);
    disk.set_mode(ON_DISK, WRITABLE).unwrap();
    disk.set_mode("", 0o555).unwrap();
    is_refused(start, &disk, ON_DISK);
    disk.set_mode("", 0o777).unwrap();
    disk.set_mode(&lock, READABLE).unwrap();
    is_refused(start, &disk, &lock);
    disk.set_mode(&lock, WRITABLE).unwrap();
    disk.set_read_only(true).unwrap();
    is_refused(start, &disk, &lock);

    // What was refused has left nothing behind that would stand in the way.
    disk.set_read_only(false).unwrap();
    start(&disk, &[]).unwrap().stop().unwrap();
}

#[test]
fn a_file_that_becomes_read_only_costs_writes_but_no_restart() {
    let disk = Disk::mount(DISK_BYTES).unwrap();
    let registry = Registry::start_on(&disk, &[]).unwrap();
    let node = Node::new(registry.url());

    tokio::runtime::Runtime::new().unwrap().block_on(async {
        assert_eq!(node.register("kept", &record("Kept", &[])).await.id(), 1);
        let new = json!({ "schema": record("New", &[]).to_string() });
        for (method, path, body) in [("GET", "/health/ready", None), ("POST", "/subjects/new/versions", Some(new))] {
            // An open file can be written to whatever its rights. It is opened anew after a write that failed.
            disk.fill().unwrap();
            assert_eq!(node.register("full", &record("Full", &[])).await.status, 503);
            disk.set_mode(ON_DISK, READABLE).unwrap();
            disk.make_room().unwrap();

            // Once: then SQLite finds the old file, still open in its hands.
            node.call(method, path, body).await.unwrap().assert_storage_is("read-only");
            assert_eq!(node.get("/subjects").await.body, json!(["kept"]));
            assert!(node.get("/schemas/ids/1").await.is_ok());
            assert!(node.get("/health/live").await.is_ok());

            disk.set_mode(ON_DISK, WRITABLE).unwrap();
            assert!(node.get("/health/ready").await.is_ok());
        }
        assert_eq!(node.register("new", &record("New", &[])).await.id(), 2);
        assert_eq!(node.get("/subjects").await.body, json!(["kept", "new"]));
    });
    registry.stop().unwrap();
}
