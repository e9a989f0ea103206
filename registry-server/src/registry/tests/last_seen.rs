//! A register that begins with what was last seen: what it asks, and what it answers when another node was faster.

use schema_core::wire::Change;
use serde_json::json;

use super::content::referring;
use super::*;
use crate::registry::{Depth, Force, Registered};

/// What a register of a record asks of the store: revisions, inserts.
async fn asked(registry: &Registry, store: &OddStore, name: &str, fields: &str) -> (usize, usize) {
    let so_far = || (store.revisions.load(Ordering::SeqCst), store.inserts.load(Ordering::SeqCst));
    let before = so_far();
    Box::pin(register_at(registry, name, fields)).await.unwrap();
    let after = so_far();
    (after.0 - before.0, after.1 - before.1)
}

/// Two nodes.
async fn nodes() -> (Registry, Registry, Arc<OddStore>) {
    let (one, store) = registry().await;
    (one, registry_over(&store), store)
}

async fn register_at(registry: &Registry, name: &str, fields: &str) -> Result<Registered, RegistryError> {
    registry.register(&subject(name), &record(fields), &Terms::default(), 7).await
}

async fn set_level(registry: &Registry, name: &str, level: &str) {
    let update = ConfigUpdate { compatibility: Change::Set(level.to_owned()), ..ConfigUpdate::default() };
    registry.change_config(&ScopeName::parse(name), update).await.unwrap();
}

async fn set_mode(registry: &Registry, name: &str, mode: Option<Mode>) {
    let scope = ScopeName::parse(name);
    match mode {
        Some(_) => registry.put_mode(&scope, mode, Force::No).await.unwrap(),
        None => registry.delete_mode(&scope, Depth::Own).await.map(drop).unwrap(),
    }
}

#[tokio::test]
async fn a_new_schema_costs_no_question_and_a_known_one_costs_one() {
    let (registry, store) = registry().await;

    let first = asked(&registry, &store, "first", "a").await;
    let second = asked(&registry, &store, "second", "a").await;
    let in_another_context = asked(&registry, &store, ":.c:second", "a").await;
    let further = asked(&registry, &store, "first", "ab").await;
    let known = asked(&registry, &store, "first", "ab").await;

    assert_eq!([first, second, in_another_context, further, known], [(1, 1), (0, 1), (1, 1), (0, 1), (1, 0)]);
}

#[tokio::test]
async fn a_version_is_compared_with_one_that_was_just_registered_without_reading_it() {
    let (registry, store) = registry().await;

    for fields in ["a", "ab", "abc"] {
        register_at(&registry, "s", fields).await.unwrap();
    }
    let refused = registry.register(&subject("s"), &input(r#""int""#), &Terms::default(), 7).await;

    assert!(matches!(refused, Err(RegistryError::Incompatible { .. })), "{refused:?}");
    assert_eq!(store.content_reads.load(Ordering::SeqCst), 0);
}

/// Avro prints an alias without a namespace as one in the namespace of its type.
#[tokio::test]
async fn a_version_is_compared_with_what_is_stored_by_who_has_registered_it_too() {
    let (one, other, _store) = nodes().await;
    let sent = r#"{"type": "record", "name": "R", "namespace": "n", "aliases": [".Old"], "fields": []}"#;
    let old = input(r#"{"type":"record","name":"Old","fields":[]}"#);
    for level in ["FORWARD", "FORWARD_TRANSITIVE"] {
        set_level(&one, level, level).await;
        register(&one, level, &input(sent)).await.unwrap();

        let latest = Some(Selector::Latest);
        let by_one = one.check_compatibility(&subject(level), latest, &old).await.unwrap();
        let by_other = other.check_compatibility(&subject(level), latest, &old).await.unwrap();

        assert_eq!(by_one, by_other, "{level}");
    }
}

#[tokio::test]
async fn a_subject_that_is_not_new_is_taken_for_new_once() {
    let (one, other, store) = nodes().await;
    for name in ["a", "b", "c"] {
        register(&one, name, &record("a")).await.unwrap();
    }
    register(&other, "new", &record("a")).await.unwrap();

    let taken_for_new = asked(&other, &store, "a", "a").await;
    let known = asked(&other, &store, "b", "a").await;

    assert_eq!([taken_for_new, known], [(1, 1), (1, 0)]);
    assert_eq!(register(&other, "c", &record("ab")).await.unwrap(), (2, 2));
}

#[tokio::test]
async fn what_another_node_has_registered_is_found() {
    let (one, other, _store) = nodes().await;
    register(&one, "s", &record("a")).await.unwrap();
    register(&other, "s", &record("ab")).await.unwrap();

    let known = register_at(&one, "s", "ab").await.unwrap();
    let next = register_at(&one, "s", "abc").await.unwrap();

    assert_eq!((known.version, known.is_new), (Version(2), false));
    assert_eq!((next.version, next.is_new), (Version(3), true));
}

#[tokio::test]
async fn a_subject_that_moves_on_before_it_is_read_is_read_once() {
    let (one, other, store) = nodes().await;
    register(&one, "s", &record("a")).await.unwrap();
    let before = store.inner.revision(&subject("s").key).await.unwrap();
    register(&one, "s", &record("ab")).await.unwrap();
    let read = store.snapshot_reads.load(Ordering::SeqCst);

    store.tell_late(&subject("s"), before);
    let versions = other.versions(&subject("s"), Deleted::Hide).await.unwrap();

    assert_eq!(versions.len(), 2);
    assert_eq!(store.snapshot_reads.load(Ordering::SeqCst) - read, 1);
}

#[tokio::test]
async fn a_level_that_another_node_has_set_is_in_force() {
    let (one, other, _store) = nodes().await;
    register(&one, "s", &record("a")).await.unwrap();
    let number = input(r#""int""#);
    assert!(matches!(register(&one, "s", &number).await, Err(RegistryError::Incompatible { .. })));

    set_level(&other, "s", "NONE").await;
    assert_eq!(register(&one, "s", &number).await.unwrap().1, 2);

    set_level(&other, "s", "BACKWARD").await;
    assert!(matches!(register(&one, "s", &record("a")).await, Ok((1, 1))));
    assert!(matches!(register(&one, "s", &record("b")).await, Err(RegistryError::Incompatible { .. })));
}

#[tokio::test]
async fn a_mode_that_another_node_has_set_refuses_what_is_new_alone() {
    let (one, other, _store) = nodes().await;
    register(&one, "s", &record("a")).await.unwrap();
    register(&other, "s", &record("ab")).await.unwrap();

    for (scope, refused) in [("s", &["s"][..]), (":.:", &["s", "new"]), (":.__GLOBAL:", &["s", "new"])] {
        set_mode(&other, scope, Some(Mode::ReadOnly)).await;
        assert!(!register_at(&one, "s", "ab").await.unwrap().is_new, "{scope}");
        for name in refused {
            let answer = register_at(&one, name, "abc").await;
            assert!(matches!(answer, Err(RegistryError::ReadOnlyMode { .. })), "{scope} {name}");
        }
        set_mode(&other, scope, None).await;
    }

    assert_eq!(register(&one, "s", &record("abc")).await.unwrap().1, 3);
}

#[tokio::test]
async fn what_another_node_has_deleted_is_gone() {
    let (one, other, _store) = nodes().await;
    register(&one, "s", &record("a")).await.unwrap();
    for mode in [DeleteMode::Soft, DeleteMode::Permanent] {
        other.delete_subject(&subject("s"), mode).await.unwrap();
    }

    let again = register_at(&one, "s", "a").await.unwrap();

    assert_eq!((again.id.0, again.version, again.is_new), (2, Version(1), true));
}

#[tokio::test]
async fn an_alias_that_another_node_has_set_leads_to_its_target() {
    let (one, other, _store) = nodes().await;
    register(&one, "s", &record("a")).await.unwrap();
    let update = ConfigUpdate { alias: Change::Set("target".to_owned()), ..ConfigUpdate::default() };
    other.change_config(&ScopeName::parse("s"), update).await.unwrap();

    register(&one, "s", &record("ab")).await.unwrap();

    let versions = async |name| one.versions(&subject(name), Deleted::Hide).await.unwrap().len();
    assert_eq!(versions("target").await, 1);
}

#[tokio::test]
async fn what_is_there_is_told_where_no_write_is_taken() {
    for kind in [StoreErrorKind::ReadOnly, StoreErrorKind::Full, StoreErrorKind::Locked] {
        let (one, other, store) = nodes().await;
        register(&one, "kept", &record("a")).await.unwrap();
        register(&other, "new", &record("a")).await.unwrap();
        *store.insert_failure.lock().unwrap() = Some(kind);

        let refused = register_at(&other, "fresh", "a").await.unwrap_err();
        assert!(matches!(refused, RegistryError::Unavailable(cause) if cause.kind == kind));
        assert!(!register_at(&other, "kept", "a").await.unwrap().is_new, "{kind:?}");
    }
}

#[tokio::test]
async fn a_store_that_is_away_is_asked_once() {
    let (registry, store) = registry().await;
    for (name, schema) in [("base", referring("Base", json!([]))), ("s", record("a"))] {
        register(&registry, name, &schema).await.unwrap();
    }
    store.is_down.store(true, Ordering::SeqCst);

    for schema in [referring("R", json!([{"name": "Base", "subject": "base", "version": 1}])), record("a")] {
        let asked = store.revisions.load(Ordering::SeqCst);
        assert!(matches!(register(&registry, "s", &schema).await, Err(RegistryError::Unavailable(_))));
        assert_eq!(store.revisions.load(Ordering::SeqCst) - asked, 1);
    }
}

#[tokio::test]
async fn what_another_node_has_written_is_told_to_a_crowd_at_once() {
    let (one, other, store) = nodes().await;
    register(&one, "s", &record("a")).await.unwrap();
    register(&other, "s", &record("ab")).await.unwrap();
    let schema = record("ab");

    let answers = join_all((0..50).map(|_| register(&one, "s", &schema))).await;

    assert!(answers.into_iter().all(|answer| answer.unwrap() == (2, 2)));
    assert!(store.at_once_max.load(Ordering::SeqCst) >= 49, "they have waited for each other");
}
