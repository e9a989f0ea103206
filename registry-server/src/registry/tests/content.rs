//! What stands beside a schema: references, metadata, rules; and what an import brings.

use schema_core::wire::{Change, Metadata, RuleSet, SchemaReference};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::metrics::CacheName;
use crate::store::{ConfigRecord, ImportDemand, Mode, Put, Scope};

use super::super::{SchemaInput, Terms, WantedVersion};
use super::*;

pub(super) fn of_json<T: DeserializeOwned>(json: Value) -> T {
    serde_json::from_value(json).unwrap()
}

/// A schema with what stands beside it, as a request has it.
pub(super) fn schema(text: &str, beside: Value) -> SchemaInput {
    let mut beside = beside;
    let references: Vec<SchemaReference> = of_json(beside.get_mut("references").map_or(json!([]), Value::take));
    let metadata: Option<Metadata> = beside.get_mut("metadata").map(|json| of_json(json.take()));
    let rule_set: Option<RuleSet> = beside.get_mut("ruleSet").map(|json| of_json(json.take()));
    SchemaInput { references, metadata, rule_set, ..input(text) }
}

pub(super) fn referring(name: &str, references: Value) -> SchemaInput {
    let text = format!(r#"{{"type":"record","name":"{name}","fields":[]}}"#);
    schema(&text, json!({"references": references}))
}

pub(super) async fn register_on(
    registry: &Registry,
    name: &str,
    schema: &SchemaInput,
    terms: Terms,
) -> Result<super::super::Registered, RegistryError> {
    registry.register(&subject(name), schema, &terms, 7).await
}

pub(super) async fn put_config(store: &OddStore, name: &str, config: ConfigRecord) {
    let scope = Scope::Subject(subject(name).key);
    let revision = store.scope_snapshot(&scope).await.unwrap().revision;
    assert_eq!(store.put_config(&scope, Some(config), revision).await.unwrap(), Put::Done);
}

async fn put_mode(store: &OddStore, name: &str, mode: Mode) {
    let scope = Scope::Subject(subject(name).key);
    let revision = store.scope_snapshot(&scope).await.unwrap().revision;
    store.put_mode(&scope, Some(mode), revision, ImportDemand::Nothing).await.unwrap();
}

pub(super) async fn delete(store: &OddStore, name: &str, version: u32, mode: DeleteMode) -> Removed {
    let key = subject(name).key;
    let revision = store.revision(&key).await.unwrap();
    store.delete_version(&key, Version(version), mode, revision).await.unwrap()
}

pub(super) fn reason(error: RegistryError) -> String {
    let RegistryError::InvalidSchema { reason, .. } = error else { panic!("{error:?}") };
    reason
}

#[tokio::test]
async fn a_version_that_comes_again_with_another_content_is_read_anew() {
    let (registry, store) = registry().await;
    let to_base = json!([{"name": "B", "subject": "base", "version": 1}]);
    let user = schema(r#"{"type":"array","items":"B"}"#, json!({"references": to_base}));
    register(&registry, "base", &input(r#"{"type":"enum","name":"B","symbols":["X"]}"#)).await.unwrap();
    let check = |schema: SchemaInput| async {
        let subject = subject("s");
        let schema = schema;
        registry.check_compatibility(&subject, None, &schema).await.unwrap()
    };
    register(&registry, "s", &input(r#"{"type":"array","items":{"type":"enum","name":"B","symbols":["X"]}}"#))
        .await
        .unwrap();
    assert!(check(user.clone()).await.is_empty());

    for mode in [DeleteMode::Soft, DeleteMode::Permanent] {
        delete(&store, "base", 1, mode).await;
    }
    register(&registry, "base", &input(r#"{"type":"enum","name":"B","symbols":["Y"]}"#)).await.unwrap();

    assert!(check(user).await[0].contains("MISSING_ENUM_SYMBOLS"));
}

#[tokio::test]
async fn a_version_carries_the_number_that_was_demanded_for_it() {
    let (registry, _store) = registry().await;
    let on = |version| Terms { version, ..Terms::default() };
    let number = |registered: &super::super::Registered| {
        let properties = registered.schema.metadata.as_ref().map(|metadata| metadata.properties.clone());
        (registered.version.0, properties.and_then(|properties| properties.get("confluent:version").cloned()))
    };

    let refused = register_on(&registry, "s", &record("a"), on(WantedVersion::Number(2))).await.unwrap_err();
    assert!(matches!(refused, RegistryError::VersionNotNext));
    let first = register_on(&registry, "s", &record("a"), on(WantedVersion::Number(1))).await.unwrap();
    assert_eq!(number(&first), (1, Some("1".to_owned())));
    let refused = register_on(&registry, "s", &record("a"), on(WantedVersion::Number(1))).await.unwrap_err();
    assert!(matches!(refused, RegistryError::VersionNotNext), "a taken number is refused for the same schema, too");
    // It is inherited and counts on; by itself it makes no other schema.
    assert_eq!(number(&register_on(&registry, "s", &record("a"), Terms::default()).await.unwrap()).0, 1);
    assert_eq!(
        number(&register_on(&registry, "s", &record("ab"), Terms::default()).await.unwrap()),
        (2, Some("2".to_owned()))
    );
    // Against the latest alone: the first version does not count.
    assert_eq!(number(&register_on(&registry, "s", &record("ab"), on(WantedVersion::Latest)).await.unwrap()).0, 2);
    assert_eq!(number(&register_on(&registry, "s", &record("a"), on(WantedVersion::Latest)).await.unwrap()).0, 3);
    // Metadata that claims a number demands it.
    let claim = |number: &str| {
        let metadata = json!({"metadata": {"properties": {"confluent:version": number, "x": "y"}}});
        schema(record("abc").text.as_deref().unwrap(), metadata)
    };
    for wrong in ["3", "5", "x"] {
        let refused = register_on(&registry, "s", &claim(wrong), Terms::default()).await.unwrap_err();
        assert!(matches!(refused, RegistryError::VersionNotNext), "{wrong}");
    }
    assert_eq!(number(&register_on(&registry, "s", &claim("4"), Terms::default()).await.unwrap()).0, 4);
}

#[tokio::test]
async fn metadata_and_rules_come_from_request_version_before_and_config() {
    let (registry, store) = registry().await;
    let register = async |beside: Value, fields: &str| {
        let input = schema(record(fields).text.as_deref().unwrap(), beside);
        register_on(&registry, "s", &input, Terms::default()).await.unwrap().schema
    };
    let rule = |name: &str| json!({"name": name, "type": "CEL"});
    let shown = |schema: &super::super::Schema| {
        let properties = schema.metadata.as_ref().map(|metadata| json!(metadata.properties));
        let rules = schema
            .rule_set
            .as_ref()
            .map(|rules| rules.domain_rules.iter().filter_map(|rule| rule.name.clone()).collect::<Vec<_>>());
        (properties, rules)
    };

    let first =
        register(json!({"metadata": {"properties": {"a": "1"}}, "ruleSet": {"domainRules": [rule("r")]}}), "a").await;
    assert_eq!(shown(&first), (Some(json!({"a": "1"})), Some(vec!["r".to_owned()])));
    assert_eq!(shown(&register(json!({}), "ab").await), shown(&first), "both are inherited");
    let dropped = register(json!({"ruleSet": {}}), "ab").await;
    assert_eq!(shown(&dropped), (Some(json!({"a": "1"})), None), "no rules stand against inherited ones");

    let json = |json: Value| Some(Arc::from(json.to_string()));
    let config = ConfigRecord {
        default_metadata: json(json!({"properties": {"a": "default", "d": "default"}})),
        override_metadata: json(json!({"properties": {"o": "override"}})),
        default_rule_set: json(json!({"domainRules": [rule("q")]})),
        override_rule_set: json(json!({"domainRules": [rule("z")]})),
        ..ConfigRecord::default()
    };
    put_config(&store, "s", config).await;
    let merged = register(json!({"metadata": {"properties": {"a": "2", "o": "mine"}}}), "abc").await;
    let expected = json!({"a": "2", "d": "default", "o": "override"});
    assert_eq!(shown(&merged), (Some(expected), Some(vec!["q".to_owned(), "z".to_owned()])));
}

#[tokio::test]
async fn a_group_and_reserved_names_bound_what_is_compared() {
    let (registry, store) = registry().await;
    let major = |text: &str, major: &str| schema(text, json!({"metadata": {"properties": {"major": major}}}));
    let config = ConfigRecord { compatibility_group: Some("major".into()), ..ConfigRecord::default() };
    put_config(&store, "s", config).await;
    register(&registry, "s", &major("\"int\"", "1")).await.unwrap();
    register(&registry, "s", &major("\"string\"", "2")).await.unwrap();
    assert!(matches!(register(&registry, "s", &major("\"int\"", "2")).await, Err(RegistryError::Incompatible { .. })));
    register(&registry, "s", &major("\"long\"", "1")).await.unwrap();

    let config = ConfigRecord { validate_fields: Some(true), ..ConfigRecord::default() };
    put_config(&store, "r", config).await;
    let reserving = |fields: &str, names: &str| {
        let metadata = json!({"metadata": {"properties": {"confluent:reserved": names}}});
        schema(record(fields).text.as_deref().unwrap(), metadata)
    };
    let messages = |error: RegistryError| match error {
        RegistryError::Incompatible { messages, .. } => messages,
        other => panic!("{other:?}"),
    };
    let conflict = messages(register(&registry, "r", &reserving("ab", "b, x")).await.unwrap_err());
    assert!(conflict[0].contains("conflicts with the reserved field b"), "{conflict:?}");
    assert_eq!(conflict[1], "{validateFields: 'true', compatibility: 'BACKWARD'}");
    register(&registry, "r", &reserving("a", "b, x")).await.unwrap();
    let removed = messages(register(&registry, "r", &reserving("ac", "x")).await.unwrap_err());
    assert!(removed[0].contains("reserved field b removed"), "{removed:?}");
    register(&registry, "r", &reserving("ac", "b,x,y")).await.unwrap();

    // Against one version as against all, and beside what the comparison finds.
    let named = subject("r");
    let against = async |selector, schema| registry.check_compatibility(&named, selector, &schema).await.unwrap();
    for selector in [None, Some(Selector::Latest), Some(Selector::Number(Version(2)))] {
        let found = against(selector, reserving("ab", "b,x,y")).await;
        assert!(found[0].contains("conflicts with the reserved field b") && found.len() == 2, "{found:?}");
        let both = against(selector, schema("\"int\"", json!({"metadata": {"properties": {}}}))).await;
        assert!(both[0].contains("reserved field b removed"), "{both:?}");
        assert!(both.iter().any(|entry| entry.contains("TYPE_MISMATCH")), "{both:?}");
        assert_eq!(both.iter().filter(|entry| entry.contains("validateFields: 'true'")).count(), 1, "{both:?}");
    }
    // The names of version 1 are two, those of version 2 three.
    assert_eq!(against(Some(Selector::Number(Version(1))), reserving("a", "b,x")).await, [""; 0]);
    assert!(!against(Some(Selector::Latest), reserving("a", "b,x")).await.is_empty());
}

#[tokio::test]
async fn names_are_reserved_within_a_group() {
    let (registry, store) = registry().await;
    let config = ConfigRecord {
        compatibility: Some(Level::None),
        compatibility_group: Some("major".into()),
        validate_fields: Some(true),
        ..ConfigRecord::default()
    };
    put_config(&store, "s", config).await;
    let version = |fields: &str, properties: Value| {
        schema(record(fields).text.as_deref().unwrap(), json!({"metadata": {"properties": properties}}))
    };
    let reserving = version("a", json!({"major": "1", "confluent:reserved": "b"}));
    register(&registry, "s", &reserving).await.unwrap();

    register(&registry, "s", &version("ab", json!({"major": "2"}))).await.unwrap();
    let refused = register(&registry, "s", &version("ab", json!({"major": "1"}))).await.unwrap_err();

    let RegistryError::Incompatible { messages, .. } = refused else { panic!("{refused:?}") };
    assert!(messages[0].contains("reserved field b removed"), "{messages:?}");
}

#[tokio::test]
async fn an_import_brings_ids_and_versions_as_they_are() {
    let (registry, store) = registry().await;
    let import = |id: u32, version| Terms { id: Some(SchemaId(id)), version, ..Terms::default() };
    let pair = |registered: super::super::Registered| (registered.id.0, registered.version.0);
    let refused = register_on(&registry, "s", &record("a"), import(10, WantedVersion::Any)).await.unwrap_err();
    assert!(matches!(refused, RegistryError::NotImportMode { .. }));
    put_mode(&store, "s", Mode::Import).await;

    let number = WantedVersion::Number;
    assert_eq!(pair(register_on(&registry, "s", &record("a"), import(10, number(3))).await.unwrap()), (10, 3));
    assert_eq!(pair(register_on(&registry, "s", &input("\"int\""), import(12, number(1))).await.unwrap()), (12, 1));
    for version in [number(3), WantedVersion::Any] {
        assert_eq!(pair(register_on(&registry, "s", &record("a"), import(10, version)).await.unwrap()), (10, 3));
    }
    let refused = register_on(&registry, "s", &record("b"), import(10, number(5))).await.unwrap_err();
    assert!(matches!(refused, RegistryError::IdTaken { id: 10, .. }));
    assert_eq!(pair(register_on(&registry, "s", &record("a"), import(0, WantedVersion::Any)).await.unwrap()), (0, 4));
    let refused = register_on(&registry, "s", &record("z"), Terms::default()).await.unwrap_err();
    assert!(matches!(refused, RegistryError::NotReadWriteMode { .. }));
    assert_eq!(register(&registry, "s", &record("a")).await.unwrap(), (0, 4), "what is known is answered in any mode");
    // A version is replaced by another schema with its number.
    assert_eq!(pair(register_on(&registry, "s", &record("q"), import(13, number(3))).await.unwrap()), (13, 3));

    put_mode(&store, "s", Mode::ReadOnly).await;
    assert_eq!(register(&registry, "s", &record("q")).await.unwrap(), (13, 3));
    let refused = register(&registry, "s", &record("z")).await.unwrap_err();
    assert!(matches!(refused, RegistryError::ReadOnlyMode { .. }));

    put_mode(&store, "s", Mode::ReadWrite).await;
    assert_eq!(register(&registry, "s", &record("aq")).await.unwrap(), (14, 5), "after the highest that was given");
}

#[tokio::test]
async fn an_id_that_an_alike_schema_has_is_no_demand() {
    let (registry, _store) = registry().await;
    let owned = schema(record("a").text.as_deref().unwrap(), json!({"metadata": {"properties": {"owner": "me"}}}));
    register(&registry, "s", &owned).await.unwrap();
    let with_id = |id| Terms { id: Some(SchemaId(id)), ..Terms::default() };

    let known = register_on(&registry, "s", &record("a"), with_id(1)).await.unwrap();
    let other = register_on(&registry, "s", &record("a"), with_id(2)).await.unwrap_err();

    assert_eq!((known.id.0, known.is_new), (1, false));
    assert!(known.schema.metadata.is_some());
    assert!(matches!(other, RegistryError::NotImportMode { .. }));
}

#[tokio::test]
async fn an_id_that_is_imported_again_after_a_purge_has_its_new_content() {
    let (registry, store) = registry().await;
    let import = Terms { id: Some(SchemaId(10)), ..Terms::default() };
    put_mode(&store, "s", Mode::Import).await;
    register_on(&registry, "s", &record("a"), import.clone()).await.unwrap();
    registry.schema_by_id(10, None).await.unwrap().unwrap();
    for mode in [DeleteMode::Soft, DeleteMode::Permanent] {
        delete(&store, "s", 1, mode).await;
    }
    assert!(registry.schema_by_id(10, None).await.unwrap().is_none());

    let again = register_on(&registry, "s", &record("b"), import).await.unwrap();

    let found = registry.schema_by_id(10, None).await.unwrap().unwrap();
    assert_eq!(found.content.schema.text, again.schema.text);
    let found = registry.lookup(&subject("s"), &record("b"), Deleted::Hide).await.unwrap();
    assert_eq!(found.content.schema.text, again.schema.text);
}

#[tokio::test]
async fn alike_versions_are_found_by_their_index_also_after_deletes() {
    let (registry, store) = registry().await;
    let text = |first: &str, second: &str| input(&format!(r#"{{"type":"int","{first}":1,"{second}":1}}"#));
    for (fields, version) in [("xy", 1), ("pq", 2)] {
        let (first, second) = fields.split_at(1);
        assert_eq!(register(&registry, "s", &text(first, second)).await.unwrap().1, version);
        assert_eq!(register(&registry, "s", &text(second, first)).await.unwrap().1, version);
    }

    delete(&store, "s", 1, DeleteMode::Soft).await;
    let lookup = async |deleted| {
        registry.lookup(&subject("s"), &text("y", "x"), deleted).await.map(|found| found.entry.version.0)
    };
    assert!(matches!(lookup(Deleted::Hide).await, Err(RegistryError::SchemaNotFound)));
    assert_eq!(lookup(Deleted::Include).await.unwrap(), 1);
    assert_eq!(register(&registry, "s", &text("y", "x")).await.unwrap().1, 3, "a deleted version is no live one");
    assert_eq!(register(&registry, "s", &text("x", "y")).await.unwrap().1, 3);
    delete(&store, "s", 3, DeleteMode::Soft).await;
    delete(&store, "s", 3, DeleteMode::Permanent).await;
    assert_eq!(lookup(Deleted::Include).await.unwrap(), 1);
}

#[tokio::test]
async fn a_subject_is_not_read_again_for_each_version_that_comes() {
    let (registry, store) = registry().await;
    put_config(&store, "s", ConfigRecord { compatibility: Some(schema_core::Level::None), ..ConfigRecord::default() })
        .await;
    register(&registry, "s", &record("a")).await.unwrap();
    let read = store.snapshot_reads.load(Ordering::SeqCst);

    for (fields, version) in ["b", "c", "d", "e"].into_iter().zip(2..) {
        assert_eq!(register(&registry, "s", &record(fields)).await.unwrap().1, version);
        assert_eq!(register(&registry, "s", &record("a")).await.unwrap().1, 1);
    }
    assert_eq!(store.snapshot_reads.load(Ordering::SeqCst), read);

    // What was noted is what is stored.
    let noted = registry.versions(&subject("s"), Deleted::Include).await.unwrap();
    assert_eq!(noted, store.subject_snapshot(&subject("s").key).await.unwrap().versions);
    delete(&store, "s", 5, DeleteMode::Soft).await;
    assert_eq!(register(&registry, "s", &record("e")).await.unwrap().1, 6);
}

#[tokio::test]
async fn the_versions_of_a_subject_are_read_at_once() {
    let (registry, store) = registry().await;
    put_config(&store, "s", ConfigRecord { compatibility: Some(schema_core::Level::None), ..ConfigRecord::default() })
        .await;
    let symbols = |last: u32| input(&format!(r#"{{"type":"enum","name":"E","symbols":["A","B{last}"]}}"#));
    for version in 1..=20 {
        assert_eq!(register(&registry, "s", &symbols(version)).await.unwrap().1, version);
    }

    let cold = registry_over(&store);
    let read = store.content_reads.load(Ordering::SeqCst);
    assert_eq!(register(&cold, "s", &symbols(21)).await.unwrap().1, 21);
    assert_eq!(store.content_reads.load(Ordering::SeqCst) - read, 2);
    assert_eq!(register(&cold, "s", &symbols(7)).await.unwrap().1, 7);
}

#[tokio::test]
async fn a_register_reads_its_text_once() {
    let (registry, _store) = registry().await;
    register(&registry, "s", &record("a")).await.unwrap();
    register(&registry, "s", &record("ab")).await.unwrap();

    // The cache is asked for each text, and for that of the version that one of them is compared with.
    assert_eq!(registry.metrics.lookups(CacheName::Texts), 3);
}

#[tokio::test]
async fn a_text_is_kept_once_and_is_still_validated_when_it_is_new() {
    let (registry, _store) = registry().await;
    register(&registry, "s", &record("a")).await.unwrap();
    let kept = registry.caches.weights().await.texts;
    registry.lookup(&subject("s"), &record("a"), Deleted::Hide).await.unwrap();
    register(&registry, "other", &record("a")).await.unwrap();
    assert_eq!(registry.caches.weights().await.texts, kept);

    let bad = input(r#"{"type":"record","name":"R","fields":[{"name":"a","type":"int","default":"x"}]}"#);
    for _ in 0..2 {
        let unknown = registry.lookup(&subject("s"), &bad, Deleted::Hide).await.unwrap_err();
        assert!(matches!(unknown, RegistryError::SchemaNotFound), "{unknown:?}");
        assert!(reason(register(&registry, "s", &bad).await.unwrap_err()).contains("default"));
    }
}

#[tokio::test]
async fn a_content_that_is_imported_again_is_read_with_its_new_references() {
    let (registry, store) = registry().await;
    let base = |symbol: &str| input(&format!(r#"{{"type":"enum","name":"B","symbols":["{symbol}"]}}"#));
    let to_base = json!([{"name": "B", "subject": "base", "version": 1}]);
    let user = schema(r#"{"type":"array","items":"B"}"#, json!({"references": to_base}));
    let import = Terms { id: Some(SchemaId(10)), ..Terms::default() };
    put_mode(&store, "use", Mode::Import).await;
    for symbol in ["X", "Y"] {
        register(&registry, "base", &base(symbol)).await.unwrap();
        register_on(&registry, "use", &user, import.clone()).await.unwrap();

        let found = registry.schema_by_id(10, None).await.unwrap().unwrap();
        let resolved = registry.resolved_text(&found.content).await.unwrap();
        assert!(resolved.contains(symbol), "{resolved}");
        let inlined = registry.lookup(&subject("use"), &input(&resolved), Deleted::Hide).await.unwrap();
        assert_eq!(inlined.entry.id, SchemaId(10));
        for name in ["use", "base"] {
            delete(&store, name, 1, DeleteMode::Soft).await;
            delete(&store, name, 1, DeleteMode::Permanent).await;
        }
    }
}

#[tokio::test]
async fn a_content_that_an_id_got_again_may_lean_on_what_is_deleted_as_it_did() {
    let (registry, store) = registry().await;
    register(&registry, "base", &input(r#"{"type":"enum","name":"B","symbols":["X"]}"#)).await.unwrap();
    let to_base = json!([{"name": "B", "subject": "base", "version": 1}]);
    let user = schema(r#"{"type":"array","items":"B"}"#, json!({"references": to_base}));
    let import = || Terms { id: Some(SchemaId(10)), ..Terms::default() };
    put_mode(&store, "use", Mode::Import).await;
    register_on(&registry, "use", &record("a"), import()).await.unwrap();
    registry.version(&subject("use"), Selector::Latest, Deleted::Hide).await.unwrap();
    delete(&store, "use", 1, DeleteMode::Soft).await;
    delete(&store, "use", 1, DeleteMode::Permanent).await;
    register_on(&registry, "use", &user, import()).await.unwrap();
    for name in ["use", "base"] {
        delete(&store, name, 1, DeleteMode::Soft).await;
    }

    assert_eq!(register(&registry, "other", &user).await.unwrap(), (10, 1));
}

#[tokio::test]
async fn a_schema_weighs_what_it_refers_to_too() {
    let (registry, _store) = registry().await;
    let symbols: Vec<_> = (0..300).map(|at| format!("SYMBOL_{at}")).collect();
    let library = input(&json!({"type": "enum", "name": "E", "symbols": symbols}).to_string());
    let library_bytes = u64::try_from(library.text.as_ref().unwrap().len()).unwrap();
    register(&registry, "E", &library).await.unwrap();
    let before = registry.caches.weights().await;

    let to = json!({"references": [{"name": "E", "subject": "E", "version": 1}]});
    register(&registry, "s", &schema(r#"{"type":"array","items":"E"}"#, to.clone())).await.unwrap();
    register(&registry, "s", &schema(r#"{"type":"array","items":"E","x":1}"#, to)).await.unwrap();

    // Two texts as they were sent, and the one that the other was compared with as it is stored. A content that many
    // may keep has no parsed schema.
    let after = registry.caches.weights().await;
    // Of a symbol of ten bytes, thirteen in the text, a parsed schema makes an allocation and what leads to it.
    assert!(after.texts - before.texts > 3 * 2 * library_bytes, "{before:?} {after:?}");
    assert!(after.contents - before.contents < library_bytes, "{before:?} {after:?}");
}

#[tokio::test]
async fn a_rule_of_a_config_needs_not_say_what_a_rule_of_a_schema_needs_not() {
    let (registry, _store) = registry().await;
    let rules = json!({"defaultRuleSet": {"domainRules": [{"name": "r", "type": "CEL"}]}});

    let echo = registry.change_config(&ScopeName::parse("s"), of_json(rules)).await.unwrap();

    let of_kind = |rules: &RuleSet| format!("{:?} {:?}", rules.domain_rules[0].kind, rules.domain_rules[0].mode);
    let Change::Set(kept) = &echo.default_rule_set else { panic!("{echo:?}") };
    assert_eq!(of_kind(kept), "Some(Transform) Some(WriteRead)");
    let registered = register_on(&registry, "s", &record("a"), Terms::default()).await.unwrap();
    assert_eq!(of_kind(registered.schema.rule_set.as_ref().unwrap()), "Some(Transform) Some(WriteRead)");
}
