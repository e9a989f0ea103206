//! The three subject name strategies.

use avro_serde::framing::Field;
use avro_serde::subject::{RecordName, SubjectContext, SubjectNameStrategy, TopicName, TopicRecordName};

#[test]
fn subjects_are_named_as_confluent_names_them() {
    type Row = (&'static dyn SubjectNameStrategy, Field, Option<&'static str>, Option<&'static str>);
    let table: [Row; 8] = [
        (&TopicName, Field::Value, Some("shop.Order"), Some("orders-value")),
        (&TopicName, Field::Key, Some("shop.Order"), Some("orders-key")),
        (&TopicName, Field::Value, None, Some("orders-value")),
        (&RecordName, Field::Value, Some("shop.Order"), Some("shop.Order")),
        (&RecordName, Field::Key, Some("Order"), Some("Order")),
        (&RecordName, Field::Value, None, None),
        (&TopicRecordName, Field::Value, Some("shop.Order"), Some("orders-shop.Order")),
        (&TopicRecordName, Field::Value, None, None),
    ];

    for (strategy, field, schema_name, expected) in table {
        let found = strategy.subject(&SubjectContext { topic: "orders", field, schema_name });
        assert_eq!(found.as_deref().ok(), expected, "{strategy:?} {field:?} {schema_name:?}");
    }
}

#[test]
fn a_missing_record_name_is_explained() {
    let context = SubjectContext { topic: "orders", field: Field::Key, schema_name: None };

    let error = RecordName.subject(&context).unwrap_err().to_string();

    assert!(error.contains("`RecordNameStrategy`") && error.contains("key of topic `orders`"), "{error}");
}
