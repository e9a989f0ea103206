//! What a schema refers to: found, bounded, and the same for whoever looks at it.

use serde_json::json;

use crate::store::Mode;

use super::super::{Force, SchemaInput, Terms};
use super::by_id::{purge, writing_and_deaf};
use super::content::{delete, reason, referring, register_on, schema};
use super::*;

#[tokio::test]
async fn references_are_bounded_in_number_and_depth() {
    let (registry, _store) = registry().await;
    for at in 0..6 {
        register(&registry, &format!("s{at}"), &referring(&format!("R{at}"), json!([]))).await.unwrap();
    }
    let to = |names: &[u32]| {
        let all = names.iter().map(|at| json!({"name": format!("R{at}"), "subject": format!("s{at}"), "version": -1}));
        json!(all.collect::<Vec<_>>())
    };
    assert!(register(&registry, "wide", &referring("W", to(&[0, 1, 2, 3]))).await.is_ok());
    let refused = register(&registry, "wide", &referring("W", to(&[0, 1, 2, 3, 4]))).await.unwrap_err();
    assert!(reason(refused).contains("`limits.references`"));
    // Those of a reference count, too; of one name only the first.
    let through = json!([{"name": "W", "subject": "wide", "version": 1}]);
    let refused = register(&registry, "through", &referring("T", through)).await.unwrap_err();
    assert!(reason(refused).starts_with("5 references"));

    register(&registry, "s1", &referring("D1", to(&[0]))).await.unwrap_err();
    register(&registry, "d1", &referring("D1", to(&[0]))).await.unwrap();
    let two_deep = json!([{"name": "D1", "subject": "d1", "version": 1}]);
    register(&registry, "d2", &referring("D2", two_deep)).await.unwrap();
    let three_deep = json!([{"name": "D2", "subject": "d2", "version": 1}]);
    let refused = register(&registry, "d3", &referring("D3", three_deep)).await.unwrap_err();
    assert!(reason(refused).contains("`limits.reference_depth`"));
}

#[tokio::test]
async fn new_content_may_not_refer_to_what_is_soft_deleted_and_old_content_may() {
    let (registry, store) = registry().await;
    let to_base = json!([{"name": "B", "subject": "base", "version": 1}]);
    register(&registry, "base", &referring("B", json!([]))).await.unwrap();
    let user = referring("U", to_base.clone());
    assert_eq!(register(&registry, "use", &user).await.unwrap(), (2, 1));
    delete(&store, "use", 1, DeleteMode::Soft).await;
    delete(&store, "base", 1, DeleteMode::Soft).await;

    let refused = register(&registry, "use", &referring("V", to_base)).await.unwrap_err();
    assert_eq!(reason(refused), "No schema reference found for subject \"base\" and version 1");
    assert_eq!(register(&registry, "use", &user).await.unwrap(), (2, 2), "its reference stands already");
    assert_eq!(register(&registry, "other", &user).await.unwrap(), (2, 1));
    let purge = delete(&store, "base", 1, DeleteMode::Permanent).await;
    assert_eq!(purge, Removed::Referenced { version: Version(1) });
}

#[tokio::test]
async fn the_normal_form_sorts_references_and_merges_repeated_ones() {
    let (registry, _store) = registry().await;
    for name in ["A", "B"] {
        register(&registry, name, &referring(name, json!([]))).await.unwrap();
    }
    let to = |names: &[&str]| {
        let all = names.iter().map(|name| json!({"name": name, "subject": name, "version": 1}));
        let references = json!({"references": all.collect::<Vec<_>>()});
        schema(r#"{"type":"record","name":"U","fields":[{"name":"a","type":"A"},{"name":"b","type":"B"}]}"#, references)
    };
    let normal = |input: SchemaInput| SchemaInput { normalize: true, ..input };
    assert_eq!(register(&registry, "plain", &to(&["B", "A"])).await.unwrap(), (3, 1));
    assert_eq!(register(&registry, "plain", &to(&["A", "B", "A"])).await.unwrap(), (4, 2), "as sent, it is another");

    let sorted = register_on(&registry, "normal", &normal(to(&["B", "A", "B"])), Terms::default()).await.unwrap();
    let names: Vec<_> = sorted.schema.references.iter().map(|reference| reference.name.to_string()).collect();
    assert_eq!(names, ["A", "B"]);
    assert_eq!(register(&registry, "normal", &normal(to(&["A", "A", "B"]))).await.unwrap().1, 1);

    let lookup = async |input: SchemaInput| {
        registry.lookup(&subject("plain"), &input, Deleted::Hide).await.map(|found| found.entry.version.0)
    };
    assert!(matches!(lookup(to(&["A", "B"])).await, Err(RegistryError::SchemaNotFound)));
    assert_eq!(lookup(normal(to(&["A", "B"]))).await.unwrap(), 2, "the newest whose normal form it is");
    assert_eq!(lookup(to(&["B", "A"])).await.unwrap(), 1);
}

/// Of one name the first reference counts, and those of a reference come before the next one: it is their order in
/// normal form that is stored, and read again.
#[tokio::test]
async fn what_is_compared_in_normal_form_is_what_is_stored() {
    let (registry, store) = registry().await;
    let enumeration = |symbols: &str| format!(r#"{{"type":"enum","name":"E","symbols":[{symbols}]}}"#);
    let z = |e: &str| format!(r#"{{"type":"record","name":"Z","fields":[{{"name":"e","type":{e}}}]}}"#);
    let r = |z: &str| {
        let fields = format!(r#"[{{"name":"z","type":{z}}},{{"name":"e","type":"E"}}]"#);
        format!(r#"{{"type":"record","name":"R","fields":{fields}}}"#)
    };
    let (one, two) = (enumeration(r#""X""#), enumeration(r#""X","Y""#));
    let to = |name: &str, version: u32| json!({"name": name, "subject": name, "version": version});
    for e in [&one, &two] {
        register(&registry, "E", &input(e)).await.unwrap();
    }
    register(&registry, "Z", &schema(&z(r#""E""#), json!({"references": [to("E", 1)]}))).await.unwrap();
    let sent = schema(&r(r#""Z""#), json!({"references": [to("Z", 1), to("E", 2)]}));
    let normal = SchemaInput { normalize: true, ..sent.clone() };

    register(&registry, "s", &input(&r(&z(&two)))).await.unwrap();
    assert_eq!(register(&registry, "s", &normal).await.unwrap().1, 2, "it has both symbols, as the one before");
    let refused = register(&registry, "s", &sent).await;
    assert!(matches!(refused, Err(RegistryError::Incompatible { .. })), "as it was sent, it has one: {refused:?}");

    let on_another_node = registry_over(&store);
    for registry in [&registry, &on_another_node] {
        let look_up = async |e: &str| registry.lookup(&subject("s"), &input(&r(&z(e))), Deleted::Hide).await;
        assert!(matches!(look_up(&one).await, Err(RegistryError::SchemaNotFound)));
        assert!(look_up(&two).await.is_ok());
    }
}

/// Another name's reference is not followed, and must lead somewhere all the same.
#[tokio::test]
async fn a_reference_that_is_not_followed_wants_a_live_version_too() {
    let (writing, late, store) = writing_and_deaf().await;
    for name in ["A", "other"] {
        register(&writing, name, &referring("A", json!([]))).await.unwrap();
    }
    late.versions(&subject("other"), Deleted::Hide).await.unwrap();
    let former = store.inner.revision(&subject("other").key).await.unwrap();
    delete(&store, "other", 1, DeleteMode::Soft).await;

    store.tell_late(&subject("other"), former);
    let to = ["A", "other"].map(|subject| json!({"name": "A", "subject": subject, "version": 1}));
    let refused = register(&late, "s", &referring("U", json!(to))).await.unwrap_err();

    assert_eq!(reason(refused), "No schema reference found for subject \"other\" and version 1");
    assert_eq!(store.inserts.load(Ordering::SeqCst), 1);
}

/// Another node has purged what a schema refers to, with what that refers to in turn, and imported both again, the one
/// as it was and the other not, just as this node decided.
#[tokio::test]
async fn a_register_is_decided_anew_where_what_it_leads_to_has_come_again() {
    let (writing, deaf, store) = writing_and_deaf().await;
    let enumeration = |symbols: &str| format!(r#"{{"type":"enum","name":"E","symbols":[{symbols}]}}"#);
    let record =
        |name: &str, of: &str| format!(r#"{{"type":"record","name":"{name}","fields":[{{"name":"f","type":{of}}}]}}"#);
    let to = |name: &str| json!({"references": [{"name": name, "subject": name, "version": 1}]});
    let import = async |name: &str, id: u32, schema: &SchemaInput| {
        writing.put_mode(&ScopeName::parse(name), Some(Mode::Import), Force::Yes).await.unwrap();
        let terms = Terms { id: Some(SchemaId(id)), ..Terms::default() };
        register_on(&writing, name, schema, terms).await.unwrap();
    };
    let import_both = async |symbols: &str| {
        import("E", 10, &input(&enumeration(symbols))).await;
        import("M", 11, &schema(&record("M", r#""E""#), to("E"))).await;
    };
    import_both(r#""A","B""#).await;
    let before = input(&record("R", &record("M", &enumeration(r#""B""#))));
    register(&writing, "s", &before).await.unwrap();
    for name in ["E", "M", "s"] {
        deaf.versions(&subject(name), Deleted::Hide).await.unwrap();
    }
    for id in [10, 11] {
        deaf.schema_by_id(id, None).await.unwrap().unwrap();
    }
    let former = store.inner.revision(&subject("E").key).await.unwrap();
    purge(&writing, &["M", "E"]).await;
    import_both(r#""A""#).await;

    store.tell_late(&subject("E"), former);
    let refused = register(&deaf, "s", &schema(&record("R", r#""M""#), to("M"))).await;

    assert!(matches!(refused, Err(RegistryError::Incompatible { .. })), "{refused:?}");
    assert_eq!(store.inserts.load(Ordering::SeqCst), 1, "by the former text it would fit");
}

#[tokio::test]
async fn references_are_looked_up_side_by_side_and_each_subject_once() {
    let (registry, store) = registry().await;
    for name in ["A", "B", "C"] {
        register(&registry, name, &referring(name, json!([]))).await.unwrap();
    }
    let all = [("A", 1), ("B", 1), ("C", 1), ("A", -1)];
    let all = all.map(|(name, version)| json!({"name": name, "subject": name, "version": version}));
    let user = referring("U", json!(all));
    register(&registry, "use", &user).await.unwrap();
    let asked = store.revisions.load(Ordering::SeqCst);
    store.at_once_max.store(0, Ordering::SeqCst);

    register(&registry, "use", &user).await.unwrap();

    assert_eq!(store.at_once_max.load(Ordering::SeqCst), 3);
    assert_eq!(store.revisions.load(Ordering::SeqCst) - asked, 4, "the three and the subject itself");
}
