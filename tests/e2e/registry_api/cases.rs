//! The cases, in the order of the routes. One idea: what each endpoint answers.

use serde_json::{Value, json};

use super::{Api, Case, RECORD_1, RECORD_2, RECORD_BROKEN, request, settings};

/// GUIDs of the two records, as every registry computes them.
const GUID_1: &str = "e4d94c3f-c345-bad6-d759-ac6f42ea94f7";
const GUID_2: &str = "347e7b00-1ca3-c585-51cb-0660381d7eae";

pub(crate) const CASES: &[Case] = &[
    Case { endpoint: "GET /", run: |api| api.expect("GET", "/", None, json!({})) },
    Case { endpoint: "POST /", run: root_takes_an_object },
    Case { endpoint: "GET /subjects", run: subjects_are_listed },
    Case { endpoint: "POST /subjects/{subject}", run: a_schema_is_looked_up },
    Case { endpoint: "DELETE /subjects/{subject}", run: a_subject_is_deleted_in_two_stages },
    Case { endpoint: "DELETE /subjects/{subject}", run: what_is_referred_to_stays },
    Case { endpoint: "DELETE /subjects/{subject}", run: a_live_subject_tells_what_refers_to_it_first },
    Case { endpoint: "GET /subjects/{subject}/versions", run: versions_are_listed },
    Case { endpoint: "POST /subjects/{subject}/versions", run: a_schema_is_registered },
    Case { endpoint: "GET /subjects/{subject}/versions/{version}", run: a_version_is_got },
    Case { endpoint: "DELETE /subjects/{subject}/versions/{version}", run: a_version_is_deleted_in_two_stages },
    Case { endpoint: "GET /subjects/{subject}/versions/{version}/schema", run: the_text_of_a_version_is_got },
    Case { endpoint: "GET /schemas/types", run: |api| api.expect("GET", "/schemas/types", None, json!(["AVRO"])) },
    Case { endpoint: "GET /schemas/ids/{id}", run: a_schema_is_got_by_id },
    Case { endpoint: "GET /schemas/ids/{id}/schema", run: the_text_of_an_id_is_got },
    Case { endpoint: "GET /schemas/ids/{id}/subjects", run: the_subjects_of_an_id_are_listed },
    Case { endpoint: "GET /schemas/ids/{id}/versions", run: the_versions_of_an_id_are_listed },
    Case { endpoint: "POST /compatibility/subjects/{subject}/versions", run: a_schema_is_checked_as_a_register_would },
    Case { endpoint: "POST /compatibility/subjects/{subject}/versions/{version}", run: a_schema_is_checked_with_one },
    Case { endpoint: "GET /config", run: the_global_config_is_got },
    Case { endpoint: "PUT /config", run: the_global_config_is_put },
    Case { endpoint: "GET /config/{subject}", run: a_subjects_config_is_got },
    Case { endpoint: "PUT /config/{subject}", run: a_subjects_config_is_put },
    Case { endpoint: "DELETE /config", run: settings::the_config_of_everything_is_deleted },
    Case { endpoint: "DELETE /config/{subject}", run: settings::a_subjects_config_is_deleted },
    Case { endpoint: "GET /config/{subject}", run: settings::a_config_is_inherited_field_by_field },
    Case { endpoint: "PUT /config/{subject}", run: settings::a_config_carries_rules_and_metadata },
    Case { endpoint: "PUT /config/{subject}", run: settings::an_alias_stands_for_another_subject },
    Case { endpoint: "PUT /config/{subject}", run: settings::an_alias_comes_before_other_contexts },
    Case { endpoint: "PUT /config/{subject}", run: settings::an_unqualified_alias_is_of_the_context_that_it_stands_in },
    Case { endpoint: "GET /mode", run: settings::the_mode_of_everything_is_got },
    Case { endpoint: "PUT /mode", run: settings::the_mode_of_everything_is_put },
    Case { endpoint: "DELETE /mode", run: settings::the_mode_of_everything_is_deleted },
    Case { endpoint: "GET /mode/{subject}", run: settings::a_subjects_mode_is_got },
    Case { endpoint: "PUT /mode/{subject}", run: settings::a_subjects_mode_is_put },
    Case { endpoint: "PUT /mode/{subject}", run: settings::imports_begin_where_nothing_lives },
    Case { endpoint: "PUT /mode/{subject}", run: settings::forward_takes_what_an_import_takes },
    Case { endpoint: "DELETE /mode/{subject}", run: settings::a_subjects_mode_is_deleted },
    Case { endpoint: "GET /contexts", run: settings::contexts_are_listed },
    Case { endpoint: "DELETE /contexts/{context}", run: settings::a_context_is_deleted_when_it_is_empty },
    Case {
        endpoint: "GET /associations/subjects/{subject}",
        run: |api| api.expect("GET", "/associations/subjects/s?resourceType=topic", None, json!([])),
    },
    Case { endpoint: "GET /associations/resources/{resource}", run: settings::nothing_is_associated },
    Case {
        endpoint: "GET /associations/resources/{namespace}/{resource}",
        run: |api| api.expect("GET", "/associations/resources/cluster/topic?context=.c", None, json!([])),
    },
    Case {
        endpoint: "GET /v1/metadata/id",
        run: |api| {
            let clusters = json!({"kafka-cluster": "", "schema-registry-cluster": "schema-registry"});
            api.expect("GET", "/v1/metadata/id", None, json!({"scope": {"path": [], "clusters": clusters}}));
        },
    },
    Case { endpoint: "GET /v1/metadata/version", run: settings::the_server_says_what_it_is },
    Case {
        endpoint: "GET /v1/metadata/deployment",
        run: |api| api.expect("GET", "/v1/metadata/deployment", None, json!({"attributes": []})),
    },
    Case { endpoint: "GET /health/live", run: |api| api.expect("GET", "/health/live", None, json!({"status": "UP"})) },
    Case {
        endpoint: "GET /health/ready",
        run: |api| api.expect("GET", "/health/ready", None, json!({"status": "UP"})),
    },
    Case { endpoint: "GET /metrics", run: |api| a_page_is_shown(api, "/metrics", "text/plain; version=0.0.4") },
    Case { endpoint: "GET /openapi.json", run: |api| a_page_is_shown(api, "/openapi.json", "application/json") },
    Case { endpoint: "GET /docs", run: |api| a_page_is_shown(api, "/docs", "text/html; charset=utf-8") },
    Case {
        endpoint: "GET /docs/viewer.js",
        run: |api| a_page_is_shown(api, "/docs/viewer.js", "text/javascript; charset=utf-8"),
    },
    Case {
        endpoint: "GET /docs/viewer.css",
        run: |api| a_page_is_shown(api, "/docs/viewer.css", "text/css; charset=utf-8"),
    },
];

fn a_page_is_shown(api: &mut Api, path: &str, media_type: &str) {
    let answer = api.get(path);
    assert_eq!((answer.status, answer.header("content-type")), (200, Some(media_type)));
    assert!(!answer.body.is_empty());
    assert!(answer.header("content-security-policy").is_some_and(|policy| policy.starts_with("default-src 'none'")));
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    api.expect_error("DELETE", path, None, 405, "Method Not Allowed");
}

fn root_takes_an_object(api: &mut Api) {
    for texts in [None, Some("{}"), Some("null"), Some(r#"{"a": "b", "c": 1}"#)] {
        api.expect("POST", "/", texts, json!({}));
    }
    for malformed in ["[]", r#"{"a": {}}"#, r#"{"a": ["b"]}"#] {
        api.expect_error("POST", "/", Some(malformed), 400, "the body of the request: ");
    }
    api.expect_error("POST", "/", Some("{"), 400, "");
}

fn subjects_are_listed(api: &mut Api) {
    api.expect("GET", "/subjects", None, json!([]));
    // By UTF-16 code units: U+1F600 is written with surrogates, which stand before U+FF5E.
    for subject in ["b", "a-key", "%F0%9F%98%80", "%EF%BD%9E", "B"] {
        api.register(subject, RECORD_1);
    }

    api.expect("GET", "/subjects", None, json!(["B", "a-key", "b", "\u{1f600}", "\u{ff5e}"]));
    api.expect("GET", "/subjects?subjectPrefix=a", None, json!(["a-key"]));
    api.expect("GET", "/subjects?subjectPrefix=:*:", None, json!(["B", "a-key", "b", "\u{1f600}", "\u{ff5e}"]));
    api.expect("GET", "/subjects?offset=1&limit=2", None, json!(["a-key", "b"]));
    api.expect("GET", "/subjects?deletedOnly=true", None, json!([]));
    api.expect_error("GET", "/subjects?limit=abc", None, 404, "HTTP 404 Not Found");
    api.expect_error("GET", "/subjects?offset=-1", None, 400, "offset");
    api.register(":.c:a", RECORD_1);
    api.register(":.cd:b", RECORD_1);
    api.expect("GET", "/subjects?limit=3", None, json!([":.c:a", ":.cd:b", "B"]));
    api.expect("GET", "/subjects?subjectPrefix=", None, json!(["B", "a-key", "b", "\u{1f600}", "\u{ff5e}"]));
    api.expect("GET", "/subjects?subjectPrefix=:.c:", None, json!([":.c:a"]));
    api.expect("GET", "/subjects?subjectPrefix=:.c", None, json!([":.c:a", ":.cd:b"]));
    api.expect("GET", "/subjects?subjectPrefix=:*:b", None, json!([":.cd:b", "b"]));
    api.expect("GET", "/contexts/cd/subjects", None, json!([":.cd:b"]));
    api.expect("GET", "/contexts/cd/subjects?subjectPrefix=a", None, json!([]));
}

fn a_schema_is_looked_up(api: &mut Api) {
    api.register("s", RECORD_1);
    api.register("s", RECORD_2);
    let found = |subject: &str| json!({"subject": subject, "version": 1, "id": 1, "guid": GUID_1, "schemaType": "AVRO", "schema": RECORD_1});

    let spaced = RECORD_1.replace(',', " , ");
    api.expect("POST", "/subjects/s", Some(&request(&spaced)), found("s"));
    api.expect("POST", "/subjects/s?normalize=true", Some(&request(RECORD_1)), found("s"));
    api.expect_error("POST", "/subjects/s", Some(&request(RECORD_BROKEN)), 40403, "Schema not found");
    api.expect_error("POST", "/subjects/u", Some(&request(RECORD_1)), 40401, "Subject 'u' not found.");
    api.expect_error("POST", "/subjects/u", Some(&request("{")), 42201, "line 1, column 2");
    api.expect_error("POST", "/subjects/s", Some("null"), 422, "lookUpSchemaUnderSubject.request must not be null");
    refuses_what_is_not_there_yet(api, "/subjects/s");
}

/// What is not carried yet is refused, never dropped.
fn refuses_what_is_not_there_yet(api: &mut Api, path: &str) {
    let fields = [("schemaType", json!("JSON")), ("schemaType", json!("PROTOBUF"))];
    for (name, value) in fields {
        let mut body = json!({"schema": RECORD_1});
        body[name] = value;
        api.expect_error("POST", path, Some(&body.to_string()), 42201, "not supported yet");
        // An explicit null is an absent field.
        body[name] = Value::Null;
        assert_eq!(api.send("POST", path, Some(&body.to_string())).status, 200, "{body}");
    }
    let unknown = json!({"schema": RECORD_1, "schemaType": "avro"}).to_string();
    let told = "Invalid schema type avro, details: expected AVRO in capitals, or no `schemaType`";
    api.expect_error("POST", path, Some(&unknown), 42201, told);
}

fn versions_are_listed(api: &mut Api) {
    api.expect_error("GET", "/subjects/s/versions", None, 40401, "Subject 's' not found.");
    api.register("s", RECORD_1);
    api.register("s", RECORD_2);

    api.expect("GET", "/subjects/s/versions", None, json!([1, 2]));
    api.expect("GET", "/subjects/s/versions?offset=1&limit=5", None, json!([2]));
    api.expect("GET", "/subjects/s/versions?deletedAsNegative=true", None, json!([1, 2]));
    api.expect_error("GET", "/subjects/:.c:s/versions", None, 40401, "Subject ':.c:s' not found.");
}

fn a_schema_is_registered(api: &mut Api) {
    let path = "/subjects/s/versions";
    let answer = |id, version, guid, schema| json!({"id": id, "version": version, "guid": guid, "schemaType": "AVRO", "schema": schema});
    api.expect("POST", path, Some(&request(RECORD_1)), answer(1, 1, GUID_1, RECORD_1));
    api.expect("POST", path, Some(&request(RECORD_2)), answer(2, 2, GUID_2, RECORD_2));
    // Known content: the old id and version, also under another subject.
    api.expect("POST", path, Some(&request(RECORD_1)), answer(1, 1, GUID_1, RECORD_1));
    api.expect("POST", "/subjects/t/versions", Some(&request(RECORD_2)), answer(2, 1, GUID_2, RECORD_2));

    let refused = api.send("POST", path, Some(&request(RECORD_BROKEN))).json();
    let message = refused["message"].as_str().unwrap();
    assert_eq!(refused["error_code"], 40901);
    assert!(message.contains("READER_FIELD_MISSING_DEFAULT_VALUE"), "{message}");
    assert!(message.contains("{hint: '/fields/1: "), "{message}");
    api.expect("GET", path, None, json!([1, 2]));
    assert_eq!(api.send("POST", &format!("{path}?force=true"), Some(&request(RECORD_BROKEN))).status, 200);

    api.expect_error("POST", path, Some(&request(r#"{"type":"nope"}"#)), 42201, "line 1, column 9");
    api.expect_error("POST", "/subjects/new/versions", Some("{}"), 42201, "Empty schema");
    api.expect_error("POST", path, Some(""), 422, "register.request must not be null (was null)");
    api.expect_error("POST", path, Some(r#"{"schema":["int"]}"#), 400, "");
    api.expect_error("POST", "/subjects/%C2%85/versions", Some(&request(RECORD_1)), 42208, "is not a valid.");
    api.expect_error("POST", "/subjects/__GLOBAL/versions", Some(&request(RECORD_1)), 42208, "__GLOBAL");
    refuses_what_is_not_there_yet(api, path);
    api.expect("GET", "/subjects", None, json!(["s", "t"]));

    // Another context: its ids begin at 1, and its names are qualified in what it says.
    assert_eq!(api.register(":.c:s", RECORD_2), 1);
    let refused = api.send("POST", "/contexts/c/subjects/s/versions", Some(&request(RECORD_BROKEN))).json();
    assert!(refused["message"].as_str().unwrap().contains("subject \":.c:s\""), "{refused}");
    api.expect("GET", "/contexts/.c/subjects/s/versions", None, json!([1]));
    assert_eq!(api.get("/subjects/:.c:s/versions/1").json()["subject"], ":.c:s");
    api.expect_error("POST", "/contexts/a:b/subjects/s/versions", Some(&request(RECORD_1)), 400, "colon");
    api.expect_error("POST", "/subjects/:.__GLOBAL:s/versions", Some(&request(RECORD_1)), 42208, ":.__GLOBAL:s");
}

fn a_version_is_got(api: &mut Api) {
    api.register("s", RECORD_1);
    api.register("s", RECORD_2);
    let first = json!({
        "subject": "s", "version": 1, "id": 1, "guid": GUID_1, "schemaType": "AVRO", "schema": RECORD_1, "deleted": false
    });
    let second = json!({
        "subject": "s", "version": 2, "id": 2, "guid": GUID_2, "schemaType": "AVRO", "schema": RECORD_2, "deleted": false
    });

    for text in ["1", "+01", "%201%20"] {
        api.expect("GET", &format!("/subjects/s/versions/{text}"), None, first.clone());
    }
    // What lists alone know is nothing here.
    api.expect("GET", "/subjects/s/versions/1?deletedOnly=true", None, first);
    for text in ["2", "latest", "LATEST", "-1"] {
        api.expect("GET", &format!("/subjects/s/versions/{text}"), None, second.clone());
    }
    api.expect_error("GET", "/subjects/s/versions/3", None, 40402, "Version 3 not found.");
    api.expect_error("GET", "/subjects/u/versions/1", None, 40401, "Subject 'u' not found.");
    for text in ["0", "-2", "abc", "2147483648"] {
        api.expect_error("GET", &format!("/subjects/u/versions/{text}"), None, 42202, "is not a valid version id");
    }
    // A bare name that the default context does not have is looked for in the others, in their order; by one version,
    // not by lists.
    for subject in [":.d:u", ":.c:u"] {
        api.register(subject, RECORD_1);
    }
    api.register(":.d:u", RECORD_2);
    assert_eq!(api.get("/subjects/u/versions/latest").json()["subject"], ":.c:u");
    assert_eq!(api.get("/subjects/u/versions/2").json()["subject"], ":.d:u");
    assert_eq!(api.send("POST", "/subjects/u", Some(&request(RECORD_2))).json()["subject"], ":.d:u");
    api.expect_error("GET", "/subjects/u/versions/3", None, 40401, "Subject 'u' not found.");
    api.expect_error("GET", "/subjects/u/versions", None, 40401, "Subject 'u' not found.");
    api.expect_error("GET", "/subjects/:.e:u/versions/1", None, 40401, "Subject ':.e:u' not found.");
    // So is a version that the default context's subject does not have, or not any more.
    api.register("u", RECORD_1);
    assert_eq!(api.get("/subjects/u/versions/1").json()["subject"], "u");
    assert_eq!(api.get("/subjects/u/versions/2").json()["subject"], ":.d:u");
    api.expect_error("GET", "/subjects/u/versions/3", None, 40402, "Version 3 not found.");
    api.expect("DELETE", "/subjects/u", None, json!([1]));
    assert_eq!(api.get("/subjects/u/versions/latest").json()["subject"], ":.c:u");
    assert_eq!(api.get("/subjects/u/versions/1").json()["subject"], ":.c:u");
    assert_eq!(api.get("/subjects/u/versions/1?deleted=true").json()["subject"], "u");
}

fn a_subject_is_deleted_in_two_stages(api: &mut Api) {
    api.expect_error("DELETE", "/subjects/s", None, 40401, "Subject 's' not found.");
    api.register("s", RECORD_1);
    api.register("s", RECORD_2);
    api.expect_error(
        "DELETE",
        "/subjects/s?permanent=true",
        None,
        40405,
        "Subject 's' was not deleted first before being permanently deleted",
    );

    api.expect("DELETE", "/subjects/s", None, json!([1, 2]));
    api.expect_error(
        "DELETE",
        "/subjects/s",
        None,
        40404,
        "Subject 's' was soft deleted.Set permanent=true to delete permanently",
    );
    api.expect("GET", "/subjects", None, json!([]));
    api.expect("GET", "/subjects?deleted=true", None, json!(["s"]));
    api.expect("GET", "/subjects?deletedOnly=true", None, json!(["s"]));
    api.expect_error("GET", "/subjects/s/versions", None, 40401, "Subject 's' not found.");
    api.expect_error("GET", "/subjects/s/versions?deletedAsNegative=true", None, 40401, "Subject 's' not found.");
    api.expect("GET", "/subjects/s/versions?deletedOnly=true", None, json!([1, 2]));
    // The id lives on, and with it what was written under it.
    assert_eq!(api.get("/schemas/ids/1").json()["deleted"], true);
    api.expect("GET", "/schemas/ids/1/subjects", None, json!([]));
    api.expect("GET", "/schemas/ids/1/subjects?deleted=true", None, json!(["s"]));

    api.expect("DELETE", "/subjects/s?permanent=true", None, json!([1, 2]));
    api.expect_error("DELETE", "/subjects/s?permanent=true", None, 40401, "Subject 's' not found.");
    api.expect_error("GET", "/schemas/ids/1", None, 40403, "Schema 1 not found");
    // Versions start again, ids do not.
    assert_eq!(api.register("s", RECORD_1), 3);
    api.expect("GET", "/subjects/s/versions", None, json!([1]));
    api.expect_error("DELETE", "/subjects/", None, 404, "");
}

fn what_is_referred_to_stays(api: &mut Api) {
    let refused = |version: u32| {
        format!("One or more references exist to the schema {{magic=1,keytype=SCHEMA,subject=base,version={version}}}.")
    };
    let using = |subject: &str| {
        let schema = r#"{"type":"record","name":"U","fields":[{"name":"r","type":"R"}]}"#;
        json!({"schema": schema, "references": [{"name": "R", "subject": subject, "version": 1}]}).to_string()
    };
    api.register("base", RECORD_1);
    api.register(":.c:base", RECORD_1);
    assert_eq!(api.send("POST", "/subjects/use/versions", Some(&using("base"))).status, 200);
    assert_eq!(api.send("POST", "/subjects/far/versions", Some(&using(":.c:base"))).status, 200);

    // A live referrer keeps a live version; a soft-deleted one keeps a soft-deleted version.
    for path in ["/subjects/base", "/subjects/base/versions/1"] {
        api.expect_error("DELETE", path, None, 42206, &refused(1));
        api.expect_error("DELETE", &format!("{path}?permanent=true"), None, 42206, &refused(1));
    }
    api.expect_error("DELETE", "/subjects/:.c:base", None, 42206, "subject=:.c:base,version=1}");
    api.expect("DELETE", "/subjects/use", None, json!([1]));
    api.expect("DELETE", "/subjects/base", None, json!([1]));
    for path in ["/subjects/base?permanent=true", "/subjects/base/versions/1?permanent=true"] {
        api.expect_error("DELETE", path, None, 42206, &refused(1));
    }
    api.expect_error("PUT", "/mode/base", Some(r#"{"mode":"IMPORT"}"#), 42206, &refused(1));
    api.expect("DELETE", "/subjects/use?permanent=true", None, json!([1]));
    api.expect("DELETE", "/subjects/base?permanent=true", None, json!([1]));
}

/// The versions are looked at in their order, each for who refers to it and then for whether it is soft-deleted.
fn a_live_subject_tells_what_refers_to_it_first(api: &mut Api) {
    let using = |subject: &str, version: u32| {
        let schema = r#"{"type":"record","name":"U","fields":[{"name":"r","type":"R"}]}"#;
        json!({"schema": schema, "references": [{"name": "R", "subject": subject, "version": version}]}).to_string()
    };
    for schema in [RECORD_1, RECORD_2] {
        api.register("s", schema);
    }
    assert_eq!(api.send("POST", "/subjects/s/versions?force=true", Some(&using("s", 1))).status, 200);
    assert_eq!(api.send("POST", "/subjects/use/versions", Some(&using("s", 2))).status, 200);

    // What refers to it from within is deleted along with it.
    let live = "Subject 's' was not deleted first before being permanently deleted";
    api.expect_error("DELETE", "/subjects/s?permanent=true", None, 40405, live);
    let kept = |version: u32| format!("{{magic=1,keytype=SCHEMA,subject=s,version={version}}}.");
    api.expect_error("DELETE", "/subjects/s/versions/1?permanent=true", None, 42206, &kept(1));
    api.expect_error("DELETE", "/subjects/s/versions/3?permanent=true", None, 40407, "Version 3 was not deleted");
    assert_eq!(api.send("POST", "/subjects/use/versions?force=true", Some(&using("s", 1))).status, 200);
    api.expect_error("DELETE", "/subjects/s?permanent=true", None, 42206, &kept(1));
    api.expect("DELETE", "/subjects/use", None, json!([1, 2]));
    api.expect("DELETE", "/subjects/s", None, json!([1, 2, 3]));
}

fn a_version_is_deleted_in_two_stages(api: &mut Api) {
    let path = "/subjects/s/versions";
    api.expect_error("DELETE", &format!("{path}/1"), None, 40401, "Subject 's' not found.");
    api.expect_error("DELETE", &format!("{path}/0"), None, 42202, "is not a valid version id");
    for schema in [RECORD_1, RECORD_2] {
        api.register("s", schema);
    }
    api.expect_error("DELETE", &format!("{path}/3"), None, 40402, "Version 3 not found.");
    let not_soft = "Subject 's' Version 1 was not deleted first before being permanently deleted";
    api.expect_error("DELETE", &format!("{path}/1?permanent=true"), None, 40407, not_soft);

    api.expect("DELETE", &format!("{path}/1"), None, json!(1));
    let soft = "Subject 's' Version 1 was soft deleted.Set permanent=true to delete permanently";
    api.expect_error("DELETE", &format!("{path}/1"), None, 40406, soft);
    api.expect("GET", path, None, json!([2]));
    api.expect("GET", &format!("{path}?deleted=true"), None, json!([1, 2]));
    api.expect("GET", &format!("{path}?deletedAsNegative=true"), None, json!([-1, 2]));
    api.expect_error("GET", &format!("{path}/1"), None, 40402, "Version 1 not found.");
    assert_eq!(api.get(&format!("{path}/1?deleted=true")).json()["deleted"], true);

    // The latest is the newest live one, so what is soft-deleted goes by its number.
    api.expect_error("DELETE", &format!("{path}/latest?permanent=true"), None, 40407, "Version 2 was not deleted");
    api.expect("DELETE", &format!("{path}/latest"), None, json!(2));
    api.expect_error("DELETE", &format!("{path}/latest"), None, 40402, "Version -1 not found.");
    api.expect_error("GET", &format!("{path}/latest?deleted=true"), None, 40402, "Version -1 not found.");
    // Nothing is left to be compatible with; the number of what is deleted stays taken.
    api.register("s", RECORD_BROKEN);
    api.expect("GET", path, None, json!([3]));
    api.expect("DELETE", &format!("{path}/1?permanent=true"), None, json!(1));
    api.expect("GET", &format!("{path}?deleted=true"), None, json!([2, 3]));
    api.expect_error("GET", "/schemas/ids/1", None, 40403, "Schema 1 not found");
}

fn the_text_of_a_version_is_got(api: &mut Api) {
    api.register("s", RECORD_1);

    let answer = api.get("/subjects/s/versions/latest/schema");

    assert_eq!((answer.status, answer.text().as_str()), (200, RECORD_1));
    api.expect_error("GET", "/subjects/s/versions/2/schema", None, 40402, "Version 2 not found.");
}

fn a_schema_is_got_by_id(api: &mut Api) {
    let answer = |subject: &str, version| {
        json!({
            "subject": subject, "version": version, "guid": GUID_1, "schemaType": "AVRO", "schema": RECORD_1,
            "deleted": false
        })
    };
    api.expect_error("GET", "/schemas/ids/1", None, 40403, "Schema 1 not found");
    api.register("m", RECORD_1);
    api.expect("GET", "/schemas/ids/1", None, answer("m", 1));

    // An earlier name takes over at once, though the answer was kept finished.
    api.register("b", RECORD_1);
    api.expect("GET", "/schemas/ids/1", None, answer("b", 1));
    api.expect("GET", "/schemas/ids/1?subject=m", None, answer("m", 1));
    api.expect("GET", "/schemas/ids/1?subject=nobody&deleted=true", None, answer("b", 1));
    for id in ["0", "-1", "9"] {
        api.expect_error("GET", &format!("/schemas/ids/{id}"), None, 40403, &format!("Schema {id} not found"));
    }
    for id in ["x", "1.5", "2147483648"] {
        api.expect_error("GET", &format!("/schemas/ids/{id}"), None, 404, "HTTP 404 Not Found");
    }
    api.register("b", RECORD_2);
    let with_max_id = api.get("/schemas/ids/1?fetchMaxId=true").json();
    assert_eq!((&with_max_id["subject"], &with_max_id["maxId"]), (&json!("b"), &json!(2)));
}

fn the_text_of_an_id_is_got(api: &mut Api) {
    api.register("s", RECORD_1);

    let answer = api.get("/schemas/ids/1/schema");

    assert_eq!((answer.status, answer.text().as_str()), (200, RECORD_1));
    api.expect_error("GET", "/schemas/ids/2/schema", None, 40403, "Schema 2 not found");
}

fn the_subjects_of_an_id_are_listed(api: &mut Api) {
    for subject in ["b", "a"] {
        api.register(subject, RECORD_1);
    }

    api.expect("GET", "/schemas/ids/1/subjects", None, json!(["a", "b"]));
    api.expect("GET", "/schemas/ids/1/subjects?offset=1", None, json!(["b"]));
    api.expect_error("GET", "/schemas/ids/2/subjects", None, 40403, "Schema not found");
}

fn the_versions_of_an_id_are_listed(api: &mut Api) {
    api.register("b", RECORD_1);
    api.register("b", RECORD_2);
    api.register("a", RECORD_2);

    let expected = json!([{"subject": "a", "version": 1}, {"subject": "b", "version": 2}]);
    api.expect("GET", "/schemas/ids/2/versions", None, expected);
    api.expect_error("GET", "/schemas/ids/3/versions", None, 40403, "Schema not found");
}

fn a_schema_is_checked_as_a_register_would(api: &mut Api) {
    let path = "/compatibility/subjects/s/versions";
    api.expect("POST", path, Some(&request(RECORD_BROKEN)), json!({"is_compatible": true}));
    api.register("s", RECORD_1);
    api.register("s", RECORD_2);

    api.expect("POST", path, Some(&request(RECORD_2)), json!({"is_compatible": true}));
    // Clients put a slash behind it.
    api.expect(
        "POST",
        &format!("{path}/?verbose=true"),
        Some(&request(RECORD_2)),
        json!({"is_compatible": true, "messages": []}),
    );
    api.expect("POST", path, Some(&request(RECORD_BROKEN)), json!({"is_compatible": false}));
    let messages = api.send("POST", &format!("{path}?verbose=true"), Some(&request(RECORD_BROKEN))).json();
    assert_eq!(messages["messages"][1], "{oldSchemaVersion: 2}");
    api.expect_error("POST", path, Some(&request("{")), 42201, "Invalid schema");
    refuses_what_is_not_there_yet(api, path);
}

fn a_schema_is_checked_with_one(api: &mut Api) {
    let path = "/compatibility/subjects/s/versions";
    api.register("s", RECORD_1);
    api.send("PUT", "/config/s", Some(r#"{"compatibility":"FULL"}"#));

    api.expect("POST", &format!("{path}/1"), Some(&request(RECORD_2)), json!({"is_compatible": true}));
    let verbose = api.send("POST", &format!("{path}/latest?verbose=true"), Some(&request(RECORD_BROKEN))).json();
    assert_eq!(verbose["is_compatible"], false);
    assert!(verbose["messages"][3].as_str().unwrap().contains("compatibility: 'FULL'"), "{verbose}");
    let bad = api.send("POST", &format!("{path}/1?verbose=true"), Some(&request("{"))).json();
    assert_eq!((&bad["is_compatible"], bad["messages"].as_array().map(Vec::len)), (&json!(false), Some(1)), "{bad}");
    api.expect_error("POST", &format!("{path}/2"), Some(&request(RECORD_1)), 40402, "Version 2 not found.");
    api.expect_error("POST", &format!("{path}/2?verbose=true"), Some(&request("{")), 40402, "Version 2 not found.");
    api.expect_error("POST", &format!("{path}/0"), Some(&request(RECORD_1)), 42202, "is not a valid version id");
    let unknown = "/compatibility/subjects/u/versions/latest";
    api.expect("POST", unknown, Some(&request(RECORD_1)), json!({"is_compatible": true}));

    // A version of another group is not compared, here neither; metadata that is not sent is the latest version's.
    let of_major = |schema: &str, metadata: Value| json!({"schema": schema, "metadata": metadata}).to_string();
    let major = |number: &str| json!({"properties": {"major": number}});
    api.send("PUT", "/config/g", Some(r#"{"compatibilityGroup":"major"}"#));
    api.send("POST", "/subjects/g/versions", Some(&of_major(RECORD_1, major("1"))));
    for (metadata, is_compatible) in [(major("2"), true), (json!({}), true), (major("1"), false), (Value::Null, false)]
    {
        for version in ["1", "latest"] {
            let path = format!("/compatibility/subjects/g/versions/{version}");
            let body = of_major(RECORD_BROKEN, metadata.clone());
            api.expect("POST", &path, Some(&body), json!({"is_compatible": is_compatible}));
        }
    }
}

fn the_global_config_is_got(api: &mut Api) {
    api.expect("GET", "/config", None, json!({"compatibilityLevel": "BACKWARD"}));
    api.expect("GET", "/config/", None, json!({"compatibilityLevel": "BACKWARD"}));
}

fn the_global_config_is_put(api: &mut Api) {
    for level in ["NONE", "BACKWARD", "BACKWARD_TRANSITIVE", "FORWARD", "FORWARD_TRANSITIVE", "FULL", "FULL_TRANSITIVE"]
    {
        let body = json!({"compatibility": level.to_lowercase()}).to_string();
        api.expect("PUT", "/config", Some(&body), json!({"compatibility": level}));
        api.expect("GET", "/config", None, json!({"compatibilityLevel": level}));
    }
    let merged = json!({"compatibility": "FULL_TRANSITIVE", "normalize": true});
    api.expect("PUT", "/config", Some(r#"{"normalize":true}"#), merged);
    api.expect_error("PUT", "/config", Some(r#"{"compatibility":"SIDEWAYS"}"#), 42203, "Invalid compatibility level");
    api.expect_error("PUT", "/config", None, 422, "must not be null");
    // An empty shell variable behind the slash does not reach the global setting.
    api.expect_error("PUT", "/config/", Some(r#"{"compatibility":"NONE"}"#), 404, "");
    api.expect_error("PUT", "/config//", Some(r#"{"compatibility":"NONE"}"#), 400, "");
    api.expect("GET", "/config", None, json!({"compatibilityLevel": "FULL_TRANSITIVE", "normalize": true}));
}

fn a_subjects_config_is_got(api: &mut Api) {
    let unset = "Subject 's' does not have subject-level compatibility configured";
    api.expect_error("GET", "/config/s", None, 40408, unset);
    api.send("PUT", "/config", Some(r#"{"compatibility":"FULL","normalize":true}"#));

    let inherited = json!({"compatibilityLevel": "FULL", "normalize": true});
    api.expect("GET", "/config/s?defaultToGlobal=true", None, inherited);
    api.expect_error("GET", "/config/s", None, 40408, unset);
}

fn a_subjects_config_is_put(api: &mut Api) {
    api.expect("PUT", "/config/s", Some(r#"{"compatibility":"NONE"}"#), json!({"compatibility": "NONE"}));
    api.register("s", RECORD_1);
    api.register("s", RECORD_BROKEN);

    api.expect("PUT", "/config/s", Some(r#"{"compatibility":null}"#), json!({}));
    api.expect("GET", "/config/s", None, json!({"compatibilityLevel": "BACKWARD"}));
    api.expect_error("PUT", "/config/__EMPTY", Some("{}"), 42208, "__EMPTY");
}
