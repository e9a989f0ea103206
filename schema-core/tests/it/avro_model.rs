//! What is read out of a text, beyond what is printed again.

use schema_core::format::avro::{AvroSchema, Field, Kind, LogicalType, Order};

use crate::table::parse;

fn fields(schema: &AvroSchema) -> &[Field] {
    let Kind::Record(record) = &schema.node(schema.root()).kind else { panic!("no record") };
    &record.fields
}

#[test]
fn names_are_full_and_uses_link_to_the_definition() {
    let schema = parse(
        r#"{"type":"record","name":"R","namespace":"n","aliases":["Q","m.P"],"fields":[
            {"name":"early","type":"E"},
            {"name":"self","type":["null","R"],"default":null},
            {"name":"e","type":{"type":"enum","name":"E","symbols":["A"]}}]}"#,
    );

    let Kind::Record(record) = &schema.node(schema.root()).kind else { panic!("no record") };
    assert_eq!(record.name.full(), "n.R");
    assert_eq!(record.aliases.iter().map(|alias| alias.full()).collect::<Vec<_>>(), ["n.Q", "m.P"]);
    assert_eq!(record.fields[0].schema, record.fields[2].schema);
    let Kind::Union { branches } = &schema.node(record.fields[1].schema).kind else { panic!("no union") };
    assert_eq!(branches[1], schema.root());
    assert!((0..schema.node_count()).contains(&schema.root().index()));
}

#[test]
fn fields_keep_place_order_doc_and_properties() {
    let schema = parse(
        "{\"type\":\"record\",\"name\":\"R\",\"fields\":[\n  {\"name\":\"a\",\"type\":\"int\",\"order\":\"IGNORE\",\"doc\":\"\",\"x\":1}]}",
    );

    let field = &fields(&schema)[0];
    assert_eq!((field.position.line, field.position.column), (2, 3));
    assert_eq!(field.order, Order::Ignore);
    assert_eq!(field.doc.as_deref(), Some(""));
    assert_eq!(field.properties[0].0, "x");
    assert_eq!(schema.node(field.schema).position.column, 22);
}

#[test]
fn a_text_default_of_a_float_is_a_number() {
    let schema = parse(
        r#"{"type":"record","name":"R","fields":[{"name":"a","type":"float","default":" 1e3 "},
            {"name":"b","type":"double","default":"-Infinity"}]}"#,
    );

    let texts: Vec<_> = fields(&schema).iter().map(|field| field.default.as_ref().unwrap().to_text()).collect();
    assert_eq!(texts, ["1000.0", "\"-Infinity\""]);
}

#[test]
fn logical_types_count_only_where_they_fit() {
    use LogicalType::*;
    let fixed = |size: u32, rest: &str| format!(r#"{{"type":"fixed","name":"F","size":{size},{rest}}}"#);
    let on = |kind: &str, rest: &str| format!(r#"{{"type":"{kind}",{rest}}}"#);
    let named = |name: &str| format!(r#""logicalType":"{name}""#);
    let decimal =
        |precision: &str, scale: &str| format!(r#""logicalType":"decimal","precision":{precision},"scale":{scale}"#);
    let rows = [
        (on("int", &named("date")), Some(Date)),
        (on("long", &named("date")), None),
        (on("int", &named("time-millis")), Some(TimeMillis)),
        (on("long", &named("time-micros")), Some(TimeMicros)),
        (on("int", &named("time-micros")), None),
        (on("long", &named("timestamp-millis")), Some(TimestampMillis)),
        (on("long", &named("timestamp-micros")), Some(TimestampMicros)),
        (on("long", &named("timestamp-nanos")), Some(TimestampNanos)),
        (on("long", &named("local-timestamp-millis")), Some(LocalTimestampMillis)),
        (on("long", &named("local-timestamp-micros")), Some(LocalTimestampMicros)),
        (on("long", &named("local-timestamp-nanos")), Some(LocalTimestampNanos)),
        (on("string", &named("uuid")), Some(Uuid)),
        (on("bytes", &named("uuid")), None),
        (on("bytes", &named("big-decimal")), Some(BigDecimal)),
        (on("string", &named("nope")), None),
        (on("string", r#""logicalType":1"#), None),
        (fixed(16, &named("uuid")), Some(Uuid)),
        (fixed(15, &named("uuid")), None),
        (fixed(12, &named("duration")), Some(Duration)),
        (fixed(11, &named("duration")), None),
        (on("bytes", &decimal("9", "2")), Some(Decimal { precision: 9, scale: 2 })),
        (on("bytes", r#""logicalType":"decimal","precision":9"#), Some(Decimal { precision: 9, scale: 0 })),
        (on("bytes", &decimal("9", "10")), None),
        (on("bytes", &decimal("0", "0")), None),
        (on("bytes", &decimal("-1", "0")), None),
        (on("bytes", &decimal("9", "-1")), None),
        (on("bytes", &decimal("\"9\"", "2")), None),
        (on("bytes", &decimal("9.0", "2")), None),
        (on("bytes", &decimal("9", "null")), None),
        (on("bytes", &decimal("4000000000", "0")), None),
        (on("string", &decimal("9", "2")), None),
        (fixed(2, &decimal("4", "2")), Some(Decimal { precision: 4, scale: 2 })),
        (fixed(2, &decimal("5", "2")), None),
        (fixed(0, &decimal("1", "0")), None),
    ];
    for (text, expected) in rows {
        let schema = parse(&text);

        assert_eq!(schema.node(schema.root()).logical, expected, "{text}");
        assert_eq!(schema.canonical_text(), text, "properties stay");
    }
}

#[test]
fn an_identical_definition_is_the_first_one_again() {
    let schema = parse(
        r#"{"type":"record","name":"R","fields":[
            {"name":"a","type":{"type":"record","name":"X","doc":"one","fields":[{"name":"i","type":{"type":"array","items":"int"}}]}},
            {"name":"b","type":{"type":"record","name":"X","doc":"two","fields":[{"name":"i","type":{"type":"array","items":"int"}}]}}]}"#,
    );

    assert_eq!(fields(&schema)[0].schema, fields(&schema)[1].schema);
    assert_eq!(schema.node_count(), 4, "no node of the second definition is left");
}
