//! How Rust types and Avro types meet: exact bytes, both ways, and what is refused.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Debug;

use avro_serde::Schema;
use avro_serde::codec::{AvroCodec, Codec, Decode, DecodeError, DecodeLimits, EncodeError, Resolution};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

fn encode<T: Serialize + ?Sized>(schema: &str, value: &T) -> Result<Vec<u8>, EncodeError> {
    let mut out = Vec::new();
    AvroCodec.encode(value, &Schema::parse(schema).unwrap(), &mut out)?;
    Ok(out)
}

fn decode<T: DeserializeOwned>(schema: &str, datum: &[u8]) -> Result<T, DecodeError> {
    let resolution = Resolution::as_written(Schema::parse(schema).unwrap());
    let (value, used) = AvroCodec.decode(datum, &resolution, &DecodeLimits::default())?;
    assert_eq!(used, datum.len(), "{schema}");
    Ok(value)
}

#[track_caller]
fn both_ways<T: Serialize + DeserializeOwned + PartialEq + Debug>(schema: &str, value: T, datum: &[u8]) {
    assert_eq!(encode(schema, &value).unwrap(), datum, "{schema} {value:?}");
    assert_eq!(decode::<T>(schema, datum).unwrap(), value, "{schema} {datum:?}");
}

#[track_caller]
fn refused<T: Serialize + Debug>(schema: &str, value: T, expected: &str) {
    let error = encode(schema, &value).unwrap_err().to_string();
    assert!(error.contains(expected), "{schema} {value:?}: `{error}`, expected `{expected}`");
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Point {
    x: i32,
    y: i64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Swapped {
    y: i64,
    x: i32,
}

const POINT: &str = r#"{"type": "record", "name": "geo.Point", "fields": [
    {"name": "x", "type": "int"}, {"name": "y", "type": "long", "default": -1}]}"#;

#[test]
fn primitives_have_avros_bytes() {
    both_ways("\"null\"", (), &[]);
    both_ways("\"boolean\"", true, &[1]);
    both_ways("\"int\"", -1_i32, &[1]);
    both_ways("\"int\"", i32::MAX, &[0xfe, 0xff, 0xff, 0xff, 0x0f]);
    both_ways("\"int\"", i32::MIN, &[0xff, 0xff, 0xff, 0xff, 0x0f]);
    both_ways("\"long\"", i64::MAX, &[0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]);
    both_ways("\"long\"", i64::MIN, &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]);
    both_ways("\"long\"", 64_u8, &[0x80, 0x01]);
    both_ways("\"float\"", 1.5_f32, &1.5_f32.to_le_bytes());
    both_ways("\"double\"", -0.0_f64, &(-0.0_f64).to_le_bytes());
    both_ways("\"string\"", "hé".to_owned(), &[6, b'h', 0xc3, 0xa9]);
    both_ways("\"string\"", 'x', &[2, b'x']);
    both_ways("\"bytes\"", vec![0_u8, 255], &[4, 0, 255]);
    both_ways(r#"{"type": "fixed", "name": "F", "size": 3}"#, [1_u8, 2, 255], &[1, 2, 255]);
}

#[test]
fn numbers_widen_only_without_loss() {
    assert_eq!(encode("\"long\"", &5_i8).unwrap(), [10]);
    assert_eq!(encode("\"int\"", &5_u64).unwrap(), [10]);
    assert_eq!(encode("\"double\"", &5_i32).unwrap(), 5_f64.to_le_bytes());
    assert_eq!(encode("\"double\"", &0.5_f32).unwrap(), 0.5_f64.to_le_bytes());
    assert_eq!(encode("\"float\"", &0.5_f64).unwrap(), 0.5_f32.to_le_bytes());
    refused("\"int\"", 1_i64 << 40, "does not fit an `int`");
    refused("\"long\"", u64::MAX, "does not fit a `long`");
    refused("\"long\"", i128::MAX, "does not fit a `long`");
    refused("\"float\"", 16_777_217_i32, "without loss");
    refused("\"double\"", i64::MAX, "without loss");
    refused("\"float\"", 0.1_f64, "without loss");
    refused("\"long\"", 1.0_f64, "expected `long`, found a floating-point number");
    assert_eq!(decode::<i64>("\"int\"", &[10]).unwrap(), 5);
    assert_eq!(decode::<f64>("\"float\"", &0.5_f32.to_le_bytes()).unwrap(), 0.5);
    assert!(decode::<i32>("\"long\"", &encode("\"long\"", &(1_i64 << 40)).unwrap()).is_err());
    assert!(decode::<f32>("\"double\"", &0.1_f64.to_le_bytes()).is_err());
}

#[test]
fn records_meet_by_field_name_in_any_order() {
    both_ways(POINT, Point { x: 1, y: 2 }, &[2, 4]);
    both_ways(POINT, Swapped { x: 1, y: 2 }, &[2, 4]);
    both_ways(POINT, BTreeMap::from([("x".to_owned(), 1_i64), ("y".to_owned(), 2)]), &[2, 4]);
}

#[test]
fn a_field_that_is_left_out_takes_the_schemas_default() {
    #[derive(Debug, Serialize)]
    struct Partial {
        #[serde(skip_serializing_if = "Option::is_none")]
        y: Option<i64>,
        x: i32,
    }

    assert_eq!(encode(POINT, &Partial { x: 1, y: None }).unwrap(), [2, 1]);
    assert_eq!(encode(POINT, &Partial { x: 1, y: Some(2) }).unwrap(), [2, 4]);
    refused(POINT, BTreeMap::from([("y", 1)]), "lacks this field, and the schema has no default for it at `x`");
    refused(POINT, BTreeMap::from([("x", 1), ("z", 1)]), "has no such field at `z`");
}

#[test]
fn fields_of_the_writer_that_the_struct_lacks_are_passed_over() {
    #[derive(Debug, PartialEq, Deserialize)]
    struct OnlyLast {
        last: bool,
    }
    let schema = r#"{"type": "record", "name": "R", "fields": [
        {"name": "a", "type": {"type": "array", "items": {"type": "map", "values": "string"}}},
        {"name": "u", "type": ["null", {"type": "fixed", "name": "F", "size": 2}]},
        {"name": "last", "type": "boolean"}]}"#;
    let datum = [1, 14, 2, 2, b'k', 4, b'v', b'w', 0, 0, 2, 9, 9, 1];

    assert_eq!(decode::<OnlyLast>(schema, &datum).unwrap(), OnlyLast { last: true });
}

#[test]
fn arrays_and_maps_are_one_block_and_an_end() {
    both_ways(r#"{"type": "array", "items": "int"}"#, vec![1, 2, 300], &[6, 2, 4, 0xd8, 4, 0]);
    both_ways(r#"{"type": "array", "items": "int"}"#, Vec::<i32>::new(), &[0]);
    both_ways(r#"{"type": "array", "items": "int"}"#, (1, 2), &[4, 2, 4, 0]);
    both_ways(r#"{"type": "map", "values": "int"}"#, HashMap::from([("a".to_owned(), 1)]), &[2, 2, b'a', 2, 0]);
    both_ways(r#"{"type": "map", "values": "int"}"#, HashMap::<String, i32>::new(), &[0]);
    both_ways(r#"{"type": "map", "values": "long"}"#, Point { x: 1, y: 2 }, &[4, 2, b'x', 2, 2, b'y', 4, 0]);
}

#[test]
fn blocks_with_sizes_and_many_blocks_are_read() {
    let array = r#"{"type": "array", "items": "int"}"#;

    assert_eq!(decode::<Vec<i32>>(array, &[3, 4, 2, 4, 2, 6, 0]).unwrap(), [1, 2, 3]);
    let error = decode::<Vec<i32>>(array, &[3, 6, 2, 4, 2, 6, 0]).unwrap_err().to_string();
    assert!(error.contains("do not fill the size"), "{error}");
}

#[test]
fn a_sequence_of_unknown_length_is_one_block() {
    struct Unsized;
    impl Serialize for Unsized {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            use serde::ser::SerializeSeq;
            let mut sequence = serializer.serialize_seq(None)?;
            sequence.serialize_element(&1)?;
            sequence.serialize_element(&2)?;
            sequence.end()
        }
    }

    assert_eq!(encode(r#"{"type": "array", "items": "int"}"#, &Unsized).unwrap(), [4, 2, 4, 0]);
    assert_eq!(encode("\"bytes\"", &Unsized).unwrap(), [4, 1, 2]);
}

#[test]
fn options_meet_unions_with_null_in_any_place() {
    for (schema, none, some) in [
        (r#"["null", "string"]"#, vec![0], vec![2, 2, b'x']),
        (r#"["string", "null"]"#, vec![2], vec![0, 2, b'x']),
        (r#"["int", "null", "string"]"#, vec![2], vec![4, 2, b'x']),
    ] {
        both_ways(schema, None::<String>, &none);
        both_ways(schema, Some("x".to_owned()), &some);
    }
    both_ways("\"string\"", Some("x".to_owned()), &[2, b'x']);
    refused("\"string\"", None::<String>, "expected `string`, found null");
    refused(r#"["int", "string"]"#, None::<String>, "no branch of the union takes null, expected one of: int, string");
}

#[test]
fn unions_take_the_own_kind_before_a_wider_one() {
    assert_eq!(encode(r#"["long", "int"]"#, &1_i32).unwrap(), [2, 2]);
    assert_eq!(encode(r#"["int", "long"]"#, &1_i64).unwrap(), [2, 2]);
    assert_eq!(encode(r#"["null", "double"]"#, &1_i64).unwrap()[0], 2);
    assert_eq!(encode(r#"["double", "float"]"#, &0.5_f32).unwrap()[0], 2);
    assert_eq!(encode(r#"["float", "double"]"#, &0.1_f64).unwrap()[0], 2);
    assert_eq!(encode(r#"["bytes", "string"]"#, "x").unwrap()[0], 2);
    assert_eq!(encode(r#"["null", "bytes"]"#, &[1_u8, 2]).unwrap(), [2, 4, 1, 2]);
    assert_eq!(encode(r#"["null", {"type": "fixed", "name": "F", "size": 2}]"#, &[1_u8, 2]).unwrap(), [2, 1, 2]);
    assert_eq!(encode(r#"["null", {"type": "enum", "name": "E", "symbols": ["A", "B"]}]"#, "B").unwrap(), [2, 2]);
}

const SHAPES: &str = r#"[
    {"type": "record", "name": "geo.Circle", "fields": [{"name": "size", "type": "int"}]},
    {"type": "record", "name": "geo.Square", "fields": [{"name": "size", "type": "int"}]},
    "string", "null"]"#;

#[test]
fn rust_enums_pick_the_branch_by_name() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Size {
        size: i32,
    }
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    enum Shape {
        Square {
            size: i32,
        },
        #[serde(rename = "geo.Circle")]
        Round(Size),
        String(String),
        Null,
    }

    both_ways(SHAPES, Shape::Round(Size { size: 1 }), &[0, 2]);
    both_ways(SHAPES, Shape::Square { size: 1 }, &[2, 2]);
    both_ways(SHAPES, Shape::String("x".to_owned()), &[4, 2, b'x']);
    assert_eq!(encode(r#"["null", {"type": "map", "values": "int"}]"#, &Shape::Null).unwrap(), [0]);
    assert_eq!(decode::<Shape>(SHAPES, &[6]).unwrap(), Shape::Null);
    both_ways(SHAPES, Some(Shape::Square { size: 1 }), &[2, 2]);
    both_ways(SHAPES, Some(Shape::String("x".to_owned())), &[4, 2, b'x']);
    both_ways(SHAPES, None::<Shape>, &[6]);
    refused(r#"["null", "int"]"#, Shape::Square { size: 1 }, "the enum variant `Square`");
}

#[test]
fn structs_pick_the_record_of_their_name_and_nothing_is_guessed() {
    #[derive(Debug, Serialize)]
    struct Square {
        size: i32,
    }
    #[derive(Debug, Serialize)]
    struct Hexagon {
        size: i32,
    }

    assert_eq!(encode(SHAPES, &Square { size: 1 }).unwrap(), [2, 2]);
    refused(SHAPES, Hexagon { size: 1 }, "no branch of the union takes the struct `Hexagon`");
    assert_eq!(encode(&format!("[\"null\", {POINT}]"), &Swapped { x: 1, y: 2 }).unwrap(), [2, 2, 4]);
}

#[test]
fn enums_go_by_symbol_not_by_order() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(rename_all = "UPPERCASE")]
    enum Suit {
        Spades,
        Hearts,
    }
    let schema = r#"{"type": "enum", "name": "Suit", "symbols": ["HEARTS", "SPADES", "CLUBS"]}"#;

    both_ways(schema, Suit::Spades, &[2]);
    both_ways(schema, Suit::Hearts, &[0]);
    both_ways(&format!("[\"null\", {schema}]"), Some(Suit::Spades), &[2, 2]);
    both_ways("\"string\"", Suit::Hearts, &[12, b'H', b'E', b'A', b'R', b'T', b'S']);
    assert!(decode::<Suit>(schema, &[4]).is_err());
    refused(schema, "DIAMONDS", "`DIAMONDS` is no symbol of the enum `Suit`");
}

#[test]
fn recursive_types_go_around() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Node {
        v: i32,
        next: Option<Box<Node>>,
    }
    let schema = r#"{"type": "record", "name": "Node", "fields": [
        {"name": "v", "type": "int"}, {"name": "next", "type": ["null", "Node"]}]}"#;

    both_ways(schema, Node { v: 1, next: Some(Box::new(Node { v: 2, next: None })) }, &[2, 2, 4, 0]);
}

#[test]
fn an_untyped_value_is_read_through_its_kinds() {
    let datum = encode(&format!("[\"null\", {POINT}]"), &Point { x: 1, y: 2 }).unwrap();

    let value: serde_json::Value = decode(&format!("[\"null\", {POINT}]"), &datum).unwrap();

    assert_eq!(value, serde_json::json!({"x": 1, "y": 2}));
}

#[test]
fn errors_say_where() {
    #[derive(Debug, Serialize)]
    struct Line {
        price: i64,
    }
    #[derive(Debug, Serialize)]
    struct Order {
        lines: Vec<Line>,
    }
    let schema = r#"{"type": "record", "name": "Order", "fields": [{"name": "lines", "type": {"type": "array",
        "items": {"type": "record", "name": "Line", "fields": [{"name": "price", "type": "int"}]}}}]}"#;
    let order = Order { lines: vec![Line { price: 1 }, Line { price: 1 << 40 }] };

    let error = encode(schema, &order).unwrap_err();
    assert_eq!(error.path(), "lines[1].price");
    assert_eq!(error.to_string(), "1099511627776 does not fit an `int` at `lines[1].price`");

    let error = decode::<serde_json::Value>(schema, &[4, 2, 0x80]).unwrap_err();
    assert_eq!((error.path().as_str(), error.offset()), ("lines[1].price", Some(3)));
}

#[test]
fn borrowed_shapes_that_avro_lacks_are_refused() {
    #[derive(Debug, Serialize)]
    enum Odd {
        Tuple(i32, i32),
    }

    refused(SHAPES, Odd::Tuple(1, 2), "the tuple variant `Tuple`");
    refused("\"int\"", Some("x"), "expected `int`, found a string");
    refused(r#"{"type": "map", "values": "int"}"#, BTreeMap::from([((1, 2), 3)]), "the key of a map is no text");
    refused("\"bytes\"", vec![1, 300], "300 is no byte at `[1]`");
    refused(r#"{"type": "fixed", "name": "F", "size": 3}"#, [1_u8, 2], "the fixed has 3 bytes, found 2");
}
