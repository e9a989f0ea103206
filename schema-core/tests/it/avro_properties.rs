//! What holds for every schema: random ones, and random damage to them.

use proptest::prelude::*;
use proptest::sample::select;
use schema_core::format::avro::AvroSchema;
use schema_core::format::{Limits, Strictness};
use serde_json::{Map, Value, json};

use crate::table::{source, try_parse};

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_filter("JSON has no NaN", |number| number.is_finite()).prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-d]", inner, 0..4).prop_map(|map| json!(map)),
        ]
    })
}

fn extras() -> impl Strategy<Value = Map<String, Value>> {
    let extra = prop_oneof![
        (select(vec!["p", "q", "logicalType", "precision", "scale", "é"]), value())
            .prop_map(|(key, value)| (key.to_owned(), value)),
        any::<String>().prop_map(|doc| ("doc".to_owned(), json!(doc))),
        select(vec!["decimal", "date", "uuid"]).prop_map(|name| ("logicalType".to_owned(), json!(name))),
    ];
    prop::collection::vec(extra, 0..3).prop_map(|extras| extras.into_iter().collect())
}

fn with(mut base: Value, extras: Map<String, Value>) -> Value {
    if let Some(object) = base.as_object_mut() {
        for (key, value) in extras {
            object.entry(key).or_insert(value);
        }
    }
    base
}

/// Types that are mostly valid: names come from a few, so uses, forward references and redefinitions all happen.
///
/// None of a namespace shares its last part with one of none. Avro writes both as `B` inside of `n`, where a reader
/// takes `B` for `n.B` only if that is complete by then: a recursive `n.B` behind a `B` is printed as something else.
fn schema() -> impl Strategy<Value = Value> {
    let primitives = vec!["null", "boolean", "int", "long", "float", "double", "bytes", "string"];
    let names = vec!["A", "B", "C", "n.D", "n.E", "m.D", "n.record"];
    let leaf = prop_oneof![
        4 => select(primitives.clone()).prop_map(Value::from),
        1 => (select(primitives), extras()).prop_map(|(kind, extras)| with(json!({ "type": kind }), extras)),
        1 => select(names.clone()).prop_map(Value::from),
        1 => (select(names.clone()), extras())
            .prop_map(|(name, extras)| with(json!({"type": "enum", "name": name, "symbols": ["X", "Y"]}), extras)),
        1 => (select(names.clone()), 0..20_u32)
            .prop_map(|(name, size)| json!({"type": "fixed", "name": name, "size": size, "aliases": ["Z", "n.Z"]})),
    ];
    leaf.prop_recursive(4, 24, 4, move |inner| {
        let field = (inner.clone(), extras(), prop::option::weighted(0.3, value()));
        let record = (select(names.clone()), prop::collection::vec(field, 0..4), extras());
        prop_oneof![
            1 => (inner.clone(), extras()).prop_map(|(items, extras)| with(json!({"type": "array", "items": items}), extras)),
            1 => (inner.clone(), extras()).prop_map(|(values, extras)| with(json!({"type": "map", "values": values}), extras)),
            1 => prop::collection::vec(inner, 0..4).prop_map(Value::from),
            3 => record.prop_map(|(name, fields, extras)| {
                let fields: Vec<_> = fields.into_iter().enumerate().map(|(at, (kind, extras, default))| {
                    let mut field = with(json!({"name": format!("f{at}"), "type": kind}), extras);
                    if let Some(default) = default {
                        field["default"] = default;
                    }
                    field
                }).collect();
                with(json!({"type": "record", "name": name, "fields": fields}), extras)
            }),
        ]
    })
}

fn stored(text: &str) -> AvroSchema {
    AvroSchema::parse(&source(text), Strictness::Stored, &Limits::default())
        .unwrap_or_else(|error| panic!("{error}: {text}"))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    #[test]
    fn printing_is_idempotent(schema in schema()) {
        // Looked up rather than registered: a random default seldom fits.
        let parsed = AvroSchema::parse(&source(&schema.to_string()), Strictness::Stored, &Limits::default());
        let Ok(parsed) = parsed else { return Ok(()) };

        let canonical = parsed.canonical_text();
        let again = stored(&canonical);
        prop_assert_eq!(again.canonical_text(), canonical);
        prop_assert_eq!(again.fingerprint(), parsed.fingerprint());
        if let Ok(normal) = parsed.normalized_text() {
            let again = stored(&normal).normalized_text();
            prop_assert_eq!(again.as_ref(), Ok(&normal));
        }
    }

    #[test]
    fn damaged_schemas_are_answered(schema in schema(), at in any::<prop::sample::Index>(), with in any::<char>()) {
        let text = schema.to_string();
        let chars: Vec<char> = text.chars().collect();
        let at = at.index(chars.len());

        let cut: String = chars[..at].iter().collect();
        let replaced: String = chars[..at].iter().chain([&with]).chain(&chars[at + 1..]).collect();
        for text in [cut, replaced] {
            if let Err(error) = try_parse(&text) {
                let lines = text.split(['\n', '\r']).count();
                prop_assert!(error.position.line as usize <= lines && error.position.column >= 1);
            }
        }
    }

    #[test]
    fn any_text_is_answered(text in any::<String>()) {
        let _ = try_parse(&text);
    }
}
