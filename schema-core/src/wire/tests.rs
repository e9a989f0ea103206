use serde_json::{Value, json};

use super::*;

fn register(body: &str) -> Result<RegisterRequest, ReadError> {
    read_request(body.as_bytes())
}

#[test]
fn explicit_nulls_are_absent_and_unknown_fields_pass() {
    let body = r#"{"schema":"x","schemaType":null,"references":null,"metadata":null,"ruleSet":null,"version":null,
        "id":null,"schemaTagsToAdd":null,"propagateSchemaTags":null,"guid":"x","deleted":true}"#;

    let expected = RegisterRequest { schema: Some("x".into()), ..RegisterRequest::default() };
    assert_eq!(register(body), Ok(expected));
}

#[test]
fn scalars_are_coerced_as_jackson_does() {
    let cases = [
        (r#"{"schema":1}"#, json!({"schema": "1"})),
        (r#"{"schema":true}"#, json!({"schema": "true"})),
        (r#"{"version":"1"}"#, json!({"version": 1})),
        (r#"{"version":" 7 "}"#, json!({"version": 7})),
        (r#"{"version":1.5}"#, json!({"version": 1})),
        (r#"{"version":-1.5}"#, json!({"version": -1})),
        (r#"{"id":""}"#, json!({})),
        (r#"{"id":"null","version":" null\t","propagateSchemaTags":"null"}"#, json!({})),
        (r#"{"schema":"null"}"#, json!({"schema": "null"})),
        (r#"{"id":0}"#, json!({"id": 0})),
        (r#"{"propagateSchemaTags":1}"#, json!({"propagateSchemaTags": true})),
        (r#"{"propagateSchemaTags":"False"}"#, json!({"propagateSchemaTags": false})),
        (r#"{"metadata":{"properties":{"a":1}}}"#, json!({"metadata": {"properties": {"a": "1"}}})),
    ];

    for (body, expected) in cases {
        let request = register(body).unwrap();
        assert_eq!(serde_json::to_value(request).unwrap(), expected, "{body}");
    }
}

#[test]
fn other_shapes_are_malformed() {
    let cases = [
        r#"{"schema":["int"]}"#,
        r#"{"schema":{}}"#,
        r#"{"version":"x"}"#,
        r#"{"version":true}"#,
        "{\"version\":\"\u{2003}7\"}",
        r#"{"propagateSchemaTags":"Null"}"#,
        r#"{"metadata":{"sensitive":["a",null]}}"#,
        r#"{"version":2147483648}"#,
        r#"{"id":1e30}"#,
        r#"{"id":[]}"#,
        r#"{"references":{}}"#,
        r#"{"references":"x"}"#,
        r#"{"references":[[]]}"#,
        r#"{"metadata":[]}"#,
        r#"{"metadata":"x"}"#,
        r#"{"metadata":{"tags":{"a":"b"}}}"#,
        r#"{"ruleSet":{"domainRules":[{"kind":"BOGUS"}]}}"#,
        r#"{"propagateSchemaTags":"x"}"#,
        r#"{"schema":"x"} trailing"#,
        "[]",
        "true",
        "\"x\"",
        "{",
        "}",
        "{'schema':'x'}",
    ];

    for body in cases {
        assert!(matches!(register(body), Err(ReadError::Malformed(_))), "{body}");
    }
    let deep = format!(r#"{{"unknown":{}{}}}"#, "[".repeat(200), "]".repeat(200));
    assert!(matches!(register(&deep), Err(ReadError::Malformed(_))));
}

#[test]
fn a_value_that_cannot_be_read_is_told_with_its_place() {
    let malformed = |body: &str| match register(body) {
        Err(ReadError::Malformed(reason)) => reason,
        other => panic!("{other:?}"),
    };

    assert_eq!(malformed(r#"{"schema":"x","version":"one","id":1}"#), "`version`: expected an integer, found \"one\"");
    assert_eq!(
        malformed(r#"{"schema":["int"]}"#),
        r#"`schema`: expected a string, found an array; the schema stands there as a text, as in `"{\"type\":\"int\"}"`"#
    );
    let rules = |rule: &str| format!(r#"{{"ruleSet":{{"domainRules":[{{}},{{"name":"a"}},{rule}]}}}}"#);
    for (body, expected) in [
        (
            r#"{"references":[{"name":"a"},{"version":"x"}]}"#,
            "`references[1].version`: expected an integer, found \"x\"",
        ),
        (r#"{"references":[{},[]]}"#, "`references[1]`: expected an object, found an array"),
        (r#"{"references":[{"name":null},null]}"#, "`references[1]`: expected a value, found null"),
        (r#"{"metadata":{"properties":{"a":null}}}"#, "`metadata.properties.a`: expected a value, found null"),
        (r#"{"metadata":{"tags":{"a":["PII",null]}}}"#, "`metadata.tags.a[1]`: expected a value, found null"),
        (r#"{"references":{"version":"x"}}"#, "`references`: expected an array, found an object"),
        (&rules("null"), "`ruleSet.domainRules[2]`: expected a value, found null"),
        (r#"{"schemaTagsToAdd":[null]}"#, "`schemaTagsToAdd[0]`: expected a value, found null"),
        (
            &rules(r#"{"kind":"BOGUS"}"#),
            "`ruleSet.domainRules[2].kind`: expected one of `TRANSFORM` and `CONDITION`, found \"BOGUS\"",
        ),
        (
            &rules(r#"{"params":{"a":1,"b\"c d":[]}}"#),
            r#"`ruleSet.domainRules[2].params["b\"c d"]`: expected a string, found an array"#,
        ),
        (
            r#"{"metadata":{"tags":{"a":[],"**.ssn":["PII",{}]}}}"#,
            r#"`metadata.tags["**.ssn"][1]`: expected a string, found an object"#,
        ),
        (
            r#"{"metadata":{"properties":{"owner-1":{"schema":[]}}}}"#,
            "`metadata.properties.owner-1`: expected a string, found an object",
        ),
        (
            r#"{"schemaTagsToAdd":[{"schemaEntity":{"entityPath":[]}}]}"#,
            "`schemaTagsToAdd[0].schemaEntity.entityPath`: expected a string, found an array",
        ),
    ] {
        assert_eq!(malformed(body), expected, "{body}");
    }
    let long = malformed(&format!(r#"{{"metadata":{{"properties":{{"{}":[]}}}}}}"#, "x".repeat(1000)));
    assert!(long.starts_with("`metadata.properties[\"xxx") && long.len() < 120, "{long}");
    assert_eq!(
        ModeUpdate::read(br#"{"mode":[]}"#),
        Err(ReadError::Malformed("`mode`: expected a string, found an array".to_owned()))
    );
    // Nothing is said of a key where none is wrong.
    assert_eq!(malformed("[]"), "expected an object, found an array");
    assert_eq!(malformed("{\"schema\":\n oops}"), "this is no JSON: expected value at line 2 column 2");
}

#[test]
fn an_absent_body_is_told_from_a_malformed_one() {
    for body in ["", " \n", "null", " null "] {
        assert_eq!(register(body), Err(ReadError::Absent), "{body:?}");
    }
}

#[test]
fn a_byte_order_mark_is_skipped_and_the_last_of_equal_keys_wins() {
    let request = register("\u{feff}{\"schema\":\"a\",\"schema\":\"b\"}").unwrap();

    assert_eq!(request.schema.as_deref(), Some("b"));
}

#[test]
fn empty_values_are_left_out_but_false_and_zero_stay() {
    let version = VersionResponse {
        subject: "s".into(),
        version: 1,
        id: 2,
        guid: Some("g".into()),
        schema_type: Some("AVRO".into()),
        metadata: Some(Metadata::default()),
        schema: "\"int\"".into(),
        ts: Some(0),
        deleted: Some(false),
        ..VersionResponse::default()
    };

    let expected = json!({"subject": "s", "version": 1, "id": 2, "guid": "g", "schemaType": "AVRO", "metadata": {},
        "schema": "\"int\"", "ts": 0, "deleted": false});
    assert_eq!(serde_json::to_value(version).unwrap(), expected);
}

#[test]
fn answers_of_older_servers_are_read() {
    let registered: RegisterResponse = serde_json::from_str(r#"{"id":7}"#).unwrap();
    let by_id: SchemaByIdResponse = serde_json::from_str(r#"{"schema":"\"int\"","subject":null}"#).unwrap();
    let verdict: CompatibilityResponse = serde_json::from_str(r#"{"is_compatible":true}"#).unwrap();

    assert_eq!(registered, RegisterResponse { id: 7, ..RegisterResponse::default() });
    assert_eq!((by_id.schema.as_str(), by_id.subject), ("\"int\"", None));
    assert_eq!(verdict, CompatibilityResponse { is_compatible: true, messages: None });
}

#[test]
fn empty_messages_are_sent_when_asked_for() {
    let silent = CompatibilityResponse { is_compatible: true, messages: None };
    let verbose = CompatibilityResponse { is_compatible: true, messages: Some(Vec::new()) };

    assert_eq!(serde_json::to_string(&silent).unwrap(), r#"{"is_compatible":true}"#);
    assert_eq!(serde_json::to_string(&verbose).unwrap(), r#"{"is_compatible":true,"messages":[]}"#);
}

#[test]
fn a_config_update_tells_absent_null_and_value_apart() {
    let update: ConfigUpdate =
        read_request(br#"{"compatibility":"FULL","alias":null,"normalize":"true","compatibilityLevel":"NONE"}"#)
            .unwrap();

    assert_eq!(update.compatibility, Change::Set("FULL".into()));
    assert_eq!(update.alias, Change::Clear);
    assert_eq!(update.normalize, Change::Set(true));
    assert_eq!(update.validate_fields, Change::Keep);
    assert_eq!(
        serde_json::to_value(&update).unwrap(),
        json!({"alias": null, "compatibility": "FULL", "normalize": true})
    );
    assert_eq!(Change::Keep.apply(Some(1)), Some(1));
    assert_eq!(Change::Clear.apply(Some(1)), None);
    assert_eq!(Change::Set(2).apply(Some(1)), Some(2));
}

#[test]
fn a_mode_is_an_object_or_a_bare_name() {
    for (body, expected) in [
        (r#"{"mode":"IMPORT","x":1}"#, Change::Set("IMPORT".to_owned())),
        (r#" "readonly" "#, Change::Set("readonly".to_owned())),
        (r#"{"mode":1}"#, Change::Set("1".to_owned())),
        (r#"{"mode":null}"#, Change::Clear),
        (r#"{"x":1}"#, Change::Keep),
    ] {
        assert_eq!(ModeUpdate::read(body.as_bytes()).unwrap().mode, expected, "{body}");
    }
    for body in ["", " ", "null"] {
        assert_eq!(ModeUpdate::read(body.as_bytes()), Err(ReadError::Absent), "{body}");
    }
    for body in ["[]", "1", "{", r#"{"mode":[]}"#, r#""IMPORT" x"#] {
        assert!(matches!(ModeUpdate::read(body.as_bytes()), Err(ReadError::Malformed(_))), "{body}");
    }
}

#[test]
fn get_and_put_of_a_config_use_different_keys() {
    let config = Config { compatibility_level: Some("FULL".into()), ..Config::default() };
    let echo = ConfigUpdate { compatibility: Some("FULL".to_owned()).into(), ..ConfigUpdate::default() };

    assert_eq!(serde_json::to_value(config).unwrap(), json!({"compatibilityLevel": "FULL"}));
    assert_eq!(serde_json::to_value(echo).unwrap(), json!({"compatibility": "FULL"}));
}

#[test]
fn rule_sets_survive_a_round_trip() {
    let body = json!({"schema": "x", "ruleSet": {"domainRules": [{"name": "n", "kind": "CONDITION", "mode": "WRITEREAD",
        "type": "CEL", "tags": ["PII"], "params": {"a": "b"}, "expr": "true", "onFailure": "ERROR", "disabled": false}],
        "enableAt": "2026-01-01T00:00:00Z"}});

    let request = register(&body.to_string()).unwrap();

    assert_eq!(serde_json::to_value(request).unwrap(), body);
}

#[test]
fn references_become_nouns_or_say_what_is_wrong() {
    let good: SchemaReference = serde_json::from_str(r#"{"name":"n.A","subject":"base","version":"1"}"#).unwrap();
    let noun = Reference { name: "n.A".into(), subject: "base".into(), version: Version(1) };
    assert_eq!(Reference::try_from(good.clone()), Ok(noun.clone()));
    assert_eq!(SchemaReference::from(noun), good);

    let bad = SchemaReference { name: None, ..good };
    assert_eq!(
        Reference::try_from(bad).unwrap_err().to_string(),
        "Invalid reference: {name='null', subject='base', version=1}"
    );
    for version in [0, -1, -2] {
        let bad = SchemaReference { name: Some("n".into()), subject: Some("s".into()), version: Some(version) };
        assert!(Reference::try_from(bad).is_err(), "{version}");
    }
}

#[test]
fn schema_types_are_case_sensitive() {
    assert_eq!(SchemaType::try_from("AVRO"), Ok(SchemaType::Avro));
    assert_eq!(SchemaType::try_from("avro").unwrap_err().to_string(), "Invalid schema type avro");
}

#[test]
fn an_error_becomes_its_body() {
    let body = ErrorBody::from(ApiError::subject_not_found("s"));

    let expected: Value = json!({"error_code": 40401, "message": "Subject 's' not found."});
    assert_eq!(serde_json::to_value(body).unwrap(), expected);
}
