//! The cases of what a config has looked at in a new schema beside whether it is compatible, and in what else.

use serde_json::{Value, json};

use super::content_cases::{post, refused};
use super::{Api, Case, RECORD_1, RECORD_2, RECORD_BROKEN};

/// Each of an endpoint that has another case.
pub(crate) const VALIDATION_CASES: &[Case] = &[
    Case { endpoint: "POST /subjects/{subject}/versions", run: new_schemas_are_looked_at_like_old_ones_if_so_wanted },
    Case { endpoint: "POST /subjects/{subject}/versions", run: rules_are_looked_at_unless_not_wanted },
    Case { endpoint: "POST /subjects/{subject}/versions", run: rules_of_config_and_request_share_no_name },
    Case { endpoint: "POST /subjects/{subject}/versions", run: a_group_may_come_from_the_config },
    Case { endpoint: "POST /subjects/{subject}/versions", run: reserved_fields_are_those_of_the_schema_itself },
];

const CHECK: &str = "/compatibility/subjects/s/versions";
const PATH: &str = "/subjects/s/versions";

fn configure(api: &mut Api, config: &Value) {
    let answer = api.send("PUT", "/config/s", Some(&config.to_string()));
    assert_eq!(answer.status, 200, "{config}: {}", answer.text());
}

fn new_schemas_are_looked_at_like_old_ones_if_so_wanted(api: &mut Api) {
    let with_default = |default: &str| {
        let schema =
            format!(r#"{{"type":"record","name":"R","fields":[{{"name":"a","type":"int","default":{default}}}]}}"#);
        json!({ "schema": schema })
    };
    let (bad, worse) = (with_default("\"x\""), with_default("\"y\""));
    let words = "Invalid default for field a";
    refused(api, PATH, &bad, 42201, words);
    refused(api, CHECK, &bad, 42201, words);

    configure(api, &json!({"validateNewSchemas": false}));
    assert_eq!(post(api, CHECK, &bad), json!({"is_compatible": true}));
    let registered = post(api, PATH, &bad);
    assert_eq!((&registered["version"], &registered["schema"]), (&json!(1), &bad["schema"]));
    refused(api, "/subjects/t/versions", &bad, 42201, words);

    // What was taken is known on.
    configure(api, &json!({"validateNewSchemas": true}));
    assert_eq!(post(api, PATH, &bad)["version"], 1);
    assert_eq!(post(api, "/subjects/s", &bad)["version"], 1);
    refused(api, PATH, &worse, 42201, words);
    configure(api, &json!({"validateNewSchemas": null}));
    refused(api, PATH, &worse, 42201, words);
}

fn rules_are_looked_at_unless_not_wanted(api: &mut Api) {
    let with_rule = |schema: &str, name: &str| json!({"schema": schema, "ruleSet": {"domainRules": [{"name": name}]}});
    let shown = |name: &str| json!({"domainRules": [{"name": name, "kind": "TRANSFORM", "mode": "WRITEREAD", "disabled": false}]});
    let broken = with_rule(RECORD_1, "r");
    let words = "Invalid rule set: the rule `r` has no type";
    refused(api, PATH, &broken, 42210, words);
    refused(api, "/subjects/s/versions?force=true", &broken, 42210, words);

    configure(api, &json!({"validateRules": false}));
    let registered = post(api, PATH, &broken);
    assert_eq!((&registered["version"], &registered["ruleSet"]), (&json!(1), &shown("r")));
    refused(api, "/subjects/t/versions", &broken, 42210, words);

    // What is there is known on, and taken over as it is by who brings no rules.
    configure(api, &json!({"validateRules": true}));
    assert_eq!(post(api, PATH, &broken)["version"], 1);
    let next = post(api, PATH, &json!({"schema": RECORD_2}));
    assert_eq!((&next["version"], &next["ruleSet"]), (&json!(2), &shown("r")));
    refused(api, PATH, &with_rule(RECORD_2, "q"), 42210, "the rule `q` has no type");
}

fn rules_of_config_and_request_share_no_name(api: &mut Api) {
    let rules = |list: &str, name: &str| json!({list: [{"name": name, "type": "CEL"}]});
    configure(api, &json!({"defaultRuleSet": rules("domainRules", "a")}));

    let twice = json!({"schema": RECORD_1, "ruleSet": rules("encodingRules", "a")});
    let words = "Invalid rule set: two rules have the name `a`, one in `domainRules` and one in `encodingRules`";
    refused(api, PATH, &twice, 42210, words);
    api.expect_error("GET", PATH, None, 40401, "");
    let stored = post(api, PATH, &json!({"schema": RECORD_1, "ruleSet": rules("encodingRules", "b")}));
    assert_eq!(
        (&stored["ruleSet"]["domainRules"][0]["name"], &stored["ruleSet"]["encodingRules"][0]["name"]),
        (&json!("a"), &json!("b"))
    );
    // What was stored so is taken again, and with tags.
    assert_eq!(post(api, PATH, &json!({"schema": RECORD_1, "ruleSet": stored["ruleSet"]}))["version"], 1);
    assert_eq!(post(api, "/subjects/s/versions/1/tags", &json!({}))["ruleSet"], stored["ruleSet"]);

    let both = json!({"overrideRuleSet": rules("encodingRules", "a")}).to_string();
    api.expect_error("PUT", "/config/s", Some(&both), 42210, words);
}

fn a_group_may_come_from_the_config(api: &mut Api) {
    let of_major = |schema: &str, major: &str| json!({"schema": schema, "metadata": {"properties": {"major": major}}});
    let major = |number: &str| json!({"properties": {"major": number}});
    let plain = |schema: &str| json!({ "schema": schema });
    configure(api, &json!({"compatibilityGroup": "major", "defaultMetadata": major("1")}));
    assert_eq!(post(api, PATH, &plain(RECORD_1))["metadata"], major("1"));

    // The default is for who brings none, and has none from the version before.
    for body in [plain(RECORD_BROKEN), of_major(RECORD_BROKEN, "1")] {
        refused(api, PATH, &body, 40901, "READER_FIELD_MISSING_DEFAULT_VALUE");
        assert_eq!(post(api, CHECK, &body), json!({"is_compatible": false}));
    }
    assert_eq!(post(api, CHECK, &of_major(RECORD_BROKEN, "2")), json!({"is_compatible": true}));
    assert_eq!(post(api, PATH, &of_major(RECORD_BROKEN, "2"))["version"], 2);
    refused(api, PATH, &of_major("\"int\"", "2"), 40901, "TYPE_MISMATCH");
    // Without metadata it is of the group of the version before. That one alone it cannot read.
    let next = r#"{"type":"record","name":"R","fields":[{"name":"z","type":"int","default":0}]}"#;
    refused(api, PATH, &plain(next), 40901, "TYPE_MISMATCH");
    assert_eq!(post(api, PATH, &of_major(next, "1"))["version"], 3);

    // An override is the group, whatever is sent.
    configure(api, &json!({"overrideMetadata": major("3")}));
    let first = post(api, PATH, &of_major("\"int\"", "1"));
    assert_eq!((&first["version"], &first["metadata"]), (&json!(4), &major("3")));
    for body in [plain("\"string\""), of_major("\"string\"", "1"), of_major("\"string\"", "4")] {
        refused(api, PATH, &body, 40901, "TYPE_MISMATCH");
        assert_eq!(post(api, CHECK, &body), json!({"is_compatible": false}));
        assert_eq!(post(api, &format!("{CHECK}/3"), &body), json!({"is_compatible": true}), "of another group");
    }
    assert_eq!(post(api, PATH, &of_major("\"long\"", "1"))["version"], 5);
}

fn reserved_fields_are_those_of_the_schema_itself(api: &mut Api) {
    let base = r#"{"type":"record","name":"Base","fields":[{"name":"inner","type":"int"}]}"#;
    api.register("base", base);
    let reserving = |schema: &str, names: &str| {
        let references = json!([{"name": "Base", "subject": "base", "version": 1}]);
        let metadata = json!({"properties": {"confluent:reserved": names}});
        json!({"schema": schema, "references": references, "metadata": metadata})
    };
    let user =
        |names: &str| reserving(r#"{"type":"record","name":"U","fields":[{"name":"outer","type":"Base"}]}"#, names);
    configure(api, &json!({"validateFields": true}));

    let conflict = |name: &str| {
        format!(
            "{{errorType:'RESERVED_FIELD_CONFLICT', description:'The new schema has field that conflicts with the \
             reserved field {name}.'}}"
        )
    };
    refused(api, PATH, &user("x, outer"), 40901, &conflict("outer"));
    let verbose = post(api, &format!("{CHECK}?verbose=true"), &user("x, outer"));
    let told = json!([conflict("outer"), "{validateFields: 'true', compatibility: 'BACKWARD'}"]);
    assert_eq!(verbose, json!({"is_compatible": false, "messages": told}));
    // A field of the type that a field has is none of the schema's, but where the schema is that type.
    refused(api, PATH, &reserving("\"Base\"", "inner"), 40901, &conflict("inner"));
    assert_eq!(post(api, PATH, &user("inner,x"))["version"], 1);

    refused(api, PATH, &user("x"), 40901, "The new schema has reserved field inner removed from its metadata");
    assert_eq!(post(api, CHECK, &user("x")), json!({"is_compatible": false}));
    configure(api, &json!({"validateFields": false}));
    assert_eq!(post(api, PATH, &user("x"))["version"], 2);
}
