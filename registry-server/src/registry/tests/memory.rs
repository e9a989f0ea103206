//! What the caches weigh: all that an entry holds.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::json;

use super::super::INLINE_BYTES_MAX;
use super::super::references::LONG_AT_ONCE;
use super::content::{put_config, referring, register_on, schema};
use super::*;
use crate::store::ConfigRecord;

/// So many bytes beside a text, which is much shorter.
const BESIDE: usize = 10_000;

fn answer(_: &Found) -> Result<Bytes, RegistryError> {
    Ok(Bytes::from(vec![0; BESIDE]))
}

#[tokio::test]
async fn what_stands_beside_a_text_weighs_wherever_it_is_kept() {
    let (registry, store) = registry().await;
    let long = "x".repeat(BESIDE);
    register(&registry, "base", &referring("B", json!([]))).await.unwrap();
    let references = json!([{"name": long, "subject": "base", "version": 1}]);
    let metadata = json!({"properties": {"p": long}});
    let rules =
        json!({"domainRules": [{"name": "r", "kind": "CONDITION", "type": "CEL", "mode": "READ", "expr": long}]});
    // Each stands in the content once, or as text and as what was read from it, and in the answer.
    let kinds = [("references", references, 1), ("metadata", metadata, 2), ("ruleSet", rules, 2)];
    for ((beside, value, times), id) in kinds.into_iter().zip(2..) {
        let fields = record(&"cde"[..id as usize - 1]).text.unwrap();
        register(&registry, beside, &schema(&fields, json!({(beside): value}))).await.unwrap();
        let cold = registry_over(&store);

        cold.schema_by_id_answer(id, None, answer).await.unwrap().unwrap();
        let (least, most) = ((times * BESIDE) as u64, ((times + 1) * BESIDE) as u64);
        let weights = cold.caches.weights().await;
        assert!((least..most).contains(&weights.contents), "{beside}: {weights:?}");
        let own = BESIDE as u64;
        assert!((least + own..most + own).contains(&weights.uses), "{beside}: {weights:?}");

        cold.schema_by_id_answer(id, Some(&subject(beside)), answer).await.unwrap().unwrap();
        let weights = cold.caches.weights().await;
        assert!((own..own + own / 2).contains(&weights.named_uses), "{beside}: {weights:?}");
    }
}

#[tokio::test]
async fn what_would_be_too_long_with_its_references_is_not_loaded() {
    let (registry, store) = registry().await;
    let doc = "x".repeat(1_000);
    let names = ["A", "B", "C", "D"];
    for name in names {
        let text = json!({"type": "fixed", "name": name, "size": 1, "doc": doc}).to_string();
        register(&registry, name, &input(&text)).await.unwrap();
    }
    let references = json!(names.map(|name| json!({"name": name, "subject": name, "version": 1})));
    let text = r#"{"type":"record","name":"R","fields":[{"name":"a","type":"A"}]}"#;
    let wanted = schema(text, json!({ "references": references }));
    let lookup = async |expanded_bytes| {
        let limits = schema_core::format::Limits { expanded_bytes, ..registry.config.limits.clone() };
        let config = RegistryConfig { limits, ..registry.config.clone() };
        let read = store.content_reads.load(Ordering::SeqCst);
        let cold = Registry::new(Arc::clone(&store) as Arc<dyn Store>, config);
        let found = cold.lookup(&subject("A"), &wanted, Deleted::Hide).await.map(|_| ());
        (found.unwrap_err(), store.content_reads.load(Ordering::SeqCst) - read)
    };

    let (error, read) = lookup(5_000).await;
    assert!(matches!(error, RegistryError::SchemaNotFound) && read >= 4, "{error:?} {read}");
    let (error, read) = lookup(1_500).await;
    let RegistryError::InvalidSchema { reason, .. } = error else { panic!("{error:?}") };
    assert!(reason.contains("bytes of text, references included: the limit is 1500"), "{reason}");
    assert_eq!(read, 2, "the second is too much");
}

#[tokio::test]
async fn few_schemas_with_long_references_are_read_at_once() {
    let (registry, _store) = registry().await;
    for (name, length) in [("Long", INLINE_BYTES_MAX), ("Short", 1)] {
        let text = json!({"type": "fixed", "name": name, "size": 1, "doc": "x".repeat(length)}).to_string();
        register(&registry, name, &input(&text)).await.unwrap();
    }
    let refers_to = |name: &str| {
        let text = json!({"type": "array", "items": name}).to_string();
        schema(&text, json!({"references": [{"name": name, "subject": name, "version": 1}]}))
    };
    let (long, short) = (refers_to("Long"), refers_to("Short"));
    let mut turns = Vec::new();
    for _ in 0..LONG_AT_ONCE {
        turns.push(registry.long_references.turn().await.unwrap());
    }

    let mut waiting = Box::pin(register(&registry, "s", &long));
    let others = async {
        for number in 0..20 {
            register(&registry, &format!("t-{number}"), &short).await.unwrap();
        }
    };
    tokio::select! {
        biased;
        read = &mut waiting => panic!("{read:?}"),
        () = others => {}
    }
    turns.pop();
    waiting.await.unwrap();
}

#[tokio::test]
async fn a_subject_weighs_its_name_its_versions_and_what_its_config_adds() {
    let (registry, store) = registry().await;
    let weight = async |name: &str| {
        let cold = registry_over(&store);
        cold.versions(&subject(name), Deleted::Hide).await.unwrap();
        usize::try_from(cold.caches.weights().await.subjects).unwrap()
    };
    let long = "n".repeat(2_000);
    for name in ["s", &long] {
        register(&registry, name, &record("a")).await.unwrap();
    }
    let plain = weight("s").await;
    assert!(weight(&long).await > plain + 2 * long.len(), "as key and as clients see it");

    let tags: BTreeMap<String, [&str; 1]> = (0..100).map(|at| (format!("f{at}"), ["T"])).collect();
    let tags = json!({ "tags": tags }).to_string();
    let config = ConfigRecord { default_metadata: Some(tags.as_str().into()), ..ConfigRecord::default() };
    put_config(&store, "s", config).await;
    let added = weight("s").await - plain;
    assert!(added > 20 * tags.len(), "as a text and as trees: {added}");
    let tagged = register_on(&registry, "s", &record("ab"), Terms::default()).await.unwrap();
    assert_eq!(tagged.schema.metadata.unwrap().tags.len(), 100);
}
