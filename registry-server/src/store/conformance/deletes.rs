//! Marking and removing versions.

use schema_core::Level;

use super::super::{ConfigRecord, DeleteMode, Deleted, Removed, Scope};
use super::*;

pub(super) async fn delete_version(
    store: &Arc<dyn Store>,
    key: &SubjectKey,
    version: u32,
    mode: DeleteMode,
) -> Removed {
    let revision = store.revision(key).await.unwrap();
    store.delete_version(key, Version(version), mode, revision).await.unwrap()
}

pub(super) async fn delete_subject(store: &Arc<dyn Store>, key: &SubjectKey, mode: DeleteMode) -> Removed {
    let revision = store.revision(key).await.unwrap();
    store.delete_subject(key, mode, revision).await.unwrap()
}

pub(super) fn done(versions: &[u32]) -> Removed {
    Removed::Done(versions.iter().copied().map(Version).collect())
}

async fn listed(store: &Arc<dyn Store>, deleted: Deleted) -> Vec<String> {
    subjects(store, ".", "", deleted).await.iter().map(|name| name.to_string()).collect()
}

pub async fn a_soft_deleted_version_keeps_its_number(store: &Arc<dyn Store>) {
    let key = subject("s");
    register(store, &key, "one").await;
    register(store, &key, "two").await;

    assert_eq!(delete_version(store, &key, 2, DeleteMode::Soft).await, done(&[2]));

    assert_eq!(versions(store, &key).await, [(1, 1, false), (2, 2, true)]);
    assert_eq!(&*store.schema(".", SchemaId(2)).await.unwrap().unwrap().text, "two");
    assert_eq!(register(store, &key, "three").await, pair(3, 3));
    assert_eq!(register(store, &key, "two").await, pair(2, 4));
}

pub async fn soft_deleted_subjects_are_listed_on_request(store: &Arc<dyn Store>) {
    for name in ["live", "mixed", "gone"] {
        register(store, &subject(name), "one").await;
        register(store, &subject(name), "two").await;
    }
    delete_version(store, &subject("mixed"), 2, DeleteMode::Soft).await;

    assert_eq!(delete_subject(store, &subject("gone"), DeleteMode::Soft).await, done(&[1, 2]));

    assert_eq!(listed(store, Deleted::Hide).await, ["live", "mixed"]);
    assert_eq!(listed(store, Deleted::Include).await, ["gone", "live", "mixed"]);
    assert_eq!(listed(store, Deleted::Only).await, ["gone"]);
    assert_eq!(register(store, &subject("gone"), "one").await, pair(1, 3));
    assert_eq!(listed(store, Deleted::Only).await, Vec::<String>::new());
}

pub async fn a_permanent_delete_wants_a_soft_one_first(store: &Arc<dyn Store>) {
    let key = subject("s");
    register(store, &key, "one").await;
    register(store, &key, "two").await;

    assert_eq!(delete_version(store, &key, 1, DeleteMode::Permanent).await, done(&[]));
    assert_eq!(delete_subject(store, &key, DeleteMode::Permanent).await, done(&[]));
    assert_eq!(delete_version(store, &key, 1, DeleteMode::Soft).await, done(&[1]));
    assert_eq!(delete_version(store, &key, 1, DeleteMode::Permanent).await, done(&[1]));

    assert_eq!(versions(store, &key).await, [(2, 2, false)]);
    assert_eq!(store.schema(".", SchemaId(1)).await.unwrap(), None);
}

pub async fn a_permanent_delete_frees_numbers_but_no_ids(store: &Arc<dyn Store>) {
    let key = subject("s");
    register(store, &key, "one").await;
    register(store, &key, "two").await;
    assert_eq!(delete_subject(store, &key, DeleteMode::Soft).await, done(&[1, 2]));

    assert_eq!(delete_subject(store, &key, DeleteMode::Permanent).await, done(&[1, 2]));

    assert_eq!(listed(store, Deleted::Include).await, Vec::<String>::new());
    assert_eq!(store.schema(".", SchemaId(2)).await.unwrap(), None);
    assert_eq!(store.schema_uses(".", SchemaId(2)).await.unwrap(), []);
    assert_eq!(register(store, &key, "two").await, pair(3, 1));
}

pub async fn a_content_in_use_elsewhere_stays(store: &Arc<dyn Store>) {
    register(store, &subject("a"), "one").await;
    register(store, &subject("b"), "one").await;
    delete_subject(store, &subject("b"), DeleteMode::Soft).await;
    delete_subject(store, &subject("a"), DeleteMode::Soft).await;

    delete_subject(store, &subject("a"), DeleteMode::Permanent).await;

    assert_eq!(&*store.schema(".", SchemaId(1)).await.unwrap().unwrap().text, "one");
    assert_eq!(register(store, &subject("c"), "one").await, pair(1, 1));
}

pub async fn a_subject_that_is_gone_takes_its_config_along(store: &Arc<dyn Store>) {
    let key = subject("s");
    let scope = Scope::Subject(key.clone());
    let config = ConfigRecord { compatibility: Some(Level::Full), ..ConfigRecord::default() };
    register(store, &key, "one").await;
    put_config(store, &scope, config.clone()).await;

    delete_subject(store, &key, DeleteMode::Soft).await;
    assert_eq!(config_of(store, &scope).await, Some(config));
    delete_subject(store, &key, DeleteMode::Permanent).await;

    assert_eq!(config_of(store, &scope).await, None);
}

pub async fn a_delete_without_effect_moves_nothing(store: &Arc<dyn Store>) {
    let key = subject("s");
    register(store, &key, "one").await;
    delete_version(store, &key, 1, DeleteMode::Soft).await;
    let before = store.revision(&key).await.unwrap();

    assert_eq!(delete_version(store, &key, 1, DeleteMode::Soft).await, done(&[]));
    assert_eq!(delete_version(store, &key, 2, DeleteMode::Soft).await, done(&[]));
    assert_eq!(delete_version(store, &key, 2, DeleteMode::Permanent).await, done(&[]));
    assert_eq!(delete_subject(store, &key, DeleteMode::Soft).await, done(&[]));
    assert_eq!(delete_subject(store, &subject("unknown"), DeleteMode::Permanent).await, done(&[]));

    assert_eq!(store.revision(&key).await.unwrap(), before);
}

pub async fn a_stale_delete_is_refused(store: &Arc<dyn Store>) {
    let key = subject("s");
    register(store, &key, "one").await;
    let stale = store.revision(&key).await.unwrap();
    register(store, &key, "two").await;

    for mode in [DeleteMode::Soft, DeleteMode::Permanent] {
        assert_eq!(store.delete_subject(&key, mode, stale).await.unwrap(), Removed::Moved);
        assert_eq!(store.delete_version(&key, Version(1), mode, stale).await.unwrap(), Removed::Moved);
    }

    assert_eq!(versions(store, &key).await, [(1, 1, false), (2, 2, false)]);
}

/// A decision made before a subject was removed and made again must not hold.
pub async fn a_revision_does_not_come_back_after_a_delete(store: &Arc<dyn Store>) {
    let key = subject("s");
    let mut seen = Vec::new();

    for round in 0..4 {
        register(store, &key, &format!("text {round}")).await;
        seen.push(store.revision(&key).await.unwrap());
        delete_subject(store, &key, DeleteMode::Soft).await;
        seen.push(store.revision(&key).await.unwrap());
        delete_subject(store, &key, DeleteMode::Permanent).await;
    }

    let mut distinct = seen.clone();
    distinct.sort_by_key(|revision| revision.subject);
    distinct.dedup();
    assert_eq!(distinct.len(), seen.len());
}

/// One version after the other is not the subject as a whole.
pub async fn the_last_version_that_is_removed_leaves_the_config(store: &Arc<dyn Store>) {
    let key = subject("s");
    let scope = Scope::Subject(key.clone());
    let config = ConfigRecord { compatibility: Some(Level::Full), ..ConfigRecord::default() };
    register(store, &key, "one").await;
    put_config(store, &scope, config.clone()).await;

    delete_version(store, &key, 1, DeleteMode::Soft).await;
    assert_eq!(delete_version(store, &key, 1, DeleteMode::Permanent).await, done(&[1]));

    assert_eq!(config_of(store, &scope).await, Some(config));
    assert_eq!(listed(store, Deleted::Include).await, Vec::<String>::new());
    assert_eq!(register(store, &key, "one").await, pair(2, 1));
}

pub async fn a_content_that_returns_takes_its_older_places(store: &Arc<dyn Store>) {
    let key = subject("s");
    register(store, &key, "one").await;
    register(store, &key, "two").await;
    delete_subject(store, &key, DeleteMode::Soft).await;

    assert_eq!(register(store, &key, "one").await, pair(1, 3));

    assert_eq!(versions(store, &key).await, [(2, 2, true), (3, 1, false)]);
    assert_eq!(listed(store, Deleted::Hide).await, ["s"]);
    assert_eq!(delete_subject(store, &key, DeleteMode::Soft).await, done(&[3]));
    assert_eq!(listed(store, Deleted::Only).await, ["s"]);
    assert_eq!(delete_subject(store, &key, DeleteMode::Permanent).await, done(&[2, 3]));
}
