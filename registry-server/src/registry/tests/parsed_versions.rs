//! What a transitive check reads of the versions before it.

use super::content::put_config;
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
