//! Each bound on schemas, from its setting to the refusal that names it; what just fits is taken.

use registry_server::ServerConfig;
use serde_json::{Value, json};

use crate::raw_http::{Answer, Connection, JSON, with_server};

fn register(connection: &mut Connection, subject: &str, schema: &Value, references: &Value) -> Answer {
    let body = json!({"schema": schema.to_string(), "references": references}).to_string();
    connection.send("POST", &format!("/subjects/{subject}/versions"), &[JSON], Some(body.as_bytes()))
}

/// A record with so many fields of a type each.
fn record(name: &str, fields: usize, of: &Value) -> Value {
    let fields: Vec<Value> = (0..fields).map(|index| json!({"name": format!("f{index}"), "type": of})).collect();
    json!({"type": "record", "name": name, "fields": fields})
}

/// So many arrays in each other.
fn nested(arrays: usize) -> Value {
    (0..arrays).fold(json!("int"), |inner, _| json!({"type": "array", "items": inner}))
}

fn union(branches: usize) -> Value {
    Value::Array((0..branches).map(|index| record(&format!("R{index}"), 0, &json!("int"))).collect())
}

/// With `change`, `fits` is registered and `exceeds` is refused in the name of the setting.
fn check(setting: &str, change: impl FnOnce(&mut ServerConfig), fits: &Value, exceeds: &Value) {
    with_server(change, |address| {
        let connection = &mut Connection::open(address);
        let taken = register(connection, "fits", fits, &json!([]));
        assert_eq!(taken.status, 200, "{setting}: {}", taken.text());
        assert_refused(setting, &register(connection, "exceeds", exceeds, &json!([])));
    });
}

fn assert_refused(setting: &str, answer: &Answer) {
    let error = answer.json();
    assert_eq!((answer.status, &error["error_code"]), (422, &json!(42201)), "{setting}: {error}");
    assert!(error["message"].as_str().is_some_and(|message| message.contains(setting)), "{setting}: {error}");
}

#[test]
fn a_schema_beyond_a_bound_is_refused_with_the_setting() {
    let int = json!("int");
    check("limits.schema_nesting", |config| config.limits.schema_nesting = 5, &nested(5), &nested(6));
    let fields = |count| record("T", count, &int);
    check("limits.schema_fields", |config| config.limits.schema_fields = 5, &fields(5), &fields(6));
    check("limits.union_branches", |config| config.limits.union_branches = 5, &union(5), &union(6));
    let bytes = fields(5).to_string().len();
    check("limits.expanded_bytes", |config| config.limits.expanded_bytes = bytes, &fields(5), &fields(6));
}

/// A reference to version 1 of the subject that is called like the type.
fn reference(name: &str) -> Value {
    json!({"name": name, "subject": name, "version": 1})
}

#[test]
fn references_beyond_a_bound_are_refused_with_the_setting() {
    let bound = |config: &mut ServerConfig| {
        config.limits.references = 3;
        config.limits.reference_depth = 2;
    };
    with_server(bound, |address| {
        let connection = &mut Connection::open(address);
        for name in ["A", "B", "C", "D"] {
            assert_eq!(register(connection, name, &record(name, 0, &json!("int")), &json!([])).status, 200);
        }
        let to = |names: &[&str]| Value::Array(names.iter().map(|name| reference(name)).collect());
        let all = json!({"type": "record", "name": "T", "fields": []});

        let fits = register(connection, "fits", &all, &to(&["A", "B", "C"]));
        assert_eq!(fits.status, 200, "{}", fits.text());
        assert_refused("limits.references", &register(connection, "exceeds", &all, &to(&["A", "B", "C", "D"])));

        let one = register(connection, "One", &record("One", 1, &json!("A")), &to(&["A"]));
        let two = register(connection, "Two", &record("Two", 1, &json!("One")), &to(&["One"]));
        assert_eq!((one.status, two.status), (200, 200), "{} {}", one.text(), two.text());
        let three = register(connection, "Three", &record("Three", 1, &json!("Two")), &to(&["Two"]));
        assert_refused("limits.reference_depth", &three);
    });
}

#[test]
fn a_comparison_beyond_a_bound_is_refused_with_the_setting() {
    with_server(
        |config| config.limits.comparison_steps = 100,
        |address| {
            let connection = &mut Connection::open(address);
            let fields = |count, of: &str| record("T", count, &json!(of));
            for subject in ["fits", "exceeds"] {
                assert_eq!(register(connection, subject, &fields(60, "int"), &json!([])).status, 200);
            }

            // A field takes two steps, one that cannot be read six more: what is found within the bound is told.
            let fits = register(connection, "fits", &fields(40, "long"), &json!([]));
            assert_eq!(fits.status, 200, "{}", fits.text());
            let breaks = register(connection, "fits", &fields(10, "string"), &json!([]));
            assert_eq!(breaks.status, 409, "{}", breaks.text());
            for of in ["long", "string"] {
                let refused = register(connection, "exceeds", &fields(50, of), &json!([]));
                assert_refused("100 steps (setting `limits.comparison_steps`), version 1 was the last", &refused);
            }
        },
    );
}

#[test]
fn a_history_beyond_a_bound_is_refused_with_the_setting() {
    with_server(
        |config| {
            config.limits.versions_compared = 2;
            config.compatibility = schema_core::Level::BackwardTransitive;
        },
        |address| {
            let connection = &mut Connection::open(address);
            for symbols in 1..=3 {
                let symbols: Vec<String> = (0..symbols).map(|index| format!("S{index}")).collect();
                let registered =
                    register(connection, "s", &json!({"type": "enum", "name": "E", "symbols": symbols}), &json!([]));
                assert_eq!(registered.status, 200, "{}", registered.text());
            }
            let next = json!({"type": "enum", "name": "E", "symbols": ["S0", "S1", "S2", "S3"]});
            assert_refused("limits.versions_compared", &register(connection, "s", &next, &json!([])));
        },
    );
}
