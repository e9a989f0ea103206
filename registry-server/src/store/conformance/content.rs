//! Texts, ids and uses.

use super::super::{DeleteMode, Deleted, StoredSchema};
use super::*;

pub async fn reads_back_what_was_written(store: &Arc<dyn Store>) {
    let flights = subject("flights-value");

    let inserted = store.insert_version(new_version(&flights, "\"int\"", Revision::default())).await.unwrap();

    assert_eq!(inserted.place(), Some((SchemaId(1), Version(1))));
    let snapshot = store.subject_snapshot(&flights).await.unwrap();
    let entry = VersionEntry {
        version: Version(1),
        id: SchemaId(1),
        dedup_key: dedup_key("\"int\""),
        deleted: false,
        timestamp_ms: 1_700_000_000_123,
    };
    assert_eq!(snapshot.versions, [entry]);
    let schema = StoredSchema {
        id: SchemaId(1),
        schema_type: SchemaType::Avro,
        text: Arc::from("\"int\""),
        guid: guid("\"int\""),
        dedup_key: dedup_key("\"int\""),
        references: Arc::from([]),
        metadata: None,
        rule_set: None,
    };
    assert_eq!(store.schema(".", SchemaId(1)).await.unwrap(), Some(schema));
}

pub async fn keeps_texts_byte_for_byte(store: &Arc<dyn Store>) {
    let texts = [
        String::new(),
        r#"{"doc":"\u0000 \ud83d\ude00 \\u0000"}"#.to_owned(),
        "{\"doc\":\"\u{1}\u{7f}\u{80}\"}".to_owned(),
        "\u{feff}{ \"b\" : 1,\r\n\t\"a\" : 1.0e0, \"b\" : 2 } ".to_owned(),
        "e\u{301} \u{e9} \u{1f600} \u{ffff} \u{10ffff} \u{202e}".to_owned(),
        "' '' \" ; -- % _ $1 ?1 :a".to_owned(),
        format!("\"{}\"", "x".repeat((1 << 20) - 2)),
        "\u{1f600}".repeat(1 << 18),
    ];

    for (text, id) in texts.iter().zip(1..) {
        assert_eq!(register(store, &subject("s"), text).await, pair(id, id));
    }

    for (text, id) in texts.iter().zip(1..) {
        let stored = store.schema(".", SchemaId(id)).await.unwrap().unwrap();
        assert!(stored.text.as_bytes() == text.as_bytes(), "text {id} differs");
        assert_eq!((stored.dedup_key, stored.guid), (dedup_key(text), guid(text)));
    }
}

pub async fn gives_one_content_one_id_in_all_subjects(store: &Arc<dyn Store>) {
    assert_eq!(register(store, &subject("a"), "one").await, pair(1, 1));
    assert_eq!(register(store, &subject("b"), "two").await, pair(2, 1));
    assert_eq!(register(store, &subject("b"), "one").await, pair(1, 2));
    assert_eq!(register(store, &subject("c"), "two").await, pair(2, 1));
    assert_eq!(register(store, &subject("a"), "three").await, pair(3, 2));
}

pub async fn gives_each_context_ids_of_its_own(store: &Arc<dyn Store>) {
    assert_eq!(register(store, &subject_in(".", "s"), "one").await, pair(1, 1));
    assert_eq!(register(store, &subject_in(".team", "s"), "two").await, pair(1, 1));
    assert_eq!(register(store, &subject_in(".team", "s"), "one").await, pair(2, 2));

    assert_eq!(&*store.schema(".team", SchemaId(1)).await.unwrap().unwrap().text, "two");
    assert_eq!(subjects(store, ".team", "", Deleted::Hide).await, [Arc::from("s")]);
    assert_eq!(store.schema(".other", SchemaId(1)).await.unwrap(), None);
}

pub async fn gives_ids_without_gaps(store: &Arc<dyn Store>) {
    for number in 1..=50 {
        let name = format!("subject-{}", number % 7);
        let (id, _) = register(store, &subject(&name), &format!("text {number}")).await;
        assert_eq!(id, SchemaId(number));
    }
}

/// The rules ask only for contents that no live version of the subject has; a soft-deleted one may have it.
pub async fn gives_the_old_id_to_an_old_content(store: &Arc<dyn Store>) {
    let s = subject("s");
    register(store, &s, "one").await;
    register(store, &s, "two").await;

    let revision = store.revision(&s).await.unwrap();
    let inserted = store.insert_version(new_version(&s, "one", revision)).await.unwrap();

    assert_eq!(inserted.place(), Some((SchemaId(1), Version(3))));
}

pub async fn lists_uses_by_subject_and_version(store: &Arc<dyn Store>) {
    // By bytes, U+E000 stands before U+1F600; by UTF-16 code units behind it.
    for name in ["b", "\u{e000}", "\u{1f600}", "a"] {
        register(store, &subject(name), "one").await;
    }
    let a = subject("a");
    register(store, &a, "two").await;
    let revision = store.revision(&a).await.unwrap();
    store.delete_version(&a, Version(1), DeleteMode::Soft, revision).await.unwrap();
    register(store, &a, "one").await;
    register(store, &subject_in(".team", "a"), "one").await;

    let uses = store.schema_uses(".", SchemaId(1)).await.unwrap();

    let found: Vec<_> = uses
        .iter()
        .map(|found| (&*found.subject.context, &*found.subject.subject, found.entry.version.0, found.entry.deleted))
        .collect();
    let expected =
        [(".", "a", 3, false), (".", "b", 1, false), (".", "\u{1f600}", 1, false), (".", "\u{e000}", 1, false)];
    assert_eq!(found, expected);
}

pub async fn reads_the_contents_of_a_subjects_versions(store: &Arc<dyn Store>) {
    let (s, t) = (subject("s"), subject("t"));
    register(store, &t, "other").await;
    for text in ["one", "two", "three", "four"] {
        register(store, &s, text).await;
    }
    let revision = store.revision(&s).await.unwrap();
    store.delete_version(&s, Version(1), DeleteMode::Soft, revision).await.unwrap();
    let texts = async |subject: &SubjectKey, first, last| {
        let found = store.schemas_of(subject, Version(first)..=Version(last)).await.unwrap();
        let mut texts: Vec<(u32, String)> = found.iter().map(|schema| (schema.id.0, schema.text.to_string())).collect();
        texts.sort();
        texts
    };

    let of = |pairs: &[(u32, &str)]| pairs.iter().map(|(id, text)| (*id, (*text).to_owned())).collect::<Vec<_>>();
    assert_eq!(texts(&s, 1, 3).await, of(&[(2, "one"), (3, "two"), (4, "three")]));
    assert_eq!(texts(&s, 4, 9).await, of(&[(5, "four")]));
    assert_eq!(texts(&s, 5, 9).await, of(&[]));
    assert_eq!(texts(&subject_in(".team", "s"), 1, 9).await, of(&[]));
    let one = store.schemas_of(&s, Version(2)..=Version(2)).await.unwrap();
    assert_eq!(one, Vec::from_iter(store.schema(".", SchemaId(3)).await.unwrap()));
}

pub async fn keeps_metadata_and_rule_sets(store: &Arc<dyn Store>) {
    let key = subject("s");
    let texts =
        [(None, None), (Some("{}"), None), (None, Some("{\"a\":[]}")), (Some("{\"b\":\"\u{1f600}\"}"), Some(""))];
    for ((metadata, rule_set), number) in texts.into_iter().zip(1..) {
        let new = NewVersion {
            metadata: metadata.map(Arc::from),
            rule_set: rule_set.map(Arc::from),
            ..new_version(&key, &format!("text {number}"), store.revision(&key).await.unwrap())
        };
        store.insert_version(new).await.unwrap();

        let stored = store.schema(".", SchemaId(number)).await.unwrap().unwrap();
        assert_eq!((stored.metadata.as_deref(), stored.rule_set.as_deref()), (metadata, rule_set));
    }
}

pub async fn knows_nothing_of_what_was_never_written(store: &Arc<dyn Store>) {
    let snapshot = store.subject_snapshot(&subject("s")).await.unwrap();

    assert_eq!((snapshot.revision, snapshot.versions), (Revision::default(), Vec::new()));
    assert_eq!(snapshot.settings, super::super::Scopes::default());
    assert_eq!(store.schema(".", SchemaId(1)).await.unwrap(), None);
    assert_eq!(store.schema(".", SchemaId(u32::MAX)).await.unwrap(), None);
    assert_eq!(store.schema_uses(".", SchemaId(1)).await.unwrap(), []);
    assert_eq!(subjects(store, ".", "", Deleted::Include).await, Vec::<Arc<str>>::new());
}
