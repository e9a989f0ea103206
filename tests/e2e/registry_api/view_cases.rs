//! The cases of how answers show what is there: what is soft-deleted, references, tags, and the form of the text.

use serde_json::{Value, json};

use super::content_cases::{get, post};
use super::{Api, Case, RECORD_1, RECORD_2};

/// Each of an endpoint that has another case.
pub(crate) const VIEW_CASES: &[Case] = &[
    Case {
        endpoint: "GET /subjects/{subject}/versions/{version}/referencedby",
        run: soft_deleted_referrers_are_listed_on_demand,
    },
    Case { endpoint: "GET /subjects/{subject}/metadata", run: soft_deleted_versions_have_metadata_on_demand },
    Case { endpoint: "GET /subjects/{subject}/versions/{version}", run: references_tell_their_context_on_demand },
    Case { endpoint: "GET /schemas/guids/{guid}", run: a_schema_of_a_guid_is_shown_as_asked },
];

const BASE: &str = r#"{"type":"record","name":"Base","namespace":"com.x","fields":[]}"#;
const USER: &str = r#"{"type":"record","name":"U","fields":[{"name":"b","type":"com.x.Base"}]}"#;
const USER_RESOLVED: &str = r#"{"type":"record","name":"U","fields":[{"name":"b","type":{"type":"record","name":"Base","namespace":"com.x","fields":[]}}]}"#;

fn references(subject: &str) -> Value {
    json!([{"name": "com.x.Base", "subject": subject, "version": 1}])
}

fn user(subject: &str) -> Value {
    json!({"schema": USER, "references": references(subject)})
}

fn soft_deleted_referrers_are_listed_on_demand(api: &mut Api) {
    api.register("base", BASE);
    post(api, "/subjects/dead/versions", &user("base"));
    let alive = json!({"schema": "\"int\"", "references": references("base")});
    post(api, "/subjects/alive/versions", &alive);
    let path = "/subjects/base/versions/1/referencedby";
    api.expect("GET", path, None, json!([2, 3]));

    api.expect("DELETE", "/subjects/dead", None, json!([1]));
    api.expect("GET", path, None, json!([3]));
    api.expect("GET", &format!("{path}?deleted=false"), None, json!([3]));
    api.expect("GET", &format!("{path}?deleted=true"), None, json!([2, 3]));
    api.expect("GET", &format!("{path}?deleted=true&offset=0&limit=1"), None, json!([2]));
    api.expect("DELETE", "/subjects/dead?permanent=true", None, json!([1]));
    api.expect("GET", &format!("{path}?deleted=true"), None, json!([3]));
}

fn soft_deleted_versions_have_metadata_on_demand(api: &mut Api) {
    let owned = |schema: &str, owner: &str| json!({"schema": schema, "metadata": {"properties": {"owner": owner}}});
    for body in [owned(RECORD_1, "me"), owned(RECORD_2, "you")] {
        post(api, "/subjects/s/versions", &body);
    }
    let path = "/subjects/s/metadata";
    let of = |owner: &str| format!("{path}?key=owner&value={owner}");
    api.expect("DELETE", "/subjects/s/versions/1", None, json!(1));

    api.expect_error("GET", &of("me"), None, 40403, "Schema not found");
    let found = get(api, &format!("{}&deleted=true", of("me")));
    assert_eq!((&found["version"], &found["deleted"], &found["schema"]), (&json!(1), &json!(true), &json!(RECORD_1)));
    let found = get(api, &format!("{}&deleted=true", of("you")));
    assert_eq!((&found["version"], &found["deleted"]), (&json!(2), &json!(false)));

    // Nothing is left that may be seen without it.
    api.expect("DELETE", "/subjects/s", None, json!([2]));
    for path in [path, &of("me"), &of("you")] {
        api.expect_error("GET", path, None, 40401, "Subject 's' not found.");
    }
    assert_eq!(get(api, &format!("{path}?deleted=true"))["version"], 2);
    assert_eq!(get(api, &format!("{}&deleted=true", of("me")))["version"], 1);
}

fn references_tell_their_context_on_demand(api: &mut Api) {
    api.register("base", BASE);
    api.register(":.c:base", BASE);
    // As it is written, where that is, and what it is called from anywhere.
    for (subject, written, qualified) in [
        ("near", "base", "base"),
        ("far", ":.c:base", ":.c:base"),
        (":.c:near", "base", ":.c:base"),
        (":.c:far", ":.:base", "base"),
        (":.d:far", ":.c:base", ":.c:base"),
    ] {
        let registered = post(api, &format!("/subjects/{subject}/versions"), &user(written));
        assert_eq!(registered["references"], references(written), "{subject}");
        let (id, guid) = (&registered["id"], registered["guid"].as_str().unwrap());
        for path in [
            format!("/subjects/{subject}/versions/1"),
            format!("/subjects/{subject}/versions/latest"),
            format!("/schemas/ids/{id}?subject={subject}"),
        ] {
            let separator = if path.contains('?') { '&' } else { '?' };
            assert_eq!(get(api, &path)["references"], references(written), "{path}");
            for (format, expected) in [("qualified", qualified), ("default", written), ("", written)] {
                let found = get(api, &format!("{path}{separator}referenceFormat={format}"));
                assert_eq!(found["references"], references(expected), "{path} {format}");
            }
        }
        let path = format!("/subjects/{subject}?referenceFormat=qualified");
        assert_eq!(post(api, &path, &user(written))["references"], references(qualified), "{path}");
        // The same content in two contexts has one GUID, and may lead to two subjects: the first context's is shown.
        let path = format!("/schemas/guids/{guid}?referenceFormat=qualified");
        let first = if subject == ":.c:near" { "base" } else { qualified };
        assert_eq!(get(api, &path)["references"], references(first), "{path}");
    }
}

fn a_schema_of_a_guid_is_shown_as_asked(api: &mut Api) {
    api.register(":.c:base", BASE);
    let plain = post(api, "/subjects/:.c:use/versions", &user("base"));
    let path = format!("/schemas/guids/{}", plain["guid"].as_str().unwrap());
    let shown = |api: &mut Api, query: &str| {
        let found = get(api, &format!("{path}{query}"));
        (found["schema"].clone(), found["references"].clone(), found["schemaTags"].clone())
    };

    let (text, resolved) = (json!(USER), json!(USER_RESOLVED));
    let (written, qualified) = (references("base"), references(":.c:base"));
    for (query, expected) in [
        ("", (&text, &written)),
        ("?format=resolved", (&resolved, &written)),
        ("?format=default", (&text, &written)),
        ("?format=serialized&referenceFormat=x", (&text, &written)),
        ("?referenceFormat=qualified", (&text, &qualified)),
        ("?referenceFormat=qualified&format=resolved", (&resolved, &qualified)),
        ("?findTags=true", (&text, &written)),
    ] {
        let expected = (expected.0.clone(), expected.1.clone(), Value::Null);
        assert_eq!(shown(api, query), expected, "{query}");
    }

    let entity = json!({"entityType": "sr_field", "entityPath": "R.a"});
    let tags = json!([{"schemaEntity": entity, "tags": ["PII"]}]);
    let tagged = post(api, "/subjects/s/versions", &json!({"schema": RECORD_1, "schemaTagsToAdd": tags}));
    let path = format!("/schemas/guids/{}", tagged["guid"].as_str().unwrap());
    let found = get(api, &format!("{path}?findTags=true"));
    assert_eq!((&found["schema"], &found["schemaTags"]), (&tagged["schema"], &tags));
    for query in ["", "?findTags=false"] {
        assert_eq!(get(api, &format!("{path}{query}"))["schemaTags"], Value::Null, "{query}");
    }
}
