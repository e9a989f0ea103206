//! An operator restores a backup onto the file of a server that runs: nothing is acknowledged that would be lost.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;

use end_to_end_tests::Registry;

use crate::raw_http::{Answer, Connection, JSON};

fn start(folder: &tempfile::TempDir) -> (Registry, SocketAddr, PathBuf) {
    let path = folder.path().join("registry.db");
    let registry = Registry::start(&["--database", &format!("sqlite://{}", path.display())]).unwrap();
    let address = registry.url().trim_start_matches("http://").parse().unwrap();
    (registry, address, path)
}

fn register(address: SocketAddr, subject: &str) -> Answer {
    let schema = br#"{"schema":"\"int\""}"#;
    Connection::open(address).send("POST", &format!("/subjects/{subject}/versions"), &[JSON], Some(schema))
}

fn get(address: SocketAddr, path: &str) -> Answer {
    Connection::open(address).send("GET", path, &[], None)
}

fn assert_refused(answer: &Answer) {
    const TOLD: &str = "Service unavailable: the storage is no longer the file that was opened: put that back, or \
                        restart the server";
    assert_eq!((answer.status, answer.json()["message"].as_str().unwrap()), (503, TOLD));
    assert!(answer.header("retry-after").is_some());
}

#[test]
fn a_backup_put_onto_a_running_server_costs_writes_until_the_file_is_back_or_the_server_restarted() {
    let folder = tempfile::tempdir().unwrap();
    // With no log: this server has ended.
    let (registry, address, path) = start(&folder);
    assert_eq!(register(address, "in-backup").status, 200);
    registry.stop().unwrap();
    let (backup, aside) = (folder.path().join("backup.db"), folder.path().join("aside.db"));
    fs::copy(&path, &backup).unwrap();
    let (registry, address, _) = start(&folder);
    assert_eq!(register(address, "later").status, 200);
    assert_eq!(get(address, "/health/ready").status, 200);

    fs::rename(&path, &aside).unwrap();
    fs::rename(&backup, &path).unwrap();

    // A commit that was proof a moment ago is none any more.
    assert_refused(&get(address, "/health/ready"));
    for subject in ["a", "b"] {
        assert_refused(&register(address, subject));
        // Also where the one that was refused can be read until the end.
        get(address, &format!("/subjects/{subject}/versions"));
        assert_refused(&register(address, subject));
    }
    assert_eq!(get(address, "/subjects/later/versions").text(), "[1]");
    assert_eq!(get(address, "/health/live").status, 200);
    let log = registry.log_with("registry.db` was replaced while it was open").unwrap();
    assert!(log.contains("stop the server"), "{log}");

    fs::rename(&path, &backup).unwrap();
    fs::rename(&aside, &path).unwrap();
    assert_eq!(get(address, "/health/ready").status, 200);
    assert_eq!(register(address, "back").status, 200);
    registry.stop().unwrap();

    let (registry, address, _) = start(&folder);
    assert_eq!(get(address, "/subjects/back/versions").text(), "[1]");
    fs::rename(&backup, &path).unwrap();
    assert_refused(&register(address, "lost"));
    registry.stop().unwrap();
    let _ = fs::remove_file(folder.path().join("registry.db-wal"));
    let (registry, address, _) = start(&folder);
    assert_eq!(get(address, "/subjects").text(), r#"["in-backup"]"#);
    assert_eq!(register(address, "new").status, 200);
    registry.stop().unwrap();
}
