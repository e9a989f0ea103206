//! Reading with another schema: Java's rules line by line, and the shapes that are refused before a byte is read.

use avro_serde::Schema;
use avro_serde::codec::{
    Codec, Decode, DecodeError, DecodeErrorKind, DecodeLimits, JsonCodec, Resolution, ResolveError,
};
use serde_json::{Value, json};

/// A schema, as JSON or as a bare name.
fn schema(value: &Value) -> Schema {
    let text = value.to_string();
    Schema::parse(&text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn resolution(writer: &Value, reader: &Value) -> Result<Resolution, ResolveError> {
    Resolution::new(&schema(writer), &schema(reader))
}

/// Writes `value` (Avro's JSON) with `writer`, reads it with `reader`.
fn read(writer: &Value, value: &Value, reader: &Value) -> Result<Value, DecodeError> {
    let mut datum = Vec::new();
    JsonCodec::tagged().encode(value, &schema(writer), &mut datum).unwrap();
    let resolution = resolution(writer, reader).unwrap_or_else(|error| panic!("{writer} -> {reader}: {error}"));
    let (value, used) = JsonCodec::tagged().decode(&datum, &resolution, &DecodeLimits::default())?;
    assert_eq!(used, datum.len(), "{writer} -> {reader}");
    Ok(value)
}

fn record(name: &str, fields: &Value) -> Value {
    json!({"type": "record", "name": name, "fields": fields})
}

fn field(name: &str, schema: &Value) -> Value {
    json!({"name": name, "type": schema})
}

fn field_or(name: &str, schema: &Value, default: &Value) -> Value {
    json!({"name": name, "type": schema, "default": default})
}

fn symbols(name: &str, symbols: &Value) -> Value {
    json!({"type": "enum", "name": name, "symbols": symbols})
}

fn fixed(name: &str, size: u32) -> Value {
    json!({"type": "fixed", "name": name, "size": size})
}

#[track_caller]
fn check(table: &[(Value, Value, Value, Value)]) {
    for (writer, value, reader, expected) in table {
        let found = read(writer, value, reader);
        assert_eq!(found.as_ref(), Ok(expected), "{writer} {value} -> {reader}");
    }
}

/// Sound data that the reader's schema has no place for.
#[track_caller]
fn check_unresolvable(table: &[(Value, Value, Value)]) {
    for (writer, value, reader) in table {
        let error = read(writer, value, reader).unwrap_err();
        assert_eq!(error.kind(), DecodeErrorKind::Unresolvable, "{writer} {value} -> {reader}: {error}");
    }
}

#[test]
fn numbers_and_texts_promote() {
    check(&[
        (json!("int"), json!(5), json!("long"), json!(5)),
        (json!("int"), json!(5), json!("float"), json!(5.0)),
        (json!("int"), json!(16_777_217), json!("float"), json!(16_777_216.0)),
        (json!("int"), json!(5), json!("double"), json!(5.0)),
        (json!("long"), json!(5), json!("float"), json!(5.0)),
        (json!("long"), json!(i64::MAX), json!("double"), json!(9_223_372_036_854_775_807.0)),
        (json!("float"), json!(0.1), json!("double"), json!(0.100_000_001_490_116_12)),
        (json!("string"), json!("hé"), json!("bytes"), json!("hÃ©")),
        (json!("bytes"), json!("h\u{c3}\u{a9}"), json!("string"), json!("hé")),
    ]);
}

#[test]
fn a_reader_does_not_narrow_what_was_written() {
    check_unresolvable(&[
        (json!("long"), json!(5), json!("int")),
        (json!("double"), json!(0.5), json!("float")),
        (json!("float"), json!(0.5), json!("long")),
        (json!("boolean"), json!(true), json!("int")),
        (json!("string"), json!("5"), json!("int")),
        (json!({"type": "map", "values": "int"}), json!({"a": 1}), record("R", &json!([field("a", &json!("int"))]))),
        (record("R", &json!([field("a", &json!("int"))])), json!({"a": 1}), json!({"type": "map", "values": "int"})),
        (json!({"type": "array", "items": "int"}), json!([]), json!({"type": "map", "values": "int"})),
    ]);
}

#[test]
fn fields_meet_by_name_and_defaults_fill() {
    let writer = record(
        "W",
        &json!([field("a", &json!("int")), field("gone", &json!(["null", "string"])), field("b", &json!("string"))]),
    );
    let value = json!({"a": 1, "gone": {"string": "x"}, "b": "y"});
    check(&[
        // The names of records do not matter at the top.
        (writer.clone(), value.clone(), record("R", &json!([field("b", &json!("string"))])), json!({"b": "y"})),
        // Another order, a promotion.
        (
            writer.clone(),
            value.clone(),
            record("R", &json!([field("b", &json!("string")), field("a", &json!("long"))])),
            json!({"a": 1, "b": "y"}),
        ),
        // Defaults before, between and after, in the writer's order and not.
        (
            writer.clone(),
            value.clone(),
            record(
                "R",
                &json!([
                    field_or("d0", &json!("int"), &json!(7)),
                    field("a", &json!("int")),
                    field_or("d1", &json!(["null", "int"]), &Value::Null),
                    field("b", &json!("string")),
                    field_or("d2", &json!({"type": "array", "items": "int"}), &json!([1, 2]))
                ]),
            ),
            json!({"d0": 7, "a": 1, "d1": null, "b": "y", "d2": [1, 2]}),
        ),
        (
            writer.clone(),
            value.clone(),
            record(
                "R",
                &json!([
                    field("b", &json!("string")),
                    field_or("d", &json!("string"), &json!("z")),
                    field("a", &json!("int"))
                ]),
            ),
            json!({"b": "y", "d": "z", "a": 1}),
        ),
        (
            record("W", &json!([])),
            json!({}),
            record("R", &json!([field_or("a", &json!("int"), &json!(1))])),
            json!({"a": 1}),
        ),
    ]);
}

#[test]
fn defaults_take_every_type() {
    let empty = record("W", &json!([]));
    let inner = record("In", &json!([field_or("x", &json!("int"), &json!(1)), field("y", &json!("int"))]));
    let table = [
        (json!("boolean"), json!(true), json!(true)),
        (json!("long"), json!(-3), json!(-3)),
        (json!("float"), json!(1), json!(1.0)),
        (json!("double"), json!(0.1), json!(0.1)),
        (json!("bytes"), json!("\u{ff}"), json!("\u{ff}")),
        (fixed("F", 2), json!("ab"), json!("ab")),
        (symbols("E", &json!(["A", "B"])), json!("B"), json!("B")),
        (json!({"type": "map", "values": "long"}), json!({"k": 1}), json!({"k": 1})),
        (inner, json!({"y": 2}), json!({"x": 1, "y": 2})),
        // A union's default is the first branch of the JSON kind, in any place.
        (json!(["null", "string"]), json!("x"), json!({"string": "x"})),
        (json!(["null", "bytes", "string"]), json!("x"), json!({"bytes": "x"})),
        (json!(["double", "long"]), json!(1), json!({"double": 1.0})),
    ];
    for (schema, default, expected) in table {
        let reader = record("R", &json!([field_or("f", &schema, &default)]));
        assert_eq!(read(&empty, &json!({}), &reader), Ok(json!({"f": expected})), "{schema} {default}");
    }
}

#[test]
fn a_missing_field_without_default_is_an_error_only_where_it_is_reached() {
    let writer = json!({"type": "array", "items": record("R", &json!([]))});
    let reader = json!({"type": "array", "items": record("R", &json!([field("a", &json!("int"))]))});

    check(&[(writer.clone(), json!([]), reader.clone(), json!([]))]);
    check_unresolvable(&[(writer, json!([{}]), reader)]);
}

#[test]
fn aliases_lead_from_the_reader_to_the_writer() {
    let aliased = |name: &str, aliases: &Value, fields: &Value| json!({"type": "record", "name": name, "aliases": aliases, "fields": fields});
    let renamed = json!([{"name": "new", "aliases": ["old", "older"], "type": "int"}]);
    let written = |name: &str, field_name: &str| record(name, &json!([field(field_name, &json!("int"))]));
    check(&[
        (written("R", "old"), json!({"old": 1}), record("R", &renamed), json!({"new": 1})),
        (written("R", "older"), json!({"older": 1}), record("R", &renamed), json!({"new": 1})),
        // The record's old name is an alias, too, with and without namespace.
        (written("Old", "old"), json!({"old": 1}), aliased("R", &json!(["Old"]), &renamed), json!({"new": 1})),
        (written("n.Old", "old"), json!({"old": 1}), aliased("n.R", &json!(["Old"]), &renamed), json!({"new": 1})),
        (written("m.Old", "old"), json!({"old": 1}), aliased("n.R", &json!(["m.Old"]), &renamed), json!({"new": 1})),
        // Of two fields with one alias the last gets it.
        (
            written("R", "old"),
            json!({"old": 1}),
            record(
                "R",
                &json!([
                {"name": "a", "aliases": ["old"], "type": "int", "default": 7},
                {"name": "b", "aliases": ["old"], "type": "int"}]),
            ),
            json!({"a": 7, "b": 1}),
        ),
        // An alias wins over the name of another field.
        (
            written("R", "a"),
            json!({"a": 1}),
            record(
                "R",
                &json!([
                {"name": "a", "type": "int", "default": 7}, {"name": "b", "aliases": ["a"], "type": "int"}]),
            ),
            json!({"a": 7, "b": 1}),
        ),
        // Enum and fixed by alias.
        (
            symbols("Old", &json!(["A"])),
            json!("A"),
            json!({"type": "enum", "name": "New", "aliases": ["Old"], "symbols": ["B", "A"]}),
            json!("A"),
        ),
    ]);
    // A field alias does nothing where the records' full names differ.
    check_unresolvable(&[(written("n.R", "old"), json!({"old": 1}), record("R", &renamed))]);
    // The alias never leads the other way.
    let aliased_writer = record("R", &renamed);
    check_unresolvable(&[(aliased_writer, json!({"new": 1}), written("R", "old"))]);
}

#[test]
fn alias_and_name_at_once_contradict() {
    let writer = record("R", &json!([field("old", &json!("int")), field("new", &json!("int"))]));
    let reader = record("R", &json!([{"name": "new", "aliases": ["old"], "type": "int"}]));
    assert!(matches!(resolution(&writer, &reader), Err(ResolveError::Contradiction { .. })));

    let writer = json!([record("A", &json!([])), record("B", &json!([]))]);
    let reader = json!({"type": "record", "name": "B", "aliases": ["A"], "fields": []});
    assert!(matches!(resolution(&writer, &reader), Err(ResolveError::Contradiction { .. })));
}

#[test]
fn enums_and_fixed_meet_by_short_name() {
    let with_default = json!({"type": "enum", "name": "n.E", "symbols": ["X", "A"], "default": "X"});
    check(&[
        (symbols("m.E", &json!(["A", "B"])), json!("A"), with_default.clone(), json!("A")),
        (symbols("m.E", &json!(["A", "B"])), json!("B"), with_default, json!("X")),
        (symbols("E", &json!(["A", "B"])), json!("A"), symbols("E", &json!(["A"])), json!("A")),
        (fixed("m.F", 2), json!("ab"), fixed("n.F", 2), json!("ab")),
    ]);
    check_unresolvable(&[
        (symbols("E", &json!(["A", "B"])), json!("B"), symbols("E", &json!(["A"]))),
        (symbols("E", &json!(["A"])), json!("A"), symbols("F", &json!(["A"]))),
        (fixed("F", 2), json!("ab"), fixed("F", 3)),
        (fixed("F", 2), json!("ab"), fixed("G", 2)),
    ]);
}

#[test]
fn unions_that_are_alike_go_branch_by_branch() {
    let shape =
        |namespace: &str, name: &str| record(&format!("{namespace}.{name}"), &json!([field("x", &json!("int"))]));
    let union =
        |namespace: &str| json!([shape(namespace, "A"), shape(namespace, "B"), fixed(&format!("{namespace}.F"), 1)]);
    check(&[
        // Records of like shape stay apart, also when the namespace moves.
        (union("m"), json!({"m.B": {"x": 1}}), union("n"), json!({"n.B": {"x": 1}})),
        (union("m"), json!({"m.F": "a"}), union("n"), json!({"n.F": "a"})),
        (json!(["null", "string"]), json!({"string": "x"}), json!(["null", "string"]), json!({"string": "x"})),
    ]);
}

#[test]
fn unions_that_differ_go_by_value_and_type() {
    let a = record("A", &json!([field("x", &json!("int"))]));
    let b = record("B", &json!([field("x", &json!("int"))]));
    check(&[
        // Of two records of like shape the one of the same name.
        (json!([a, b]), json!({"B": {"x": 1}}), json!(["null", a, b]), json!({"B": {"x": 1}})),
        (json!(["null", "int"]), json!({"int": 1}), json!(["null", "string", "long"]), json!({"long": 1})),
        (json!(["null", "int"]), Value::Null, json!(["string", "null"]), Value::Null),
        // Into a union, and out of one.
        (json!("int"), json!(1), json!(["null", "int"]), json!({"int": 1})),
        (json!(["null", "int"]), json!({"int": 1}), json!("int"), json!(1)),
        (json!(["int", "string"]), json!({"int": 1}), json!("double"), json!(1.0)),
        // The own kind wins over a promotion that stands before it; else the first promotion.
        (json!("int"), json!(1), json!(["long", "float", "int"]), json!({"int": 1})),
        (json!("int"), json!(16_777_217), json!(["float", "double"]), json!({"float": 16_777_216.0})),
        (json!("long"), json!(1), json!(["double", "float"]), json!({"double": 1.0})),
        (json!("string"), json!("x"), json!(["null", "bytes"]), json!({"bytes": "x"})),
        (json!("float"), json!(0.5), json!(["int", "double"]), json!({"double": 0.5})),
    ]);
    check_unresolvable(&[
        (json!(["null", "int"]), Value::Null, json!("int")),
        (json!("string"), json!("x"), json!(["null", "int"])),
        // An enum whose namespace moved is none of the reader's branches, unless the unions are alike.
        (symbols("m.E", &json!(["A"])), json!("A"), json!(["null", symbols("n.E", &json!(["A"]))])),
        (fixed("m.F", 1), json!("a"), json!(["null", fixed("n.F", 1)])),
    ]);
}

#[test]
fn recursive_types_resolve() {
    let list = |extra: &Value| {
        let mut fields = vec![field("v", &json!("int")), field("next", &json!(["null", "L"]))];
        fields.extend(extra.as_array().unwrap().iter().cloned());
        record("L", &Value::from(fields))
    };
    let reader = list(&json!([field_or("d", &json!("string"), &json!("z"))]));

    check(&[(
        list(&json!([])),
        json!({"v": 1, "next": {"L": {"v": 2, "next": null}}}),
        reader,
        json!({"v": 1, "next": {"L": {"v": 2, "next": null, "d": "z"}}, "d": "z"}),
    )]);
}

#[test]
fn logical_types_play_no_part() {
    let millis = json!({"type": "long", "logicalType": "timestamp-millis"});
    let micros = json!({"type": "long", "logicalType": "timestamp-micros"});

    check(&[
        (millis.clone(), json!(1), micros, json!(1)),
        (json!("long"), json!(1), millis.clone(), json!(1)),
        (json!("int"), json!(1), millis, json!(1)),
    ]);
}

/// The table in the documentation of `resolve.rs`, a test for each line.
mod not_supported_yet {
    use super::*;

    #[track_caller]
    fn check_refused(writer: &Value, reader: &Value, expected: &str) {
        match resolution(writer, reader) {
            Err(ResolveError::NotSupportedYet { reason, .. }) => assert!(reason.contains(expected), "{reason}"),
            other => panic!("{writer} -> {reader}: {other:?}"),
        }
    }

    #[test]
    fn a_record_into_a_union_of_records_by_structure() {
        let writer = record("m.A", &json!([field("x", &json!("int"))]));
        let reader = json!(["null", record("n.A", &json!([field("x", &json!("int"))]))]);
        check_refused(&writer, &reader, "the record `m.A` meets a union of records");
        // Also below a writer's union that is not alike.
        check_refused(&json!(["null", writer, "int"]), &reader, "the record `m.A` meets a union of records");
    }

    #[test]
    fn a_union_default_that_its_first_branch_cannot_hold() {
        let reader = record("R", &json!([field_or("f", &json!(["long", "double"]), &json!(1.5))]));
        check_refused(&record("R", &json!([])), &reader, "does not fit `long`");
    }

    #[test]
    fn a_bytes_default_above_latin_1() {
        let reader = record("R", &json!([field_or("f", &json!("bytes"), &json!("Ā"))]));
        check_refused(&record("R", &json!([])), &reader, "does not fit `bytes`");
    }

    #[test]
    fn a_fixed_default_of_another_length() {
        let reader = record("R", &json!([field_or("f", &fixed("F", 2), &json!("abc"))]));
        check_refused(&record("R", &json!([])), &reader, "does not fit `fixed`");
    }

    #[test]
    fn an_alias_that_two_types_claim() {
        let reader = record(
            "R",
            &json!([
                field("a", &json!({"type": "fixed", "name": "F", "aliases": ["Old"], "size": 1})),
                field("b", &json!({"type": "fixed", "name": "G", "aliases": ["Old"], "size": 1}))
            ]),
        );
        let writer = record("R", &json!([field("a", &fixed("Old", 1))]));
        check_refused(&writer, &reader, "two types have the alias `Old`");
    }

    #[test]
    fn equal_schemas_but_for_texts_with_an_alias_that_is_a_name() {
        let fields = |aliases: &Value| {
            json!([
            {"name": "a", "type": "int"}, {"name": "b", "type": "int", "aliases": aliases}])
        };
        check_refused(
            &record("R", &fields(&json!([]))),
            &record("R", &fields(&json!(["a"]))),
            "also the name of another",
        );
    }
}

#[test]
fn equal_schemas_need_no_plan() {
    let fields = json!([field("a", &json!("int"))]);
    let mut documented = record("R", &fields);
    documented["doc"] = json!("words");

    let found = resolution(&record("R", &fields), &documented).unwrap();

    assert!(format!("{found:?}").contains("is_rewriting: false"));
}

#[test]
fn limits_hold_for_what_defaults_add() {
    let writer = json!({"type": "array", "items": record("R", &json!([field("x", &json!("boolean"))]))});
    let long = "x".repeat(60_000);
    let reader = json!({"type": "array", "items": record("R", &json!([
        field("x", &json!("boolean")), field_or("d", &json!("string"), &json!(long))]))});
    let resolution = resolution(&writer, &reader).unwrap();
    // 1,000 items of one byte each.
    let datum = [vec![0xd0, 0x0f], vec![1; 1_000], vec![0]].concat();

    let error = JsonCodec::plain().decode(&datum, &resolution, &DecodeLimits::default()).unwrap_err();

    assert_eq!(error.kind(), DecodeErrorKind::Limit, "{error}");
}
