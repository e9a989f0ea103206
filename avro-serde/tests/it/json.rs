//! Avro as JSON: the tagged form to the letter, the plain form both ways, and ambiguous unions.

use avro_serde::Schema;
use avro_serde::codec::{Codec, Decode, DecodeLimits, EncodeError, JsonCodec, Resolution};
use serde_json::{Value, json};

fn encode(codec: JsonCodec, schema: &str, value: &Value) -> Result<Vec<u8>, EncodeError> {
    let mut out = Vec::new();
    codec.encode(value, &Schema::parse(schema).unwrap(), &mut out)?;
    Ok(out)
}

fn decode(codec: JsonCodec, schema: &str, datum: &[u8]) -> Value {
    let resolution = Resolution::as_written(Schema::parse(schema).unwrap());
    codec.decode(datum, &resolution, &DecodeLimits::default()).unwrap().0
}

const FIXED: &str = r#"{"type": "fixed", "name": "n.F", "size": 2}"#;

#[test]
fn both_forms_of_a_union_are_written_and_read() {
    // Schema, tagged form, plain form as it is printed.
    let table = [
        (r#"["null", "string"]"#, json!(null), json!(null)),
        (r#"["null", "string"]"#, json!({"string": "x"}), json!("x")),
        (r#"["null", "int", "string", "boolean"]"#, json!({"boolean": true}), json!(true)),
        (r#"["int"]"#, json!({"int": 1}), json!(1)),
        // Not clear from the bare value: stays tagged.
        (r#"["string", "bytes"]"#, json!({"bytes": "x"}), json!({"bytes": "x"})),
        (r#"["int", "double"]"#, json!({"int": 1}), json!({"int": 1})),
        (r#"["null", "double", "string"]"#, json!({"double": 0.5}), json!({"double": 0.5})),
        // A map whose only key is a branch's name would be taken for a tag.
        (r#"["null", {"type": "map", "values": "int"}]"#, json!({"map": {"a": 1}}), json!({"a": 1})),
        (r#"["null", {"type": "map", "values": "int"}]"#, json!({"map": {"map": 1}}), json!({"map": {"map": 1}})),
        (r#"["null", {"type": "array", "items": "int"}]"#, json!({"array": [1]}), json!([1])),
    ];

    for (schema, tagged, plain) in table {
        let datum = encode(JsonCodec::tagged(), schema, &tagged).unwrap();
        assert_eq!(decode(JsonCodec::tagged(), schema, &datum), tagged, "{schema}");
        assert_eq!(decode(JsonCodec::plain(), schema, &datum), plain, "{schema}");
        assert_eq!(encode(JsonCodec::plain(), schema, &plain).unwrap(), datum, "{schema}");
        // The plain form takes the tagged one as well.
        assert_eq!(encode(JsonCodec::plain(), schema, &tagged).unwrap(), datum, "{schema}");
    }
}

#[test]
fn a_bare_value_goes_to_the_first_branch_it_fits() {
    let two_records = r#"[
        {"type": "record", "name": "A", "fields": [{"name": "x", "type": "int"}]},
        {"type": "record", "name": "B", "fields": [{"name": "x", "type": "int"}, {"name": "y", "type": "int", "default": 0}]}]"#;
    let table = [
        (r#"["int", "long"]"#.to_owned(), json!(1), 0),
        (r#"["int", "long"]"#.to_owned(), json!(1_i64 << 40), 2),
        (r#"["int", "double"]"#.to_owned(), json!(0.5), 2),
        (r#"["bytes", "string"]"#.to_owned(), json!("x"), 0),
        (r#"["bytes", "string"]"#.to_owned(), json!("Ā"), 2),
        (format!(r#"[{FIXED}, "string"]"#), json!("abc"), 2),
        (two_records.to_owned(), json!({"x": 1}), 0),
        (two_records.to_owned(), json!({"x": 1, "y": 2}), 2),
        (two_records.to_owned(), json!({"B": {"x": 1}}), 2),
    ];

    for (schema, value, branch) in table {
        assert_eq!(encode(JsonCodec::plain(), &schema, &value).unwrap()[0], branch, "{schema} {value}");
    }
    assert!(encode(JsonCodec::tagged(), r#"["null", "int"]"#, &json!(1)).is_err());
}

#[test]
fn bytes_and_special_numbers_are_written_as_avro_does() {
    let table = [
        ("\"bytes\"", json!("\u{0}\u{ff}")),
        (FIXED, json!("a\u{80}")),
        ("\"double\"", json!("NaN")),
        ("\"double\"", json!("Infinity")),
        ("\"float\"", json!("-Infinity")),
        ("\"float\"", json!(0.1)),
        ("\"double\"", json!(1e300)),
        ("\"long\"", json!(i64::MIN)),
        (r#"{"type": "enum", "name": "E", "symbols": ["A", "B"]}"#, json!("B")),
    ];

    for (schema, value) in table {
        let datum = encode(JsonCodec::tagged(), schema, &value).unwrap();
        assert_eq!(decode(JsonCodec::tagged(), schema, &datum), value, "{schema}");
    }
}

#[test]
fn values_that_do_not_fit_are_refused_with_their_place() {
    let record = r#"{"type": "record", "name": "R", "fields": [
        {"name": "a", "type": {"type": "array", "items": "int"}}, {"name": "d", "type": "int", "default": 5}]}"#;
    let table = [
        (record, json!({"a": [1, "x"]}), "expected `int`, found a string at `a[1]`"),
        (record, json!({}), "lacks this field, and the schema has no default for it at `a`"),
        (record, json!({"a": [], "b": 1}), "the schema has no such field at `b`"),
        (record, json!([]), "expected `record`, found an array"),
        ("\"int\"", json!(1_i64 << 40), "expected `int`, found the number 1099511627776"),
        ("\"int\"", json!(0.5), "expected `int`, found the number 0.5"),
        ("\"bytes\"", json!("Ā"), "above U+00FF"),
        (FIXED, json!("a"), "the fixed `n.F` has 2 bytes, found 1"),
        (r#"["null", "int"]"#, json!("x"), "no branch of the union takes a string, expected one of: null, int"),
    ];

    for (schema, value, expected) in table {
        let error = encode(JsonCodec::plain(), schema, &value).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}, expected `{expected}`");
    }
    assert_eq!(encode(JsonCodec::plain(), record, &json!({"a": []})).unwrap(), [0, 10]);
    assert_eq!(encode(JsonCodec::plain(), "\"long\"", &json!(5.0)).unwrap(), [10]);
}

#[test]
fn printed_fields_keep_the_order_of_the_schema() {
    let schema = r#"{"type": "record", "name": "R", "fields": [
        {"name": "z", "type": ["null", {"type": "record", "name": "S", "fields": [
            {"name": "y", "type": "int"}, {"name": "x", "type": "int"}]}]},
        {"name": "a", "type": {"type": "map", "values": "int"}}]}"#;
    // The map's `b` comes twice.
    let datum = [2, 2, 4, 6, 2, b'b', 2, 2, b'a', 4, 2, b'b', 6, 0];
    let resolution = Resolution::as_written(Schema::parse(schema).unwrap());

    let read = JsonCodec::plain().ordered().decode(&datum, &resolution, &DecodeLimits::default());
    let (ordered, used) = read.unwrap();

    assert_eq!(serde_json::to_string(&ordered).unwrap(), r#"{"z":{"y":1,"x":2},"a":{"a":2,"b":3}}"#);
    assert_eq!(used, datum.len());
    assert_eq!(serde_json::to_value(&ordered).unwrap(), decode(JsonCodec::plain(), schema, &datum));
}
