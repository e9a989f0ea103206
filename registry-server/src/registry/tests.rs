//! The rules over a store that does odd things ([`OddStore`]).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use futures_util::future::join_all;
use schema_core::wire::ConfigUpdate;
use schema_core::{Level, SchemaId, SchemaType, Version};
use tokio::sync::oneshot;

use crate::store::{self, ConfigRecord, DeleteMode, Mode, Put, Removed, Scope, Store, StoreErrorKind};

use super::{
    Deleted, Found, Registry, RegistryConfig, RegistryError, SchemaInput, ScopeName, Selector, Subject, Terms,
};

mod budget;
mod by_id;
mod comparisons;
mod content;
mod last_seen;
mod lists;
mod memory;
mod moment;
mod odd_store;
mod parsed_versions;
mod references;
mod rules;
mod tags;

use odd_store::OddStore;

async fn registry() -> (Registry, Arc<OddStore>) {
    let store = OddStore::over(store::open(store::IN_MEMORY).await.unwrap());
    (registry_over(&store), store)
}

/// Rules that remember nothing yet.
fn registry_over(store: &Arc<OddStore>) -> Registry {
    let limits = schema_core::format::Limits::default();
    let config = RegistryConfig {
        limits,
        references: 4,
        reference_depth: 2,
        versions_compared: 3,
        comparison_steps: 1_000_000,
        mode_mutability: true,
        cache_bytes: 1 << 20,
    };
    Registry::new(Arc::clone(store) as Arc<dyn Store>, config)
}

fn subject(name: &str) -> Subject {
    Subject::parse_to_write(name).unwrap()
}

fn input(text: &str) -> SchemaInput {
    SchemaInput {
        schema_type: SchemaType::Avro,
        text: Some(text.to_owned()),
        references: Vec::new(),
        metadata: None,
        rule_set: None,
        normalize: false,
    }
}

/// A record whose optional fields are the letters of `fields`.
fn record(fields: &str) -> SchemaInput {
    let fields = fields.chars().map(|name| format!(r#"{{"name":"{name}","type":"int","default":0}}"#));
    input(&format!(r#"{{"type":"record","name":"R","fields":[{}]}}"#, fields.collect::<Vec<_>>().join(",")))
}

async fn register(registry: &Registry, name: &str, schema: &SchemaInput) -> Result<(u32, u32), RegistryError> {
    let registered = registry.register(&subject(name), schema, &Terms::default(), 7).await?;
    Ok((registered.id.0, registered.version.0))
}

#[tokio::test]
async fn what_was_read_before_is_served_while_the_store_is_down() {
    let (registry, store) = registry().await;
    register(&registry, "s", &record("a")).await.unwrap();
    register(&registry, "s", &record("ab")).await.unwrap();
    registry.schema_by_id(1, None).await.unwrap().unwrap();

    store.is_down.store(true, Ordering::SeqCst);

    assert!(registry.schema_by_id(1, None).await.unwrap().is_some());
    assert!(matches!(registry.schema_by_id(2, None).await, Err(RegistryError::Unavailable(_))));
    assert!(matches!(register(&registry, "s", &record("abc")).await, Err(RegistryError::Unavailable(_))));
    assert!(matches!(registry.ping().await, Err(RegistryError::Unavailable(_))));

    store.is_down.store(false, Ordering::SeqCst);
    assert_eq!(register(&registry, "s", &record("abc")).await.unwrap(), (3, 3));
    assert!(registry.schema_by_id(2, None).await.unwrap().is_some());
}

#[tokio::test]
async fn a_register_decides_again_when_something_moved_and_gives_up_in_the_end() {
    let (registry, store) = registry().await;

    store.moves.store(7, Ordering::SeqCst);
    assert_eq!(register(&registry, "s", &record("a")).await.unwrap(), (1, 1));
    assert_eq!(store.inserts.load(Ordering::SeqCst), 8);

    store.moves.store(8, Ordering::SeqCst);
    assert!(matches!(register(&registry, "s", &record("ab")).await, Err(RegistryError::Crowded { .. })));
    assert_eq!(registry.versions(&subject("s"), Deleted::Hide).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_fleet_that_starts_at_once_writes_once() {
    let (registry, store) = registry().await;
    let schema = record("a");

    let answers = join_all((0..50).map(|_| register(&registry, "s", &schema))).await;

    assert!(answers.into_iter().all(|answer| answer.unwrap() == (1, 1)));
    assert_eq!(store.inserts.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn many_who_miss_an_id_at_once_cause_one_read() {
    let (registry, store) = registry().await;
    register(&registry, "s", &record("a")).await.unwrap();

    let answers = join_all((0..50).map(|_| registry.schema_by_id(1, None))).await;

    assert!(answers.into_iter().all(|answer| answer.unwrap().is_some()));
    assert_eq!(store.schema_reads.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn racing_registers_of_one_subject_are_each_compared_with_what_came_before() {
    let (registry, _store) = registry().await;
    let schemas: Vec<_> = [r#""int""#, r#""string""#, r#""boolean""#].map(input).into();

    let answers = join_all(schemas.iter().map(|schema| register(&registry, "s", schema))).await;

    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1, "they cannot read each other: {answers:?}");
    let refused = answers.iter().filter(|answer| matches!(answer, Err(RegistryError::Incompatible { .. })));
    assert_eq!(refused.count(), 2);
}

#[tokio::test]
async fn a_use_that_comes_later_is_seen_at_once() {
    let (registry, _store) = registry().await;
    register(&registry, "s", &record("a")).await.unwrap();
    for name in ["r", "q", "p"] {
        registry.schema_by_id(1, None).await.unwrap();
        register(&registry, name, &record("a")).await.unwrap();

        let found = registry.schema_by_id(1, None).await.unwrap().unwrap();
        assert_eq!(found.subject.name(), name);
    }
}

#[tokio::test]
async fn settings_are_changed_by_many_at_once_while_schemas_come() {
    let (registry, _store) = registry().await;
    let scopes = ["s", ":.:", ":.__GLOBAL:"].map(ScopeName::parse);
    let level = |name: &str| ConfigUpdate {
        compatibility: schema_core::wire::Change::Set(name.to_owned()),
        ..ConfigUpdate::default()
    };
    let schemas: Vec<_> = (0..20).map(|at| input(&format!(r#"{{"type":"fixed","name":"F","size":{at}}}"#))).collect();
    for scope in &scopes {
        registry.change_config(scope, level("NONE")).await.unwrap();
    }

    let change = |scope| {
        join_all((0..200).map(move |_| (scope, "none")).map(|(scope, name)| {
            let update = level(name);
            let registry = &registry;
            async move { registry.change_config(scope, update).await }
        }))
    };
    let registers = join_all(schemas.iter().map(|schema| register(&registry, "s", schema)));
    // All take turns with those who write the same subject.
    let (changed, registered) = tokio::join!(change(&scopes[0]), registers);
    let (of_context, of_all) = (change(&scopes[1]).await, change(&scopes[2]).await);

    assert!(changed.iter().chain(&of_context).chain(&of_all).all(Result::is_ok), "{changed:?}");
    assert!(registered.iter().all(Result::is_ok), "{registered:?}");
}

#[tokio::test]
async fn a_check_whose_comparisons_take_too_many_steps_together_is_refused() {
    let (registry, store) = registry().await;
    let level = schema_core::wire::Change::Set("BACKWARD_TRANSITIVE".to_owned());
    let change = ConfigUpdate { compatibility: level, ..ConfigUpdate::default() };
    registry.change_config(&ScopeName::parse("s"), change).await.unwrap();
    register(&registry, "s", &record("a")).await.unwrap();
    register(&registry, "s", &record("ab")).await.unwrap();
    let with = |comparison_steps| {
        let config = RegistryConfig { comparison_steps, ..registry.config.clone() };
        Registry::new(Arc::clone(&store) as Arc<dyn Store>, config)
    };
    let checked = async |steps| {
        let against = None;
        with(steps).check_compatibility(&subject("s"), against, &record("abc")).await
    };
    let mut least = 1;
    while checked(least).await.is_err() {
        least += 1;
    }

    let refused = checked(least - 1).await.unwrap_err();

    let RegistryError::TooCostly { reason, .. } = refused else { panic!("{refused:?}") };
    assert!(reason.contains("limits.comparison_steps") && reason.contains("version 1 of `s` came last"), "{reason}");
    assert!(matches!(checked(1).await, Err(RegistryError::TooCostly { reason, .. }) if reason.contains("version 2")));
    // What is known already needs no comparison.
    assert_eq!(register(&with(1), "s", &record("a")).await.unwrap(), (1, 1));
    // A register looks through the versions before it checks.
    assert!(matches!(register(&with(least), "s", &record("abc")).await, Err(RegistryError::TooCostly { .. })));
    assert_eq!(register(&with(2 * least), "s", &record("abc")).await.unwrap(), (3, 3));
}

/// Records in each other, each with the one inside in two fields: what is wrong in the innermost doubles in each, so
/// that two such schemas take more than 500,000 steps to be compared.
fn doubling(end: &str) -> SchemaInput {
    let text = (0..16).fold(format!("\"{end}\""), |inner, level| {
        let again = if level == 0 { inner.clone() } else { format!("\"R{}\"", level - 1) };
        let fields = format!(r#"{{"name":"a","type":{inner}}},{{"name":"b","type":{again}}}"#);
        format!(r#"{{"type":"record","name":"R{level}","fields":[{fields}]}}"#)
    });
    input(&text)
}

#[tokio::test]
async fn one_comparison_alone_that_takes_too_many_steps_is_refused_and_no_breach() {
    let (registry, store) = registry().await;
    register(&registry, "s", &doubling("int")).await.unwrap();
    let checked = async |comparison_steps| {
        let config = RegistryConfig { comparison_steps, ..registry.config.clone() };
        let registry = Registry::new(Arc::clone(&store) as Arc<dyn Store>, config);
        registry.check_compatibility(&subject("s"), None, &doubling("string")).await
    };

    // The first is told on the worker, the second on a thread of its own.
    for steps in [10_000, 100_000] {
        let refused = checked(steps).await;
        let Err(RegistryError::TooCostly { reason, .. }) = refused else { panic!("{steps}: {refused:?}") };
        let told = format!("more than {steps} steps (setting `limits.comparison_steps`), version 1 of `s` came last");
        assert!(reason.ends_with(&told), "{reason}");
    }
    let messages = checked(1_000_000).await.unwrap();
    assert!(messages[0].contains("TYPE_MISMATCH"), "{}", messages[0]);
}

#[tokio::test]
async fn a_transitive_check_refuses_more_versions_than_it_may_compare() {
    let (registry, _store) = registry().await;
    let level = schema_core::wire::Change::Set("FULL_TRANSITIVE".to_owned());
    let change = ConfigUpdate { compatibility: level, ..ConfigUpdate::default() };
    registry.change_config(&ScopeName::parse("s"), change).await.unwrap();
    for fields in ["a", "ab", "abc"] {
        register(&registry, "s", &record(fields)).await.unwrap();
    }

    register(&registry, "s", &record("abcd")).await.unwrap();
    let refused = register(&registry, "s", &record("abcde")).await.unwrap_err();

    let RegistryError::TooCostly { reason, .. } = refused else { panic!("{refused:?}") };
    assert!(reason.contains("limits.versions_compared") && reason.contains('3'), "{reason}");
    // What is known already needs no comparison.
    assert_eq!(register(&registry, "s", &record("a")).await.unwrap(), (1, 1));
}

#[tokio::test]
async fn a_large_schema_is_read_and_compared_like_a_small_one() {
    let (registry, _store) = registry().await;
    let symbols = |count: usize| (0..count).map(|at| format!("\"SYMBOL_{at}\"")).collect::<Vec<_>>().join(",");
    let large = |count| input(&format!(r#"{{"type":"enum","name":"E","symbols":[{}]}}"#, symbols(count)));

    assert_eq!(register(&registry, "s", &large(8000)).await.unwrap(), (1, 1));
    assert_eq!(register(&registry, "s", &large(8001)).await.unwrap(), (2, 2));
    let refused = registry.check_compatibility(&subject("s"), Some(Selector::Latest), &large(8000)).await.unwrap();

    assert!(refused[0].contains("MISSING_ENUM_SYMBOLS"), "{}", refused[0]);
}

#[tokio::test]
async fn an_answer_about_a_version_is_made_once_while_its_subject_stays_as_it_is() {
    let (registry, _store) = registry().await;
    let made = AtomicUsize::new(0);
    let ask = async |selector| {
        let make = |found: &Found| {
            made.fetch_add(1, Ordering::SeqCst);
            Ok::<_, RegistryError>(Bytes::from(format!("{} {}", found.entry.version, found.entry.deleted)))
        };
        registry.version_answer(&subject("s"), selector, Deleted::Include, make).await.unwrap()
    };
    register(&registry, "s", &record("a")).await.unwrap();
    let first = Selector::Number(Version(1));

    assert_eq!([ask(first).await, ask(first).await, ask(Selector::Latest).await], ["1 false"; 3]);
    assert_eq!(made.load(Ordering::SeqCst), 1);

    register(&registry, "s", &record("ab")).await.unwrap();
    assert_eq!(ask(Selector::Latest).await, "2 false");
    registry.delete_version(&subject("s"), first, DeleteMode::Soft).await.unwrap();
    assert_eq!(ask(first).await, "1 true");
}

#[tokio::test]
async fn a_subject_that_came_between_two_questions_is_gone_once_it_is_deleted() {
    let (registry, store) = registry().await;
    let before = store.inner.revision(&subject("s").key).await.unwrap();
    register(&registry, "s", &record("a")).await.unwrap();
    registry.versions(&subject("s"), Deleted::Hide).await.unwrap();

    store.tell_late(&subject("s"), before);
    let not_yet = registry.versions(&subject("s"), Deleted::Hide).await;
    assert!(matches!(not_yet, Err(RegistryError::SubjectNotFound { .. })), "{not_yet:?}");
    assert_eq!(registry.versions(&subject("s"), Deleted::Hide).await.unwrap().len(), 1);
    registry.delete_subject(&subject("s"), DeleteMode::Soft).await.unwrap();
    registry.delete_subject(&subject("s"), DeleteMode::Permanent).await.unwrap();

    assert_eq!(store.inner.revision(&subject("s").key).await.unwrap(), before);
    let gone = registry.versions(&subject("s"), Deleted::Include).await;
    assert!(matches!(gone, Err(RegistryError::SubjectNotFound { .. })), "{gone:?}");
    assert_eq!(register(&registry, "s", &record("b")).await.unwrap(), (2, 1));
}

async fn set_global_level(store: &OddStore, level: Level) {
    let revision = store.inner.scope_snapshot(&Scope::Global).await.unwrap().revision;
    let config = ConfigRecord { compatibility: Some(level), ..ConfigRecord::default() };
    assert_eq!(store.put_config(&Scope::Global, Some(config), revision).await.unwrap(), Put::Done);
}

#[tokio::test]
async fn subjects_that_are_not_there_are_read_once_for_all_until_settings_change() {
    let (registry, store) = registry().await;
    let level = async |name: &str| registry.subject_itself(&subject(name)).await.unwrap().level();
    let reads = || store.snapshot_reads.load(Ordering::SeqCst);

    assert_eq!([level("a").await, level("b").await], [Level::Backward; 2]);
    register(&registry, "c", &record("a")).await.unwrap();
    assert_eq!(reads(), 1);

    set_global_level(&store, Level::None).await;
    assert_eq!([level("a").await, level("b").await], [Level::None; 2]);
    assert_eq!(reads(), 2);
}

#[tokio::test]
async fn a_subject_that_is_not_there_is_not_taken_for_one_of_earlier_settings() {
    let (registry, store) = registry().await;
    let before = store.inner.revision(&subject("a").key).await.unwrap();
    set_global_level(&store, Level::None).await;

    store.tell_late(&subject("a"), before);
    let found = registry.subject_itself(&subject("a")).await.unwrap();

    assert_eq!(found.level(), Level::None);
    assert_eq!(found.snapshot.revision, store.inner.revision(&subject("a").key).await.unwrap());
}
