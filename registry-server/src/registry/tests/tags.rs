//! Tags that a register adds or takes over, and versions that are registered again with others.

use std::collections::BTreeSet;

use schema_core::tags::{Entity, EntityKind, TagChange};
use serde_json::{Value, json};

use super::super::{Terms, VersionChange};
use super::by_id::{purge, set_alias, writing_and_deaf};
use super::content::{referring, register_on, schema};
use super::*;

/// A record of many fields, each with a tag.
fn tagged_fields(count: usize, beside: Value) -> SchemaInput {
    let fields =
        (0..count).map(|at| json!({"name": format!("f{at}"), "type": "int", "default": 0, "confluent:tags": ["x"]}));
    schema(&json!({"type": "record", "name": "R", "fields": fields.collect::<Vec<_>>()}).to_string(), beside)
}

#[tokio::test]
async fn tags_of_many_fields_are_taken_over_at_once() {
    let (registry, _store) = registry().await;
    let fields = 4000;
    register(&registry, "s", &tagged_fields(fields, json!({}))).await.unwrap();
    let next = (0..=fields).map(|at| json!({"name": format!("f{at}"), "type": "int", "default": 0}));
    let next = input(&json!({"type": "record", "name": "R", "fields": next.collect::<Vec<_>>()}).to_string());
    let started = std::time::Instant::now();

    let terms = Terms { takes_tags_over: true, ..Terms::default() };
    let registered = register_on(&registry, "s", &next, terms).await.unwrap();

    assert_eq!(registered.schema.text.matches("confluent:tags").count(), fields);
    // A walk over all fields for each of them takes minutes.
    assert!(started.elapsed() < std::time::Duration::from_secs(20), "{:?}", started.elapsed());
}

#[tokio::test]
async fn tags_leave_the_normal_form_of_references() {
    let (registry, _store) = registry().await;
    for name in ["A", "B"] {
        register(&registry, name, &referring(name, json!([]))).await.unwrap();
    }
    let to = ["B", "A"].map(|name| json!({"name": name, "subject": name, "version": 1}));
    let sent = SchemaInput { normalize: true, ..referring("U", json!(to)) };
    let tag = TagChange {
        entity: Entity { kind: EntityKind::Record, path: "U".to_owned() },
        add: ["t".to_owned()].into(),
        remove: BTreeSet::new(),
    };

    let registered = register_on(&registry, "s", &sent, Terms { tags: vec![tag], ..Terms::default() }).await.unwrap();

    assert!(registered.schema.text.contains("confluent:tags"));
    let names: Vec<_> = registered.schema.references.iter().map(|reference| reference.name.to_string()).collect();
    assert_eq!(names, ["A", "B"]);
}

#[tokio::test]
async fn tags_of_a_version_that_is_purged_with_what_it_refers_to_are_not_taken_over() {
    let (writing, deaf, store) = writing_and_deaf().await;
    register(&writing, "base", &referring("E", json!([]))).await.unwrap();
    register(&writing, "s", &referring("R", json!([{"name": "E", "subject": "base", "version": 1}]))).await.unwrap();
    set_alias(&writing, "old", "s").await;
    let seen = store.inner.revision(&subject("s").key).await.unwrap();
    deaf.versions(&subject("s"), Deleted::Hide).await.unwrap();
    deaf.schema_by_id(2, None).await.unwrap().unwrap();
    purge(&writing, &["s", "base"]).await;

    // Asked just before it went.
    store.tell_late(&subject("s"), seen);
    let terms = Terms { takes_tags_over: true, ..Terms::default() };
    let registered = register_on(&deaf, "old", &record("a"), terms).await.unwrap();

    assert_eq!((registered.id, registered.version, registered.is_new), (SchemaId(3), Version(1), true));
}

#[tokio::test]
async fn what_is_known_is_answered_also_where_tags_are_taken_over() {
    let (registry, _store) = registry().await;
    let plain = record("a");
    register(&registry, "s", &plain).await.unwrap();
    let tagged = plain.text.as_deref().unwrap().replace(r#""type":"int""#, r#""type":"int","confluent:tags":["T"]"#);
    register(&registry, "s", &input(&tagged)).await.unwrap();
    let update = Some(Mode::ReadOnly);
    registry.put_mode(&ScopeName::parse("s"), update, crate::registry::Force::No).await.unwrap();

    let terms = Terms { takes_tags_over: true, ..Terms::default() };
    let known = register_on(&registry, "s", &plain, terms).await.unwrap();

    assert_eq!((known.version, known.is_new), (Version(1), false));
}

#[tokio::test]
async fn a_version_that_is_registered_again_inherits_no_metadata() {
    let (registry, _store) = registry().await;
    register(&registry, "s", &record("a")).await.unwrap();
    let owned = schema(record("ab").text.as_deref().unwrap(), json!({"metadata": {"properties": {"owner": "me"}}}));
    register(&registry, "s", &owned).await.unwrap();

    let first = Selector::Number(Version(1));
    let again = registry.change_version(&subject("s"), first, VersionChange::default(), 7).await.unwrap();

    let properties = again.schema.metadata.as_ref().unwrap().properties.clone();
    assert_eq!(again.version, Version(3));
    assert_eq!(properties.into_iter().collect::<Vec<_>>(), [("confluent:version".to_owned(), "3".to_owned())]);
}
