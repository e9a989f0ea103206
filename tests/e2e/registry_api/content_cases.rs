//! The cases of what stands beside a schema: references, metadata, rules, tags, and the GUID over all of it.

use serde_json::{Value, json};

use super::{Api, Case, RECORD_1, RECORD_2};

/// The case of each of these routes.
pub(crate) const CONTENT_CASES: &[Case] = &[
    Case { endpoint: "GET /subjects/{subject}/metadata", run: a_version_is_found_by_its_metadata },
    Case { endpoint: "GET /subjects/{subject}/versions/{version}/referencedby", run: referrers_are_listed },
    Case { endpoint: "POST /subjects/{subject}/versions/{version}/tags", run: tags_make_a_new_version },
    Case { endpoint: "GET /schemas", run: versions_of_all_subjects_are_listed },
    Case { endpoint: "POST /subjects/{subject}/versions", run: without_a_text_the_version_before_gives_text_and_type },
    Case { endpoint: "POST /subjects/{subject}/versions", run: an_import_brings_ids_and_versions },
    Case { endpoint: "POST /subjects/{subject}/versions", run: only_an_import_leans_on_what_is_soft_deleted },
    Case { endpoint: "POST /subjects/{subject}/versions", run: a_refusal_tells_what_is_looked_at_first },
    Case { endpoint: "POST /subjects/{subject}/versions", run: who_finds_no_id_left_is_told_what_to_try },
    Case { endpoint: "POST /subjects/{subject}/versions", run: who_finds_no_version_left_is_told_what_to_try },
    Case { endpoint: "POST /subjects/{subject}/versions", run: a_reference_leads_from_any_context_to_the_default_one },
    Case { endpoint: "GET /schemas/ids/{id}", run: an_id_is_looked_for_where_the_subject_stands },
    Case { endpoint: "GET /schemas/guids/{guid}", run: a_schema_is_got_by_guid },
    Case { endpoint: "GET /schemas/guids/{guid}/ids", run: the_ids_of_a_guid_are_listed },
];

/// The GUIDs of a schema that refers to another, and of one with metadata, as a Confluent server gave them.
const USER: &str = r#"{"type":"record","name":"U","fields":[{"name":"b","type":"com.x.Base"}]}"#;
const USER_GUID: &str = "b1150bc3-13ef-5539-8518-0d7a11dca60c";
const BASE: &str = r#"{"type":"record","name":"Base","namespace":"com.x","fields":[]}"#;
const NUMBERED_INT_GUID: &str = "75b38dc3-3cb5-df5a-463e-26bc6ac19a23";

fn base_reference(version: i32) -> Value {
    json!([{"name": "com.x.Base", "subject": "base", "version": version}])
}

fn user(version: i32) -> Value {
    json!({"schema": USER, "references": base_reference(version)})
}

pub(super) fn post(api: &mut Api, path: &str, body: &Value) -> Value {
    let answer = api.send("POST", path, Some(&body.to_string()));
    assert_eq!(answer.status, 200, "{path} {body}: {}", answer.text());
    answer.json()
}

pub(super) fn get(api: &mut Api, path: &str) -> Value {
    let answer = api.send("GET", path, None);
    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    answer.json()
}

pub(super) fn refused(api: &mut Api, path: &str, body: &Value, code: u64, words: &str) {
    api.expect_error("POST", path, Some(&body.to_string()), code, words);
}

fn referrers_are_listed(api: &mut Api) {
    api.register("base", BASE);
    refused(api, "/subjects/use/versions", &json!({"schema": USER}), 42201, "Undefined schema: com.x.Base");
    let misspelt = json!({"schema": "{\"type\":\"array\",\"items\":\"strin\"}"});
    let said = "Undefined schema: strin; did you mean `string`? (line 1, column 25, at `/items`)";
    refused(api, "/subjects/use/versions", &misspelt, 42201, said);
    for (reference, words) in [
        (json!({"name": "n", "subject": "base"}), "Invalid reference: {name='n', subject='base', version=null}"),
        (json!({"name": null, "subject": "base", "version": 1}), "Invalid reference: {name='null', subject='base'"),
        (json!({"name": "n", "subject": "base", "version": 0}), "Invalid reference"),
        (json!({"name": "", "subject": "base", "version": 1}), "the name is empty"),
        (json!({"name": "a.B", "subject": "b\u{0}", "version": 1}), "U+0000"),
        (
            json!({"name": "n", "subject": "base", "version": 2}),
            "No schema reference found for subject \"base\" and version 2",
        ),
        (json!({"name": "n", "subject": "nobody", "version": -1}), "No schema reference found for subject \"nobody\""),
    ] {
        let body = json!({"schema": "\"int\"", "references": [reference]});
        refused(api, "/subjects/use/versions", &body, 42201, words);
        refused(api, "/subjects/base", &body, 42201, words);
    }

    // -1 is the latest, and stored as its number; references come back as they were sent.
    let registered = post(api, "/subjects/use/versions", &user(-1));
    assert_eq!(registered["guid"], USER_GUID);
    assert_eq!((&registered["id"], &registered["references"]), (&json!(2), &base_reference(1)));
    assert_eq!(post(api, "/subjects/use/versions", &user(1))["version"], 1);
    assert_eq!(post(api, "/subjects/use", &user(-1))["references"], base_reference(1));
    for path in ["/subjects/use/versions/1", "/schemas/ids/2"] {
        let plain = get(api, path);
        assert_eq!((&plain["schema"], &plain["references"]), (&json!(USER), &base_reference(1)));
        let resolved = get(api, &format!("{path}?format=resolved&referenceFormat=qualified"));
        assert!(resolved["schema"].as_str().unwrap().contains(r#""name":"Base""#), "{resolved}");
        assert_eq!(resolved["references"], base_reference(1));
        assert!(get(api, &format!("{path}/schema?format=resolved"))["fields"][0]["type"].is_object());
    }
    // One that has the type in itself is the same schema to the subject.
    let inlined = get(api, "/subjects/use/versions/1?format=resolved")["schema"].clone();
    assert_eq!(post(api, "/subjects/use/versions", &json!({"schema": inlined}))["id"], 2);

    api.expect("GET", "/subjects/base/versions/latest/referencedby", None, json!([2]));
    post(api, "/subjects/other/versions", &json!({"schema": "\"int\"", "references": base_reference(1)}));
    api.expect("GET", "/subjects/base/versions/1/referencedby", None, json!([2, 3]));
    api.expect("GET", "/subjects/base/versions/1/referencedby?offset=1&limit=5", None, json!([3]));
    api.expect("GET", "/subjects/use/versions/1/referencedby", None, json!([]));
    api.expect_error("GET", "/subjects/base/versions/2/referencedby", None, 40402, "Version 2 not found.");
    api.expect_error("GET", "/subjects/nobody/versions/1/referencedby", None, 40401, "Subject 'nobody' not found.");
    api.expect_error("GET", "/subjects/base/versions/0/referencedby", None, 42202, "is not a valid version id");

    // Of a soft-deleted version, too, and nobody who is left refers to it.
    post(api, "/subjects/gone/versions", &json!({"schema": BASE}));
    api.expect("DELETE", "/subjects/gone", None, json!([1]));
    api.expect("GET", "/subjects/gone/versions/1/referencedby", None, json!([]));

    // A change of the referenced type is a change of the schema that refers to it.
    let wider = json!({"schema": r#"{"type":"record","name":"com.x.Base","fields":[{"name":"a","type":"int"}]}"#});
    post(api, "/subjects/base/versions?force=true", &wider);
    refused(api, "/subjects/use/versions", &user(2), 40901, "READER_FIELD_MISSING_DEFAULT_VALUE");
    let check = post(api, "/compatibility/subjects/use/versions/latest?verbose=true", &user(2));
    assert_eq!(check["is_compatible"], false, "{check}");
}

/// Confluent's server does not take such a name apart in a reference.
fn a_reference_leads_from_any_context_to_the_default_one(api: &mut Api) {
    api.register("base", BASE);
    let words = "No schema reference found for subject \"base\" and version 1";
    refused(api, "/subjects/:.c:use/versions", &user(1), 42201, words);

    let references = json!([{"name": "com.x.Base", "subject": ":.:base", "version": 1}]);
    let body = json!({"schema": USER, "references": references});
    let registered = post(api, "/subjects/:.c:use/versions", &body);
    assert_eq!((&registered["id"], &registered["references"]), (&json!(1), &references));
    let resolved = get(api, "/subjects/:.c:use/versions/1?format=resolved");
    assert!(resolved["schema"].as_str().unwrap().contains(r#""name":"Base""#), "{resolved}");
    api.expect("GET", "/subjects/base/versions/1/referencedby", None, json!([1]));
    assert_eq!(post(api, "/subjects/use/versions", &body)["references"], references);
}

fn a_version_is_found_by_its_metadata(api: &mut Api) {
    let path = "/subjects/s/metadata";
    api.expect_error("GET", path, None, 40401, "Subject 's' not found.");
    api.register("s", RECORD_1);
    api.expect_error("GET", path, None, 40403, "Schema not found");

    // Metadata makes another content of one text; what sends none gets that of the version before.
    let metadata = json!({"tags": {"R.a": ["PII"]}, "properties": {"owner": "me", "n": "1"}, "sensitive": ["owner"]});
    let with_metadata = post(api, "/subjects/s/versions", &json!({"schema": RECORD_1, "metadata": metadata}));
    assert_eq!((&with_metadata["id"], &with_metadata["metadata"]), (&json!(2), &metadata));
    assert_eq!(post(api, "/subjects/s/versions", &json!({"schema": RECORD_2}))["metadata"], metadata);
    let other = json!({"schema": RECORD_2, "metadata": {"properties": {"owner": "you"}}});
    assert_eq!(post(api, "/subjects/s/versions", &other)["version"], 4);
    let empty = post(api, "/subjects/s/versions", &json!({"schema": RECORD_2, "metadata": {}}));
    assert_eq!((&empty["version"], &empty["metadata"]), (&json!(5), &json!({})));

    assert_eq!(get(api, path)["version"], 5);
    // Keys that are not paired are none.
    for query in ["key=owner", "value=me", "key=owner&key=n&value=me", "key=owner&value=me&value=1"] {
        assert_eq!(get(api, &format!("{path}?{query}"))["version"], 5, "{query}");
    }
    assert_eq!(get(api, &format!("{path}?key=owner&value=me"))["version"], 3);
    assert_eq!(get(api, &format!("{path}?key=owner&value=me&key=n&value=1"))["version"], 3);
    assert_eq!(get(api, &format!("{path}?key=owner&value=you"))["version"], 4);
    api.expect_error("GET", &format!("{path}?key=owner&value=you&key=n&value=1"), None, 40403, "Schema not found");

    // A lookup without metadata finds any, one with metadata finds that alone.
    let lookup = |api: &mut Api, body: &Value| post(api, "/subjects/s", body)["version"].clone();
    assert_eq!(lookup(api, &json!({"schema": RECORD_1, "metadata": metadata})), 2);
    assert_eq!(lookup(api, &json!({"schema": RECORD_2})), 5);
    assert_eq!(lookup(api, &other), 4);
    refused(api, "/subjects/s", &json!({"schema": RECORD_1, "metadata": {}}), 40403, "Schema not found");
}

fn tags_make_a_new_version(api: &mut Api) {
    let path = "/subjects/s/versions/latest/tags";
    refused(api, path, &json!({}), 40401, "Subject 's' not found.");
    api.register("s", "\"int\"");
    let numbered = post(api, path, &json!({}));
    assert_eq!((&numbered["version"], &numbered["guid"]), (&json!(2), &json!(NUMBERED_INT_GUID)));
    assert_eq!(numbered["metadata"], json!({"properties": {"confluent:version": "2"}}));

    api.register("t", RECORD_1);
    let path = "/subjects/t/versions/1/tags";
    let entity = json!({"entityType": "sr_field", "entityPath": "R.a"});
    let add = json!({"newVersion": 2, "tagsToAdd": [{"schemaEntity": entity, "tags": ["PII", "GDPR"]}]});
    let tagged = post(api, path, &add);
    assert!(tagged["schema"].as_str().unwrap().contains(r#""confluent:tags":["GDPR","PII"]"#), "{tagged}");
    let found = get(api, "/subjects/t/versions/2?findTags=true");
    assert_eq!(found["schemaTags"], json!([{"schemaEntity": entity, "tags": ["GDPR", "PII"]}]));
    refused(api, path, &add, 42201, "Version is not one more than previous version");
    let unknown =
        json!({"tagsToAdd": [{"schemaEntity": {"entityType": "sr_record", "entityPath": "X"}, "tags": ["T"]}]});
    refused(api, path, &unknown, 42201, "the schema has no record `X`");
    let nameless = json!({"tagsToAdd": [{"tags": ["T"]}]});
    refused(api, path, &nameless, 42201, "Invalid entity");
    api.expect_error("POST", "/subjects/t/versions/0/tags", Some("{}"), 42202, "is not a valid version id");
    api.expect_error("POST", "/subjects/t/versions/9/tags", Some("{}"), 40402, "Version 9 not found.");

    let rules = json!({"domainRules": [{"name": "r", "type": "CEL"}, {"name": "q", "type": "CEL"}]});
    let merged = post(
        api,
        path,
        &json!({"ruleSet": rules, "rulesToMerge": {"domainRules": [{"name": "q", "type": "X"}]}, "rulesToRemove": ["r"]}),
    );
    let complete = json!({"name": "q", "type": "X", "kind": "TRANSFORM", "mode": "WRITEREAD", "disabled": false});
    assert_eq!(merged["ruleSet"], json!({"domainRules": [complete]}), "rules are kept for the clients that run them");
    refused(api, path, &json!({"ruleSet": {"domainRules": [{"name": "r"}]}}), 42210, "the rule `r` has no type");

    // Tags of the version before are taken over where the new schema has their entity.
    let next = json!({"schema": RECORD_2, "propagateSchemaTags": true});
    post(api, "/subjects/p/versions", &json!({"schema": RECORD_1, "schemaTagsToAdd": add["tagsToAdd"]}));
    let next = post(api, "/subjects/p/versions", &next);
    assert!(next["schema"].as_str().unwrap().contains(r#""confluent:tags":["GDPR","PII"]"#), "{next}");
}

fn a_schema_is_got_by_guid(api: &mut Api) {
    api.register("base", BASE);
    post(api, "/subjects/use/versions", &user(1));

    let answer = |deleted: bool| {
        json!({
            "guid": USER_GUID, "schemaType": "AVRO", "schema": USER, "references": base_reference(1),
            "deleted": deleted,
        })
    };
    api.expect("GET", &format!("/schemas/guids/{USER_GUID}"), None, answer(false));
    api.expect("GET", &format!("/schemas/guids/{}", USER_GUID.to_uppercase()), None, answer(false));
    let unknown = USER_GUID.replace('b', "0");
    for guid in ["x", &unknown] {
        let message = format!("Schema {guid} not found");
        api.expect_error("GET", &format!("/schemas/guids/{guid}"), None, 40403, &message);
    }

    api.send("DELETE", "/subjects/use/versions/1", None);
    api.expect("GET", &format!("/schemas/guids/{USER_GUID}"), None, answer(true));
    api.send("DELETE", "/subjects/use/versions/1?permanent=true", None);
    let gone = format!("Schema {USER_GUID} not found");
    api.expect_error("GET", &format!("/schemas/guids/{USER_GUID}"), None, 40403, &gone);
    api.expect("GET", &format!("/schemas/guids/{USER_GUID}/ids"), None, json!([]));
}

fn the_ids_of_a_guid_are_listed(api: &mut Api) {
    api.register("other", "\"int\"");
    let guid = post(api, "/subjects/s/versions", &json!({"schema": RECORD_1}))["guid"].as_str().unwrap().to_owned();
    post(api, "/subjects/:.c:s/versions", &json!({"schema": RECORD_1}));

    let ids = json!([{"context": ".", "id": 2}, {"context": ".c", "id": 1}]);
    api.expect("GET", &format!("/schemas/guids/{guid}/ids"), None, ids);
    api.expect("GET", &format!("/schemas/guids/{USER_GUID}/ids"), None, json!([]));
}

fn versions_of_all_subjects_are_listed(api: &mut Api) {
    api.expect("GET", "/schemas", None, json!([]));
    let rules = json!({"domainRules": [{"name": "r", "type": "CEL"}]});
    api.register("b", RECORD_1);
    post(api, "/subjects/b/versions", &json!({"schema": RECORD_2, "ruleSet": rules}));
    for subject in ["a", ":.c:a", ":.d:a"] {
        api.register(subject, RECORD_1);
    }
    api.send("DELETE", "/subjects/b/versions/1", None);
    api.send("PUT", "/config/z", Some(r#"{"alias": "b"}"#));
    let mut list = |query: &str| {
        let listed = get(api, &format!("/schemas{query}"));
        let names = listed.as_array().unwrap().iter().map(|row| {
            let (subject, version) = (row["subject"].as_str().unwrap(), row["version"].as_u64().unwrap());
            let aliases = row["aliases"].as_array().into_iter().flatten().filter_map(Value::as_str);
            format!("{subject}/{version}{}", aliases.map(|alias| format!("={alias}")).collect::<String>())
        });
        names.collect::<Vec<_>>().join(" ")
    };

    for (query, expected) in [
        ("", "a/1 b/2"),
        ("?deleted=true", "a/1 b/1 b/2"),
        ("?deleted=true&latestOnly=true", "a/1 b/2"),
        ("?subjectPrefix=b", "b/2"),
        ("?subjectPrefix=:*:", ":.c:a/1 :.d:a/1 a/1 b/2"),
        ("?subjectPrefix=:.c", ":.c:a/1"),
        ("?subjectPrefix=:*:&offset=1&limit=2", ":.d:a/1 a/1"),
        ("?ruleType=CEL", "b/2"),
        ("?ruleType=CEL&offset=1", ""),
        ("?aliases=true", "a/1 b/2=z"),
        ("?lifecycle=NONE&resourceType=", "a/1 b/2"),
        ("?lifecycle=WEAK", ""),
        ("?resourceType=topic", ""),
        ("?associationType=value", ""),
    ] {
        assert_eq!(list(query), expected, "{query}");
    }
    let rows = get(api, "/contexts/c/schemas");
    let guid = rows[0]["guid"].clone();
    let row = json!({
        "subject": ":.c:a", "version": 1, "id": 1, "guid": guid, "schemaType": "AVRO", "schema": RECORD_1,
        "ts": rows[0]["ts"], "deleted": false
    });
    assert_eq!(rows, json!([row]));
    api.expect_error("GET", "/schemas?offset=-1", None, 400, "offset");
    api.expect_error("GET", "/schemas?lifecycle=x", None, 404, "");
}

fn without_a_text_the_version_before_gives_text_and_type(api: &mut Api) {
    let path = "/subjects/s/versions";
    let of_no_text = [json!({}), json!({"schema": null}), json!({"schema": ""}), json!({"schema": " \n"})];
    // The type says nothing where there is no text, whether it is known or not.
    let types = [Value::Null, json!("AVRO"), json!("JSON"), json!("PROTOBUF"), json!("THRIFT"), json!("")];
    let bodies = of_no_text.iter().flat_map(|body| {
        types.iter().map(|name| {
            let mut body = body.clone();
            body["schemaType"] = name.clone();
            body
        })
    });
    let bodies: Vec<Value> = bodies.collect();

    for body in &bodies {
        refused(api, path, body, 42201, "Empty schema");
        refused(api, "/subjects/s", body, 40401, "Subject 's' not found.");
    }
    api.register("base", BASE);
    let first = post(api, path, &user(1));
    for (body, number) in bodies.iter().zip(0..) {
        assert_eq!(post(api, path, body), first, "{body}");
        let metadata = json!({"properties": {"n": number.to_string()}});
        let mut changed = body.clone();
        changed["metadata"] = metadata.clone();
        let registered = post(api, path, &changed);
        assert_eq!((&registered["version"], &registered["metadata"]), (&json!(number + 2), &metadata), "{changed}");
        for field in ["schema", "schemaType", "references"] {
            assert_eq!(registered[field], first[field], "{changed}");
        }
        api.expect("DELETE", &format!("{path}/{}", number + 2), None, json!(number + 2));

        // All else needs a text.
        refused(api, "/subjects/s", body, 40403, "Schema not found");
        for check in ["/compatibility/subjects/s/versions", "/compatibility/subjects/s/versions/1"] {
            refused(api, check, body, 42201, "Empty schema");
            let told = post(api, &format!("{check}?verbose=true"), body);
            assert_eq!(
                (&told["is_compatible"], &told["messages"][0]),
                (&json!(false), &json!("Empty schema")),
                "{body}"
            );
        }
    }
}

fn an_import_brings_ids_and_versions(api: &mut Api) {
    let path = "/subjects/base/versions";
    let import = |schema: &str, id: i32, version: i32| json!({"schema": schema, "id": id, "version": version});
    refused(api, path, &import(BASE, 10, 3), 42205, "Subject base in context  is not in import mode");
    refused(api, path, &json!({"schema": BASE, "version": 2}), 42201, "Version is not one more than previous version");
    api.expect("PUT", "/mode/base", Some(r#"{"mode": "IMPORT"}"#), json!({"mode": "IMPORT"}));

    for (id, version) in [(10, 3), (12, 1)] {
        let registered = post(api, path, &import(BASE, id, version));
        assert_eq!((&registered["id"], &registered["version"]), (&json!(id), &json!(version)));
    }
    api.expect("GET", path, None, json!([1, 3]));
    refused(
        api,
        path,
        &import("\"int\"", 10, 5),
        42205,
        "Overwrite new schema with id 10 in context  is not permitted.",
    );
    refused(api, path, &json!({"schema": "\"int\""}), 42205, "Subject base in context  is not in read-write mode");

    // What something refers to is not replaced; what is imported next to it is.
    post(api, "/subjects/use/versions", &user(3));
    let referred = "One or more references exist to the schema {magic=1,keytype=SCHEMA,subject=base,version=3}.";
    refused(api, path, &import("\"int\"", 20, 3), 42206, referred);
    assert_eq!(post(api, path, &import("\"int\"", 20, 1))["id"], 20);
    assert_eq!(get(api, "/schemas/ids/20?fetchMaxId=true")["maxId"], 20);
    assert_eq!(post(api, "/subjects/new/versions", &json!({"schema": "\"long\""}))["id"], 21, "ids go on behind it");
}

fn only_an_import_leans_on_what_is_soft_deleted(api: &mut Api) {
    post(api, "/subjects/base/versions", &json!({"schema": BASE}));
    api.expect("DELETE", "/subjects/base/versions/1", None, json!(1));
    let words = "No schema reference found for subject \"base\" and version 1";
    refused(api, "/subjects/use/versions", &user(1), 42201, words);
    refused(api, "/compatibility/subjects/use/versions", &user(1), 42201, words);
    let check = post(api, "/compatibility/subjects/use/versions/latest?verbose=true", &user(1));
    assert!(check["messages"][0].as_str().unwrap().contains(words), "{check}");

    set_mode(api, "use", "IMPORT");
    let mut import = user(1);
    import["id"] = json!(50);
    assert_eq!(post(api, "/subjects/use/versions", &import)["id"], 50);
    let kept = "One or more references exist to the schema {magic=1,keytype=SCHEMA,subject=base,version=1}.";
    api.expect_error("DELETE", "/subjects/base/versions/1?permanent=true", None, 42206, kept);
    // What is there may be registered again.
    set_mode(api, "use", "READWRITE");
    assert_eq!(post(api, "/subjects/use/versions", &user(1))["id"], 50);
}

/// The mode comes before what is wrong with a new schema alone, and whether it is compatible before its number.
fn a_refusal_tells_what_is_looked_at_first(api: &mut Api) {
    let path = "/subjects/s/versions";
    let record = |rest: &str| format!(r#"{{"type":"record","name":"R","fields":[{{"name":"a","type":"int"{rest}}}]}}"#);
    let bad_default = json!({"schema": record(r#","default":"x""#)});
    let unreadable = json!({"schema": "\"nonsense\"", "version": 5});
    set_mode(api, "s", "READONLY");
    for body in [&bad_default, &unreadable, &json!({})] {
        refused(api, path, body, 42205, "Subject s in context  is in read-only mode");
    }
    refused(api, path, &json!({"schema": "\"nonsense\""}), 42201, "Undefined schema: nonsense");
    set_mode(api, "s", "READWRITE");
    refused(api, path, &bad_default, 42201, "Invalid default for field a");
    refused(api, path, &unreadable, 42201, "Undefined schema: nonsense");

    post(api, path, &json!({"schema": record("")}));
    refused(api, path, &json!({"schema": "\"int\"", "version": 7}), 40901, "TYPE_MISMATCH");
    let numbered = json!({"schema": record(r#","default":1"#), "version": 7});
    refused(api, path, &numbered, 42201, "Version is not one more than previous version");
    // No number below zero is one, and each but -1 wants a version of its own.
    let next = post(api, path, &json!({"schema": record(""), "version": -2}));
    assert_eq!((&next["version"], &next["metadata"]["properties"]["confluent:version"]), (&json!(2), &json!("2")));
}

fn who_finds_no_id_left_is_told_what_to_try(api: &mut Api) {
    set_mode(api, ":.c:imported", "IMPORT");
    let path = "/subjects/:.c:imported/versions";
    post(api, path, &json!({"schema": BASE, "id": i32::MAX, "version": 1}));

    let new = json!({"schema": "\"int\""});
    let words = "The ids of context '.c' are used up: an import has brought them to the largest, 2147483647. Import the \
                 schema with an id that is free (mode IMPORT), or register it in another context.";
    refused(api, "/subjects/:.c:s/versions", &new, 42205, words);
    refused(api, "/contexts/c/subjects/s/versions?force=true", &new, 42205, words);
    api.expect_error("GET", "/subjects/:.c:s/versions?deleted=true", None, 40401, "");
    assert_eq!(post(api, "/subjects/:.c:s/versions", &json!({"schema": BASE}))["id"], i32::MAX, "it has an id");

    // Both ways out.
    assert_eq!(post(api, path, &json!({"schema": "\"int\"", "id": 7}))["version"], 2);
    assert_eq!(post(api, "/subjects/:.c:other/versions", &new)["id"], 7);
    assert_eq!(post(api, "/subjects/s/versions", &json!({"schema": "\"long\""}))["id"], 1);
}

fn who_finds_no_version_left_is_told_what_to_try(api: &mut Api) {
    let path = "/subjects/s/versions";
    set_mode(api, "s", "IMPORT");
    post(api, path, &json!({"schema": RECORD_1, "id": 1, "version": i32::MAX}));

    let words = "The versions of subject 's' are used up: an import has brought them to the largest, 2147483647. Delete \
                 that version permanently, import the schema with a version that is free (mode IMPORT), or register it \
                 under another subject.";
    refused(api, path, &json!({"schema": RECORD_2, "id": 2}), 42205, words);
    assert_eq!(post(api, path, &json!({"schema": "\"int\"", "id": 2, "version": 4}))["version"], 4);
    set_mode(api, "s", "READWRITE");
    refused(api, path, &json!({"schema": RECORD_2}), 42205, words);
    refused(api, path, &json!({"schema": RECORD_2, "version": -1}), 42205, words);
    refused(api, "/subjects/s/versions/latest/tags", &json!({}), 42205, words);
    refused(api, path, &json!({"schema": RECORD_2, "version": 5}), 42201, "Version is not one more");
    assert_eq!(post(api, path, &json!({"schema": RECORD_1}))["version"], i32::MAX, "it is there");

    assert_eq!(post(api, "/subjects/t/versions", &json!({"schema": RECORD_2}))["id"], 3);
    let last = format!("{path}/{}", i32::MAX);
    api.expect("DELETE", &last, None, json!(i32::MAX));
    refused(api, path, &json!({"schema": "\"int\"", "metadata": {}}), 42205, words);
    api.expect("DELETE", &format!("{last}?permanent=true"), None, json!(i32::MAX));
    assert_eq!(post(api, path, &json!({"schema": "\"int\"", "metadata": {}}))["version"], 5);
}

fn set_mode(api: &mut Api, subject: &str, mode: &str) {
    let body = json!({ "mode": mode });
    api.expect("PUT", &format!("/mode/{subject}"), Some(&body.to_string()), body.clone());
}

fn an_id_is_looked_for_where_the_subject_stands(api: &mut Api) {
    api.register("a", "\"int\"");
    api.register(":.c:b", "\"long\"");
    api.register(":.c:b", "\"double\"");
    let subject = |api: &mut Api, query: &str| {
        let found = get(api, &format!("/schemas/ids/1{query}"));
        format!("{} {}", found["subject"].as_str().unwrap(), found["schema"].as_str().unwrap())
    };

    for (query, expected) in [
        ("", "a \"int\""),
        ("?subject=a", "a \"int\""),
        // Deserializers name the subject that they read, wherever it was registered.
        ("?subject=b", ":.c:b \"long\""),
        ("?subject=nobody", "a \"int\""),
        ("?subject=:.c:b", ":.c:b \"long\""),
        ("?subject=:.c:", ":.c:b \"long\""),
    ] {
        assert_eq!(subject(api, query), expected, "{query}");
    }
    assert_eq!(get(api, "/contexts/c/schemas/ids/2/schema"), json!("double"));
    for query in ["?subject=:.c:a", "?subject=:.d:"] {
        api.expect_error("GET", &format!("/schemas/ids/1{query}"), None, 40403, "Schema 1 not found");
    }
    api.expect_error("GET", "/schemas/ids/2", None, 40403, "Schema 2 not found");
    assert_eq!(get(api, "/schemas/ids/2?subject=b")["schema"], "\"double\"");
    api.expect("GET", "/schemas/ids/2/subjects?subject=:.c:", None, json!([":.c:b"]));

    // Lists are of the context that answers for the subject, and an alias stands for what it names there, too.
    api.send("PUT", "/config/old", Some(r#"{"alias":":.c:b"}"#));
    api.send("PUT", "/config/team", Some(r#"{"alias":":.c:"}"#));
    api.register("d", "\"int\"");
    for (query, expected) in [
        ("", json!(["a", "d"])),
        ("?subject=a", json!(["a", "d"])),
        ("?subject=nobody", json!(["a", "d"])),
        ("?subject=b", json!([":.c:b"])),
        ("?subject=:.c:b", json!([":.c:b"])),
        ("?subject=old", json!([":.c:b"])),
        ("?subject=team", json!([":.c:b"])),
    ] {
        api.expect("GET", &format!("/schemas/ids/1/subjects{query}"), None, expected);
    }
    api.expect("GET", "/schemas/ids/2/versions?subject=old", None, json!([{"subject": ":.c:b", "version": 2}]));
    // What tells of one use goes by the same names, also where the alias is a context.
    for (query, expected) in
        [("?subject=old", "long"), ("?subject=team", "long"), ("?subject=:.c:", "long"), ("?subject=nobody", "int")]
    {
        let of = if expected == "int" { "a" } else { ":.c:b" };
        assert_eq!(subject(api, query), format!("{of} {expected:?}"), "{query}");
        assert_eq!(get(api, &format!("/schemas/ids/1/schema{query}")), json!(expected), "{query}");
    }
    for query in ["?subject=:.c:a", "?subject=:.d:"] {
        api.expect_error("GET", &format!("/schemas/ids/1/versions{query}"), None, 40403, "Schema not found");
    }
}
