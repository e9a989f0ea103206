//! Which files are opened, and what is said about the others.

use std::error::Error;
use std::fs;
use std::path::Path;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, SqliteConnection};

use super::super::super::conformance::{pair, register, subject};
use super::super::super::{IN_MEMORY, StoreError, StoreErrorKind, open};
use super::super::connect::Ownership;
use super::*;

async fn refused(path: &Path) -> (StoreErrorKind, String) {
    let error = SqliteStore::open_file(path).await.unwrap_err();
    (error.kind, error.source.to_string())
}

async fn raw(path: &Path) -> SqliteConnection {
    SqliteConnectOptions::new().filename(path).connect().await.unwrap()
}

#[tokio::test]
async fn an_address_names_a_file_or_memory() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("with space %20.db");
    let address = format!("sqlite://{}", path.display());

    for address in [address.as_str(), IN_MEMORY] {
        let store = open(address).await.unwrap();
        assert_eq!(register(&store, &subject("s"), "one").await, pair(1, 1));
        store.close().await;
    }

    assert!(path.is_file());
    for wrong in ["", "registry.db", "sqlite://", "mysql://user:secret@host/db", "sqlite::other:"] {
        let error = open(wrong).await.unwrap_err();
        assert_eq!(error.kind, StoreErrorKind::Setup, "{wrong}");
        assert!(!error.source.to_string().contains("secret"), "a password was printed");
    }
}

#[tokio::test]
async fn an_address_without_a_path_is_told_with_two_that_have_one() {
    for address in ["sqlite://", "sqlite:///", "sqlite:////"] {
        let told = open(address).await.unwrap_err().source.to_string();

        assert!(told.starts_with(&format!("`{address}` names no file: ")), "{told}");
        let [inside, absolute] = ["sqlite://schema-registry.db", "sqlite:///var/lib/schema-registry.db"];
        assert!(told.contains(&format!("`{inside}` for one in the working folder, or `{absolute}`")), "{told}");
    }
}

#[tokio::test]
async fn sqlite_is_built_as_the_workspace_says() {
    let mut connection = SqliteConnectOptions::new().in_memory(true).connect().await.unwrap();

    let options: Vec<String> = sqlx::query_scalar("PRAGMA compile_options").fetch_all(&mut connection).await.unwrap();

    let has = |wanted: &str| options.iter().any(|option| option == wanted);
    assert!(has("DEFAULT_MEMSTATUS=0") && !has("ENABLE_MEMORY_MANAGEMENT"), "see `.cargo/config.toml`: {options:?}");
}

#[tokio::test]
async fn the_database_of_another_program_is_refused_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("other.db");
    let options = SqliteConnectOptions::new().filename(&path).create_if_missing(true);
    let mut other = options.connect().await.unwrap();
    sqlx::raw_sql("CREATE TABLE accounts (id INTEGER)").execute(&mut other).await.unwrap();
    other.close().await.unwrap();
    let before = fs::read(&path).unwrap();

    let (kind, text) = refused(&path).await;

    assert_eq!(kind, StoreErrorKind::Setup);
    assert!(text.contains("another program") && text.contains("`accounts`"), "{text}");
    assert_eq!(fs::read(&path).unwrap(), before);
    let names: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["other.db"]);
}

#[tokio::test]
async fn a_second_owner_is_refused_until_the_first_is_closed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("registry.db");
    let first = SqliteStore::open_file(&path).await.unwrap();

    let (kind, text) = refused(&path).await;

    assert_eq!(kind, StoreErrorKind::Setup);
    assert!(text.contains("registry.db") && text.contains(&format!("process {}", std::process::id())), "{text}");
    assert!(folder.path().join("registry.db.lock").is_file(), "the lock of a living server was removed");
    first.close().await;
    SqliteStore::open_file(&path).await.unwrap().close().await;
}

#[test]
fn a_lock_that_a_failed_start_removes_is_not_taken_by_its_old_file() {
    let folder = tempfile::tempdir().unwrap();
    let (path, lock) = (folder.path().join("registry.db"), folder.path().join("registry.db.lock"));
    let failing = Ownership::take(&path).unwrap();
    let opened_meanwhile = fs::File::open(&lock).unwrap();

    drop(failing);

    assert!(!lock.exists());
    opened_meanwhile.try_lock().unwrap();
    // That old file is locked, and the one of this name is another.
    let kept = Ownership::take(&path).unwrap().keep();
    drop(kept);
    assert!(lock.is_file());
    drop(Ownership::take(&path).unwrap());
    assert!(lock.is_file(), "it was there before");
}

#[cfg(unix)]
#[tokio::test]
async fn another_name_of_an_owned_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (path, link) = (folder.path().join("registry.db"), folder.path().join("link.db"));
    let first = SqliteStore::open_file(&path).await.unwrap();
    std::os::unix::fs::symlink(&path, &link).unwrap();

    assert_eq!(refused(&link).await.0, StoreErrorKind::Setup);
    first.close().await;
}

#[tokio::test]
async fn a_newer_database_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("registry.db");
    SqliteStore::open_file(&path).await.unwrap().close().await;
    let mut connection = raw(&path).await;
    sqlx::query(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
         VALUES (9999, 'later', TRUE, x'00', 0)",
    )
    .execute(&mut connection)
    .await
    .unwrap();
    connection.close().await.unwrap();
    let before = fs::read(&path).unwrap();

    let (kind, text) = refused(&path).await;

    assert_eq!(kind, StoreErrorKind::Setup);
    assert!(text.contains("newer server") && text.contains("9999") && text.contains("registry.db"), "{text}");
    assert!(fs::read(&path).unwrap() == before, "the file has changed");
}

#[tokio::test]
async fn a_migration_with_another_text_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("registry.db");
    SqliteStore::open_file(&path).await.unwrap().close().await;
    let mut connection = raw(&path).await;
    sqlx::query("UPDATE _sqlx_migrations SET checksum = x'00' WHERE version = 1")
        .execute(&mut connection)
        .await
        .unwrap();
    connection.close().await.unwrap();

    let (kind, text) = refused(&path).await;

    assert_eq!(kind, StoreErrorKind::Setup);
    assert!(text.contains("migration 1"), "{text}");
}

#[tokio::test]
async fn a_file_of_something_else_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notes.txt");
    let text = "not a database\n".repeat(1_000);
    fs::write(&path, &text).unwrap();

    let (kind, told) = refused(&path).await;

    assert_eq!(kind, StoreErrorKind::Corrupt);
    assert!(told.contains("notes.txt` is no SQLite database") && told.contains("name another file"), "{told}");
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
    let left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["notes.txt"], "something was left behind");
}

#[tokio::test]
async fn a_folder_that_is_not_there_is_named() {
    let folder = tempfile::tempdir().unwrap();

    let (kind, text) = refused(&folder.path().join("missing/registry.db")).await;

    assert_eq!(kind, StoreErrorKind::Setup);
    let missing = folder.path().join("missing");
    assert!(text.contains(&format!("mkdir -p {}", missing.display())), "{text}");
}

#[tokio::test]
async fn a_folder_in_place_of_a_file_and_a_file_in_place_of_a_folder_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let (inner, file) = (folder.path().join("inner"), folder.path().join("file"));
    fs::create_dir(&inner).unwrap();
    fs::write(&file, "").unwrap();

    let (kind, text) = refused(&inner).await;
    assert_eq!(kind, StoreErrorKind::Setup);
    assert!(text.contains(&format!("sqlite://{}/schema-registry.db", inner.display())), "{text}");
    let (_, text) = refused(&inner.join("")).await;
    assert!(text.contains(&format!("sqlite://{}/schema-registry.db", inner.display())), "{text}");
    let (kind, text) = refused(&file.join("registry.db")).await;
    assert_eq!(kind, StoreErrorKind::Setup);
    assert!(text.contains("file` is no folder"), "{text}");

    let mut left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["file", "inner"], "something was left behind");
}

#[tokio::test]
async fn an_error_keeps_its_cause() {
    let error: StoreError = SqliteStore::open_file(Path::new("/")).await.unwrap_err();

    assert!(error.source().is_some());
    assert_eq!(error.to_string(), "open the database failed");
}
