//! The JSON reader on its own: what it takes, where values stand, how they are printed.

use schema_core::json::{Json, JsonValue, Position};

#[test]
fn values_keep_their_places_and_the_order_of_members() {
    let json = Json::parse("{\n  \"b\": [1, \"é\", null],\n  /* 日本 */ \"a\": true\n}").unwrap();

    let JsonValue::Object(members) = &json.value else { panic!("no object") };
    let JsonValue::Array(items) = &members[0].1.value else { panic!("no array") };
    let keys: Vec<_> = members.iter().map(|(key, _)| key.as_str()).collect();
    let places: Vec<_> = items.iter().chain([&members[1].1]).map(|json| json.position).collect();
    assert_eq!(keys, ["b", "a"]);
    let at = |line, column| Position { line, column };
    assert_eq!(places, [at(2, 9), at(2, 12), at(2, 17), at(3, 17)]);
}

#[test]
fn numbers_keep_their_text_and_are_printed_as_java_prints_them() {
    let json = Json::parse("[1e3, -0, 1.50, 123456789012345678901234567890]").unwrap();

    let JsonValue::Array(items) = &json.value else { panic!("no array") };
    assert_eq!(items[0].value, JsonValue::Number("1e3".to_owned()));
    assert_eq!(json.to_text(), "[1000.0,0,1.5,123456789012345678901234567890]");
}

#[test]
fn of_equal_keys_the_last_value_stands_in_the_first_place() {
    let json = Json::parse(r#"{"a":1,"b":2,"a":3}"#).unwrap();

    assert_eq!(json.to_text(), r#"{"a":3,"b":2}"#);
}

#[test]
fn text_after_the_value_is_refused() {
    let error = Json::parse("{} x").unwrap_err();

    assert_eq!(error.to_string(), "unexpected text after the value: x (line 1, column 4, at the root)");
}

#[test]
fn escapes_are_resolved_and_only_needed_ones_written() {
    let json = Json::parse(r#""\u0041\/\ud83d\ude00\u001f\n""#).unwrap();

    assert_eq!(json.value, JsonValue::String("A/😀\u{1f}\n".to_owned()));
    assert_eq!(json.to_text(), r#""A/😀\u001F\n""#);
}
