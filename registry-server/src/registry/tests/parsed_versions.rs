//! What a transitive check reads of the versions before it.

use super::super::Force;
use super::super::parsed_versions::EarlierVersions;
use super::by_id::{purge, writing_and_deaf};
use super::content::{put_config, register_on, schema};
use super::*;
use crate::metrics::CacheName;

/// Rules over the same store that remember nothing yet, with so many bytes for it.
fn cold(store: &Arc<OddStore>, registry: &Registry, cache_bytes: u64) -> Registry {
    let config = RegistryConfig { versions_compared: 100, cache_bytes, ..registry.config.clone() };
    Registry::new(Arc::clone(store) as Arc<dyn Store>, config)
}

/// A record with so many optional fields.
fn fields(count: usize) -> SchemaInput {
    record(&"abcdefghijklmnopqrstuvwxyz"[..count])
}

async fn set_level(store: &OddStore, level: Level) {
    put_config(store, "s", ConfigRecord { compatibility: Some(level), ..ConfigRecord::default() }).await;
}

/// A transitive subject with a number as its first version, and then so many records.
async fn transitive(records: usize) -> (Registry, Arc<OddStore>) {
    let (registry, store) = registry().await;
    let registry = cold(&store, &registry, registry.config.cache_bytes);
    set_level(&store, Level::None).await;
    register(&registry, "s", &input(r#""int""#)).await.unwrap();
    register(&registry, "s", &fields(1)).await.unwrap();
    registry.delete_version(&subject("s"), Selector::Number(Version(1)), DeleteMode::Soft).await.unwrap();
    set_level(&store, Level::BackwardTransitive).await;
    for count in 2..=records {
        register(&registry, "s", &fields(count)).await.unwrap();
    }
    (registry, store)
}

async fn check(registry: &Registry, schema: &SchemaInput) -> Vec<String> {
    registry.check_compatibility(&subject("s"), None, schema).await.unwrap()
}

#[tokio::test]
async fn a_version_that_was_read_once_is_looked_up_no_more() {
    let (registry, _store) = transitive(10).await;
    let lookups = || [CacheName::Contents, CacheName::Texts].map(|cache| registry.metrics.lookups(cache));
    let looked_up = async || {
        let before = lookups();
        assert!(check(&registry, &fields(5)).await.is_empty());
        lookups().iter().sum::<u64>() - before.iter().sum::<u64>()
    };

    // What is left is the schema that is sent, and the latest. The registers have compared with all of them.
    assert!(looked_up().await <= 2);
    register(&registry, "s", &fields(11)).await.unwrap();
    assert!(looked_up().await <= 2);
    registry.delete_version(&subject("s"), Selector::Number(Version(4)), DeleteMode::Soft).await.unwrap();
    assert!(looked_up().await > 10, "another state of the subject");
    assert!(looked_up().await <= 2);
}

#[tokio::test]
async fn a_first_check_reads_many_versions_by_few_queries_and_the_next_none() {
    let (registry, store) = transitive(24).await;
    let registry = cold(&store, &registry, registry.config.cache_bytes);
    let reads = async || {
        let before = store.content_reads.load(Ordering::SeqCst);
        assert!(check(&registry, &fields(25)).await.is_empty());
        store.content_reads.load(Ordering::SeqCst) - before
    };

    // The latest, sixteen with it, and those before.
    assert_eq!(reads().await, 3);
    assert_eq!(reads().await, 0);
}

#[tokio::test]
async fn each_version_is_compared_as_itself_whether_it_was_read_before_or_not() {
    for cache_bytes in [0, 1 << 20] {
        let (registry, store) = transitive(6).await;
        let registry = cold(&store, &registry, cache_bytes);
        let (good, bad) = (fields(3), input(r#"{"type":"record","name":"R","fields":[{"name":"y","type":"int"}]}"#));
        for _ in 0..2 {
            assert!(check(&registry, &good).await.is_empty(), "{cache_bytes}");
            let messages = check(&registry, &bad).await;
            assert!(messages.iter().any(|own| own.contains("oldSchemaVersion: 7")), "{cache_bytes}: {messages:?}");
        }

        // One between two others that nothing else fits.
        set_level(&store, Level::None).await;
        register(&registry, "s", &input(r#""string""#)).await.unwrap();
        register(&registry, "s", &fields(7)).await.unwrap();
        set_level(&store, Level::BackwardTransitive).await;
        for _ in 0..2 {
            let messages = check(&registry, &good).await;
            assert!(messages.iter().any(|own| own.contains("oldSchemaVersion: 8")), "{cache_bytes}: {messages:?}");
        }
        registry.delete_version(&subject("s"), Selector::Number(Version(8)), DeleteMode::Soft).await.unwrap();
        assert!(check(&registry, &good).await.is_empty(), "{cache_bytes}");
        assert_eq!(register(&registry, "s", &fields(8)).await.unwrap().1, 10, "{cache_bytes}");
        assert!(check(&registry, &good).await.is_empty(), "{cache_bytes}");
    }
}

#[tokio::test]
async fn what_lies_between_the_versions_that_are_compared_is_not_read_with_them() {
    let (registry, store) = transitive(2).await;
    set_level(&store, Level::None).await;
    for size in 0..40 {
        register(&registry, "s", &input(&format!(r#"{{"type":"fixed","name":"F","size":{size}}}"#))).await.unwrap();
        registry.delete_version(&subject("s"), Selector::Latest, DeleteMode::Soft).await.unwrap();
    }
    for count in 3..=6 {
        register(&registry, "s", &fields(count)).await.unwrap();
    }
    set_level(&store, Level::BackwardTransitive).await;
    let registry = cold(&store, &registry, 1 << 20);

    assert!(check(&registry, &fields(7)).await.is_empty());

    // The latest has been read by then.
    assert_eq!(store.versions_read_max.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn a_check_holds_one_version_at_a_time() {
    let (registry, store) = transitive(3).await;
    let registry = cold(&store, &registry, 1 << 20);
    let current = registry.subject_itself(&subject("s")).await.unwrap();
    let mut earlier = EarlierVersions::new(&current, current.live_newest_first().collect());

    let (_, first) = earlier.next(&registry).await.unwrap().unwrap();
    let (_, second) = earlier.next(&registry).await.unwrap().unwrap();

    for (version, canonical) in [first, second].iter().enumerate() {
        assert_eq!(Arc::strong_count(canonical), 2, "{version}: this test's and the cache's");
    }
}

/// What a node has not heard of yet: the id and what it refers to are gone, and there again as something else.
#[tokio::test]
async fn what_a_version_refers_to_is_compared_as_it_is_now_on_a_node_that_hears_of_nothing() {
    let symbol = |symbol: &str| input(&format!(r#"{{"type":"enum","name":"E","symbols":["{symbol}"]}}"#));
    let inline = input(
        r#"{"type":"record","name":"R","fields":[{"name":"e","type":{"type":"enum","name":"E","symbols":["A"]}}]}"#,
    );
    let references = serde_json::json!({"references": [{"name": "E", "subject": "base", "version": 1}]});
    let referring = schema(r#"{"type":"record","name":"R","fields":[{"name":"e","type":"E"}]}"#, references);
    for level in [Level::Backward, Level::BackwardTransitive] {
        let (writing, deaf, store) = writing_and_deaf().await;
        let import = Terms { id: Some(SchemaId(10)), ..Terms::default() };
        let mode = async |mode| writing.put_mode(&ScopeName::parse("s"), mode, Force::Yes).await.unwrap();
        register(&writing, "base", &symbol("A")).await.unwrap();
        mode(Some(Mode::Import)).await;
        register_on(&writing, "s", &referring, import.clone()).await.unwrap();
        set_level(&store, level).await;
        assert!(check(&deaf, &inline).await.is_empty());
        assert!(deaf.lookup(&subject("s"), &inline, Deleted::Hide).await.is_ok());

        purge(&writing, &["s", "base"]).await;
        register(&writing, "base", &symbol("B")).await.unwrap();
        mode(Some(Mode::Import)).await;
        register_on(&writing, "s", &referring, import).await.unwrap();
        set_level(&store, level).await;
        mode(Some(Mode::ReadWrite)).await;

        for _ in 0..2 {
            let messages = check(&deaf, &inline).await;
            assert!(messages.iter().any(|own| own.contains("MISSING_ENUM_SYMBOLS")), "{level:?}: {messages:?}");
            let found = deaf.lookup(&subject("s"), &inline, Deleted::Hide).await;
            assert!(matches!(found, Err(RegistryError::SchemaNotFound)), "{level:?}: {found:?}");
            let refused = register(&deaf, "s", &inline).await.unwrap_err();
            assert!(matches!(refused, RegistryError::Incompatible { .. }), "{level:?}: {refused:?}");
        }
    }
}

#[tokio::test]
async fn a_version_that_is_purged_with_what_it_refers_to_is_left_out() {
    let references = serde_json::json!({"references": [{"name": "E", "subject": "base", "version": 1}]});
    let referring = schema(r#"{"type":"record","name":"R","fields":[{"name":"e","type":"E"}]}"#, references);
    for level in [Level::Backward, Level::BackwardTransitive] {
        let (writing, deaf, store) = writing_and_deaf().await;
        set_level(&store, level).await;
        register(&writing, "base", &input(r#"{"type":"enum","name":"E","symbols":["A"]}"#)).await.unwrap();
        register(&writing, "s", &referring).await.unwrap();
        let seen = store.inner.revision(&subject("s").key).await.unwrap();
        deaf.versions(&subject("s"), Deleted::Hide).await.unwrap();
        deaf.schema_by_id(2, None).await.unwrap().unwrap();
        purge(&writing, &["s", "base"]).await;

        // Asked just before it went.
        store.tell_late(&subject("s"), seen);

        assert_eq!(check(&deaf, &fields(1)).await, Vec::<String>::new(), "{level:?}");
    }
}

#[tokio::test]
async fn a_transitive_subject_weighs_what_it_remembers_of_its_versions() {
    let (registry, store) = transitive(20).await;
    let weight = async || {
        let cold = registry_over(&store);
        cold.versions(&subject("s"), Deleted::Hide).await.unwrap();
        cold.caches.weights().await.subjects
    };

    let transitive = weight().await;
    set_level(&store, Level::Backward).await;

    assert!(transitive > weight().await + 20 * 200, "{transitive}");
    drop(registry);
}
