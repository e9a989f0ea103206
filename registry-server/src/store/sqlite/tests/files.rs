//! Files that are removed or replaced while they are open.

use std::fs;
use std::path::{Path, PathBuf};

use schema_core::SchemaId;

use super::super::super::conformance::{new_version, pair, register, subject, versions};
use super::super::super::{Revision, StoreError, StoreErrorKind};
use super::*;

/// A store with one version, and the paths of its file and its log.
async fn open(folder: &TempDir) -> (Arc<dyn Store>, [PathBuf; 2]) {
    let path = folder.path().join("registry.db");
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open_file(&path).await.unwrap());
    assert_eq!(register(&store, &subject("first"), "text 1").await, pair(1, 1));
    let log = folder.path().join("registry.db-wal");
    (store, [path, log])
}

fn aside(path: &Path) -> PathBuf {
    path.with_extension("aside")
}

async fn write(store: &Arc<dyn Store>, name: &str) -> Result<(), StoreError> {
    let text = format!("text of {name}");
    store.insert_version(new_version(&subject(name), &text, Revision::default())).await.map(drop)
}

fn assert_told(refused: StoreError, what: &str, path: &Path) {
    assert_eq!(refused.kind, StoreErrorKind::Replaced, "{}", refused.source);
    assert!(refused.is_retriable());
    let told = refused.source.to_string();
    assert!(told.contains(what) && told.contains(&path.display().to_string()), "{told}");
    assert!(told.contains("put the file back") && told.contains("stop the server"), "{told}");
}

/// Every write and every question is refused, the first of each and those behind it; what is there is read.
async fn assert_refuses(store: &Arc<dyn Store>, what: &str, path: &Path) {
    for n in 0..3 {
        assert_told(store.ping().await.unwrap_err(), what, path);
        assert_told(write(store, &format!("refused-{n}")).await.unwrap_err(), what, path);
        assert_eq!(&*store.schema(".", SchemaId(1)).await.unwrap().unwrap().text, "text 1");
        assert_eq!(versions(store, &subject("first")).await, [(1, 1, false)]);
    }
}

async fn assert_goes_on(store: &Arc<dyn Store>) {
    store.ping().await.unwrap();
    write(store, "last").await.unwrap();
    assert_eq!(versions(store, &subject("last")).await.len(), 1);
    assert_eq!(versions(store, &subject("first")).await, [(1, 1, false)]);
    store.close().await;
}

#[tokio::test]
async fn nothing_is_acknowledged_into_a_file_that_was_removed_until_it_is_back() {
    for file in 0..2 {
        let folder = tempfile::tempdir().unwrap();
        let (store, files) = open(&folder).await;
        let path = &files[file];

        fs::rename(path, aside(path)).unwrap();

        assert_refuses(&store, "was removed", path).await;
        assert!(!path.exists(), "it was made anew");
        fs::rename(aside(path), path).unwrap();
        assert_goes_on(&store).await;
    }
}

#[tokio::test]
async fn nothing_is_acknowledged_beside_a_file_that_was_put_in_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let (store, [path, _]) = open(&folder).await;
    let other = folder.path().join("other.db");
    SqliteStore::open_file(&other).await.unwrap().close().await;
    let before = fs::read(&other).unwrap();

    fs::rename(&path, aside(&path)).unwrap();
    fs::rename(&other, &path).unwrap();

    assert_refuses(&store, "was replaced", &path).await;
    assert!(fs::read(&path).unwrap() == before, "the other file has changed");
    fs::rename(aside(&path), &path).unwrap();
    assert_goes_on(&store).await;
}

#[tokio::test]
async fn a_file_that_was_put_in_place_is_served_by_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    let (store, [path, log]) = open(&folder).await;
    let other = folder.path().join("other.db");
    let of_other: Arc<dyn Store> = Arc::new(SqliteStore::open_file(&other).await.unwrap());
    assert_eq!(register(&of_other, &subject("other"), "another text").await, pair(1, 1));
    of_other.close().await;

    fs::rename(&other, &path).unwrap();
    assert_told(write(&store, "lost").await.unwrap_err(), "was replaced", &path);
    store.close().await;
    // As the guide says: it belongs to the file that is gone.
    let _ = fs::remove_file(log);

    let store: Arc<dyn Store> = Arc::new(SqliteStore::open_file(&path).await.unwrap());
    assert_eq!(versions(&store, &subject("other")).await, [(1, 1, false)]);
    assert_eq!(versions(&store, &subject("lost")).await, []);
    assert_eq!(register(&store, &subject("next"), "next").await, pair(2, 1));
    store.close().await;
}
