//! Cases of settings and of what stands around subjects: modes, contexts, what the server is.

use serde_json::json;

use super::{Api, RECORD_1, RECORD_2, RECORD_BROKEN, request};

const READ_ONLY: &str = "Subject s in context  is in read-only mode";

pub(super) fn the_config_of_everything_is_deleted(api: &mut Api) {
    // What is not set is the server's default, so there is always something to answer.
    api.expect("DELETE", "/config", None, json!({"compatibilityLevel": "BACKWARD"}));
    api.send("PUT", "/config", Some(r#"{"compatibility":"FULL","compatibilityGroup":"major"}"#));

    let own = json!({"compatibilityLevel": "FULL", "compatibilityGroup": "major"});
    api.expect("DELETE", "/config", None, own);
    api.expect("GET", "/config", None, json!({"compatibilityLevel": "BACKWARD"}));
    api.expect_error("DELETE", "/config/", None, 404, "");
}

pub(super) fn a_subjects_config_is_deleted(api: &mut Api) {
    api.expect_error("DELETE", "/config/s", None, 40401, "Subject 's' not found.");
    api.expect_error("DELETE", "/config/:.c:", None, 40401, "Subject ':.c:' not found.");
    api.send("PUT", "/config", Some(r#"{"compatibility":"FULL"}"#));
    api.send("PUT", "/config/s", Some(r#"{"normalize":true}"#));

    api.expect("DELETE", "/config/s", None, json!({"normalize": true, "compatibilityLevel": "FULL"}));
    api.expect_error("GET", "/config/s", None, 40408, "");
    // The last permanent delete of a subject takes its settings along.
    api.send("PUT", "/config/s", Some(r#"{"compatibility":"NONE"}"#));
    api.register("s", RECORD_1);
    api.send("DELETE", "/subjects/s", None);
    api.expect("GET", "/config/s", None, json!({"compatibilityLevel": "NONE"}));
    api.send("DELETE", "/subjects/s?permanent=true", None);
    api.expect_error("GET", "/config/s", None, 40408, "");
}

pub(super) fn a_config_is_inherited_field_by_field(api: &mut Api) {
    for (path, body) in [
        ("/config/:.__GLOBAL:", json!({"compatibility": "FULL", "compatibilityGroup": "all"})),
        ("/config/:.c:", json!({"compatibilityGroup": "major", "alias": "other"})),
        ("/config/:.c:s", json!({"validateFields": true})),
        ("/config", json!({"compatibility": "NONE", "normalize": true})),
    ] {
        api.expect("PUT", path, Some(&body.to_string()), body.clone());
    }

    let in_force = json!({
        "compatibilityLevel": "FULL", "compatibilityGroup": "major", "validateFields": true, "normalize": true
    });
    api.expect("GET", "/config/:.c:s?defaultToGlobal=true", None, in_force);
    api.expect("GET", "/config/:.c:s", None, json!({"compatibilityLevel": "FULL", "validateFields": true}));
    // The default context's settings are its own; those of all contexts reach it, too.
    let in_force = json!({"compatibilityLevel": "NONE", "normalize": true, "compatibilityGroup": "all"});
    api.expect("GET", "/config/s?defaultToGlobal=true", None, in_force);
    // A config of its own is completed from the default context; what stands over all contexts always is one.
    let in_force = json!({"compatibilityLevel": "FULL", "normalize": true, "compatibilityGroup": "all"});
    api.expect("GET", "/config/:.__GLOBAL:?defaultToGlobal=true", None, in_force);
    api.expect(
        "GET",
        "/config/:.d:?defaultToGlobal=true",
        None,
        json!({"compatibilityLevel": "FULL", "compatibilityGroup": "all"}),
    );
    api.register(":.c:s", RECORD_1);
    api.expect_error("POST", "/subjects/:.c:s/versions", Some(&request(RECORD_BROKEN)), 40901, "compatibility: 'FULL'");
    api.register("s", RECORD_1);
    api.register("s", RECORD_BROKEN);
}

/// Rules and metadata of a config are laid under and over what clients send.
pub(super) fn a_config_carries_rules_and_metadata(api: &mut Api) {
    let bad = json!({"defaultRuleSet": {"domainRules": [{"name": "r"}]}}).to_string();
    api.expect_error("PUT", "/config/s", Some(&bad), 42210, "the rule `r` has no type");
    api.expect_error("GET", "/config/s", None, 40408, "");
    api.send("PUT", "/config/s", Some(r#"{"validateRules":false}"#));
    assert_eq!(api.send("PUT", "/config/s", Some(&bad)).status, 200);

    let body = json!({
        "defaultMetadata": {"properties": {"owner": "team"}}, "overrideMetadata": {"properties": {"tier": "1"}},
        "defaultRuleSet": null, "validateRules": null
    });
    let stored = json!({
        "defaultMetadata": {"properties": {"owner": "team"}}, "overrideMetadata": {"properties": {"tier": "1"}}
    });
    api.expect("PUT", "/config/s", Some(&body.to_string()), stored);
    api.register("s", RECORD_1);
    let version = api.get("/subjects/s/versions/1").json();
    assert_eq!(version["metadata"], json!({"properties": {"owner": "team", "tier": "1"}}));
}

pub(super) fn an_alias_stands_for_another_subject(api: &mut Api) {
    api.register("new", RECORD_1);
    api.expect("PUT", "/config/old", Some(r#"{"alias":"new"}"#), json!({"alias": "new"}));
    api.send("PUT", "/config/older", Some(r#"{"alias":"old"}"#));
    api.send("PUT", "/config/elsewhere", Some(r#"{"alias":":.c:s"}"#));

    api.expect("GET", "/subjects/old/versions", None, json!([1]));
    assert_eq!(api.get("/subjects/old/versions/latest").json()["subject"], "new");
    assert_eq!(api.send("POST", "/subjects/old", Some(&request(RECORD_1))).json()["subject"], "new");
    api.register("old", RECORD_2);
    api.expect("GET", "/subjects/new/versions", None, json!([1, 2]));
    let path = "/compatibility/subjects/old/versions";
    api.expect("POST", path, Some(&request(RECORD_BROKEN)), json!({"is_compatible": false}));
    api.expect_error("GET", "/subjects/old/versions/9", None, 40402, "");
    assert_eq!(api.get("/schemas/ids/2?subject=old").json()["subject"], "new");
    api.register(":.c:s", RECORD_2);
    assert_eq!(api.get("/schemas/ids/1?subject=elsewhere").json()["subject"], ":.c:s");
    api.send("DELETE", "/subjects/:.c:s", None);
    api.send("DELETE", "/subjects/:.c:s?permanent=true", None);
    // One step, not a chain; and the target need not be there.
    api.expect_error("GET", "/subjects/older/versions", None, 40401, "Subject 'old' not found.");
    api.expect_error("GET", "/subjects/elsewhere/versions", None, 40401, "Subject ':.c:s' not found.");
    api.expect("GET", "/subjects", None, json!(["new"]));
    // Settings go by the name that is written.
    api.expect("PUT", "/config/old", Some(r#"{"normalize":true}"#), json!({"alias": "new", "normalize": true}));
    api.expect_error("GET", "/config/new", None, 40408, "'new'");

    api.expect("DELETE", "/subjects/old/versions/1", None, json!(1));
    api.expect("DELETE", "/subjects/old", None, json!([2]));
    api.expect_error("DELETE", "/subjects/old", None, 40404, "Subject 'new' was soft deleted");
    // Without the alias the name is its own again.
    api.send("PUT", "/config/old", Some(r#"{"alias":""}"#));
    api.expect_error("GET", "/subjects/old/versions", None, 40401, "Subject 'old' not found.");
}

/// Where the target is not there, it is looked for in other contexts, and not the name that was written.
pub(super) fn an_alias_comes_before_other_contexts(api: &mut Api) {
    api.register(":.d:target", RECORD_1);
    api.register(":.d:moved", RECORD_2);
    api.send("PUT", "/config/moved", Some(r#"{"alias":"target"}"#));
    // What another context makes of the target's name is its own affair.
    api.send("PUT", "/config/:.d:target", Some(r#"{"alias":":.d:moved"}"#));

    for name in ["moved", "target"] {
        let version = api.get(&format!("/subjects/{name}/versions/latest")).json();
        assert_eq!((&version["subject"], &version["id"]), (&json!(":.d:target"), &json!(1)), "{name}");
        let found = api.send("POST", &format!("/subjects/{name}"), Some(&request(RECORD_1))).json();
        assert_eq!(found["subject"], ":.d:target", "{name}");
    }
    assert_eq!(api.get("/subjects/:.d:target/versions/latest").json()["subject"], ":.d:moved");
}

/// As a reference does.
pub(super) fn an_unqualified_alias_is_of_the_context_that_it_stands_in(api: &mut Api) {
    api.register("new", RECORD_1);
    api.register(":.c:new", RECORD_2);
    for path in ["/config/:.c:old", "/contexts/c/config/older"] {
        api.expect("PUT", path, Some(r#"{"alias":"new"}"#), json!({"alias": "new"}));
    }
    api.send("PUT", "/config/:.c:home", Some(r#"{"alias":":.:new"}"#));
    api.send("PUT", "/config/:.c:lost", Some(r#"{"alias":"nowhere"}"#));
    api.register("nowhere", RECORD_1);

    for path in ["/subjects/:.c:old", "/contexts/c/subjects/old", "/subjects/:.c:older"] {
        let latest = api.get(&format!("{path}/versions/latest")).json();
        assert_eq!((&latest["subject"], &latest["schema"]), (&json!(":.c:new"), &json!(RECORD_2)), "{path}");
    }
    let by_id = api.get("/schemas/ids/1?subject=:.c:old").json();
    assert_eq!((&by_id["subject"], &by_id["schema"]), (&json!(":.c:new"), &json!(RECORD_2)));
    api.register(":.c:older", RECORD_1);
    api.expect("GET", "/subjects/:.c:new/versions", None, json!([1, 2]));
    api.expect("GET", "/subjects/new/versions", None, json!([1]));
    assert_eq!(api.get("/subjects/:.c:home/versions/latest").json()["subject"], "new");
    api.expect_error("GET", "/subjects/:.c:lost/versions/1", None, 40401, "Subject ':.c:nowhere' not found.");

    let rows = api.get("/schemas?aliases=true&latestOnly=true&subjectPrefix=:*:new").json();
    let aliases: Vec<_> = rows.as_array().unwrap().iter().map(|row| (&row["subject"], &row["aliases"])).collect();
    let expected = [(json!(":.c:new"), json!([":.c:old", ":.c:older"])), (json!("new"), json!([":.c:home"]))];
    assert_eq!(aliases, expected.each_ref().map(|(subject, aliases)| (subject, aliases)));
}

pub(super) fn the_mode_of_everything_is_got(api: &mut Api) {
    api.expect("GET", "/mode", None, json!({"mode": "READWRITE"}));
    api.send("PUT", "/mode/:.__GLOBAL:", Some(r#"{"mode":"READONLY"}"#));

    api.expect("GET", "/mode", None, json!({"mode": "READWRITE"}));
    api.expect("GET", "/mode?defaultToGlobal=true", None, json!({"mode": "READONLY"}));
    api.expect("GET", "/mode/:.__GLOBAL:", None, json!({"mode": "READONLY"}));
}

pub(super) fn the_mode_of_everything_is_put(api: &mut Api) {
    for mode in ["READWRITE", "readonly", "ReadOnly_Override", "IMPORT"] {
        api.expect("PUT", "/mode", Some(&json!({"mode": mode}).to_string()), json!({"mode": mode}));
        api.expect("GET", "/mode", None, json!({"mode": mode.to_uppercase()}));
    }
    api.expect("PUT", "/mode", Some(r#""READONLY""#), json!({"mode": "READONLY"}));
    api.expect("PUT", "/mode", Some(r#"{"mode":null}"#), json!({"mode": null}));
    api.expect("GET", "/mode", None, json!({"mode": "READWRITE"}));

    let invalid = "Invalid mode. Valid values are READWRITE, READONLY, IMPORT and FORWARD.";
    for body in [r#"{"mode":"X"}"#, r#"{"mode":""}"#, "{}"] {
        api.expect_error("PUT", "/mode", Some(body), 42204, invalid);
    }
    api.expect_error("PUT", "/mode", None, 422, "updateTopLevelMode.request must not be null");
    api.expect_error("PUT", "/mode", Some("[]"), 400, "");
    api.expect_error("PUT", "/mode/", Some(r#"{"mode":"READONLY"}"#), 404, "");
    let forward = r#"{"mode":"FORWARD"}"#;
    api.expect_error("PUT", "/mode", Some(forward), 42204, "Forward mode only supported on global level");
    api.expect("PUT", "/mode/:.__GLOBAL:", Some(forward), json!({"mode": "FORWARD"}));
}

pub(super) fn the_mode_of_everything_is_deleted(api: &mut Api) {
    api.expect("DELETE", "/mode", None, json!({"mode": "READWRITE"}));
    api.send("PUT", "/mode", Some(r#"{"mode":"READONLY"}"#));

    api.expect("DELETE", "/mode", None, json!({"mode": "READONLY"}));
    api.expect("GET", "/mode", None, json!({"mode": "READWRITE"}));
    api.expect_error("DELETE", "/mode/", None, 404, "");
}

pub(super) fn a_subjects_mode_is_got(api: &mut Api) {
    let unset = "Subject 's' does not have subject-level mode configured";
    api.expect_error("GET", "/mode/s", None, 40409, unset);
    api.expect_error("GET", "/mode/:.c:", None, 40409, "Subject ':.c:'");
    api.send("PUT", "/mode", Some(r#"{"mode":"IMPORT"}"#));

    api.expect("GET", "/mode/s?defaultToGlobal=true", None, json!({"mode": "IMPORT"}));
    // The default context's mode is its own.
    api.expect("GET", "/mode/:.c:s?defaultToGlobal=true", None, json!({"mode": "READWRITE"}));
    api.expect_error("GET", "/mode/s", None, 40409, unset);
}

pub(super) fn a_subjects_mode_is_put(api: &mut Api) {
    api.register("s", RECORD_1);
    api.expect("PUT", "/mode/s", Some(r#"{"mode":"READONLY"}"#), json!({"mode": "READONLY"}));

    // What is there already is no write.
    api.register("s", RECORD_1);
    api.expect_error("POST", "/subjects/s/versions", Some(&request(RECORD_2)), 42205, READ_ONLY);
    api.expect_error("POST", "/subjects/s/versions?force=true", Some(&request(RECORD_2)), 42205, READ_ONLY);
    for (method, path) in [
        ("PUT", "/config/s"),
        // Told whether there is a config or not: what may not be changed is not looked at.
        ("DELETE", "/config/s"),
        ("DELETE", "/subjects/s"),
        ("DELETE", "/subjects/s?permanent=true"),
        ("DELETE", "/subjects/s/versions/1"),
        ("DELETE", "/subjects/s/versions/1?permanent=true"),
    ] {
        api.expect_error(method, path, Some("{}").filter(|_| method == "PUT"), 42205, READ_ONLY);
    }
    api.expect("GET", "/subjects/s/versions", None, json!([1]));
    let check = "/compatibility/subjects/s/versions";
    api.expect("POST", check, Some(&request(RECORD_2)), json!({"is_compatible": true}));

    // The narrowest mode counts.
    api.send("PUT", "/mode", Some(r#"{"mode":"READONLY_OVERRIDE"}"#));
    api.send("PUT", "/mode/s", Some(r#"{"mode":"READWRITE"}"#));
    api.register("s", RECORD_2);
    let config = Some(r#"{"compatibility":"NONE"}"#);
    api.expect_error("PUT", "/config", config, 42205, "Subject :.: in context  is in read-only mode");
    api.expect_error("PUT", "/config/t", config, 42205, "Subject t in context  is in read-only mode");
    api.expect_error("DELETE", "/config", None, 42205, "is in read-only mode");
    api.expect_error("DELETE", "/config/t", None, 42205, "Subject t in context  is in read-only mode");
    api.expect_error("DELETE", "/config/:.:t", None, 42205, "is in read-only mode");
    // No mode forbids changes of modes.
    api.expect_error("DELETE", "/mode/t", None, 40401, "Subject 't' not found.");
    api.register(":.c:t", RECORD_1);
    api.send("PUT", "/mode/:.c:", Some(r#"{"mode":"READONLY"}"#));
    let refused = "Subject :.c:t in context :.c: is in read-only mode";
    api.expect_error("DELETE", "/subjects/:.c:t", None, 42205, refused);
    api.expect_error("PUT", "/mode/__EMPTY", Some(r#"{"mode":"READONLY"}"#), 42208, "__EMPTY");
    api.expect_error("PUT", "/mode/s", None, 422, "updateMode.request must not be null");
}

pub(super) fn imports_begin_where_nothing_lives(api: &mut Api) {
    let import = Some(r#"{"mode":"IMPORT"}"#);
    api.register("s", RECORD_1);
    let found = "Cannot import since found existing subjects";
    for path in ["/mode", "/mode/s", "/mode/:.__GLOBAL:"] {
        api.expect_error("PUT", path, import, 42205, found);
    }
    api.expect("PUT", "/mode/t", import, json!({"mode": "IMPORT"}));
    api.expect("PUT", "/mode/s?force=true", import, json!({"mode": "IMPORT"}));
    api.expect("GET", "/subjects/s/versions", None, json!([1]));
    // Leaving it asks for nothing.
    api.expect("PUT", "/mode/s", Some(r#"{"mode":"READWRITE"}"#), json!({"mode": "READWRITE"}));

    // The default context wants it of every context, another of itself alone; what is soft-deleted is purged.
    api.send("DELETE", "/subjects/s", None);
    api.register(":.c:s", RECORD_1);
    for path in ["/mode", "/mode/:.:"] {
        api.expect_error("PUT", path, import, 42205, found);
    }
    api.expect("PUT", "/mode/:.d:", import, json!({"mode": "IMPORT"}));
    api.expect("GET", "/subjects?deleted=true", None, json!([":.c:s", "s"]));
    api.send("DELETE", "/subjects/:.c:s", None);
    api.expect("PUT", "/mode/:.:", import, json!({"mode": "IMPORT"}));
    api.expect("GET", "/subjects?deleted=true", None, json!([]));
    api.expect("GET", "/mode/:.c:?defaultToGlobal=true", None, json!({"mode": "READWRITE"}));
    let no_id = "Subject u in context  is not in read-write mode";
    api.expect_error("POST", "/subjects/u/versions", Some(&request(RECORD_1)), 42205, no_id);
    // Deletes and settings are allowed meanwhile.
    api.expect("PUT", "/config/s", Some(r#"{"compatibility":"FULL"}"#), json!({"compatibility": "FULL"}));
    // What was imported lives: that it was imported by the mode of the context does not count.
    let imported = json!({"schema": RECORD_1, "id": 77, "version": 1}).to_string();
    api.send("POST", "/subjects/v/versions", Some(&imported));
    api.expect("GET", "/subjects/v/versions", None, json!([1]));
    api.expect_error("PUT", "/mode/v", import, 42205, found);
    api.expect("PUT", "/mode/v?force=true", import, json!({"mode": "IMPORT"}));
}

/// For who copies another registry, as in an import, into one that is not empty.
pub(super) fn forward_takes_what_an_import_takes(api: &mut Api) {
    let forward = r#"{"mode":"FORWARD"}"#;
    for path in ["/mode", "/mode/:.:", "/mode/:.c:", "/mode/s"] {
        let refused = "Forward mode only supported on global level";
        api.expect_error("PUT", path, Some(forward), 42204, refused);
    }
    api.register("s", RECORD_1);
    api.expect("PUT", "/mode/:.__GLOBAL:", Some(forward), json!({"mode": "FORWARD"}));
    api.expect("GET", "/mode/:.c:t?defaultToGlobal=true", None, json!({"mode": "FORWARD"}));

    // Nothing new without an id, but what is there.
    let path = "/subjects/s/versions";
    let no_id = "Subject s in context  is not in read-write mode";
    for path in [path, "/subjects/s/versions?force=true"] {
        api.expect_error("POST", path, Some(&request(RECORD_2)), 42205, no_id);
    }
    api.expect_error("POST", "/subjects/s/versions/1/tags", Some("{}"), 42205, no_id);
    let no_id = "Subject :.c:t in context :.c: is not in read-write mode";
    api.expect_error("POST", "/subjects/:.c:t/versions", Some(&request(RECORD_1)), 42205, no_id);
    assert_eq!(api.register("s", RECORD_1), 1);
    let check = "/compatibility/subjects/s/versions";
    api.expect("POST", check, Some(&request(RECORD_BROKEN)), json!({"is_compatible": false}));

    // With one, whatever it is.
    let import =
        |schema: &str, id: u32, version: u32| json!({"schema": schema, "id": id, "version": version}).to_string();
    for (subject, schema, id, version) in
        [("s", RECORD_BROKEN, 20, 5), ("s", RECORD_2, 7, 3), (":.c:t", RECORD_1, 4, 2)]
    {
        let path = format!("/subjects/{subject}/versions");
        let imported = api.send("POST", &path, Some(&import(schema, id, version))).json();
        assert_eq!((&imported["id"], &imported["version"]), (&json!(id), &json!(version)), "{subject}: {imported}");
    }
    api.expect("GET", path, None, json!([1, 3, 5]));
    let taken = "Overwrite new schema with id 20 in context  is not permitted.";
    api.expect_error("POST", path, Some(&import("\"int\"", 20, 6)), 42205, taken);

    // Settings and deletes as ever.
    api.expect("PUT", "/config/s", Some(r#"{"compatibility":"FULL"}"#), json!({"compatibility": "FULL"}));
    api.expect("DELETE", "/config/s", None, json!({"compatibilityLevel": "FULL"}));
    api.expect("PUT", "/config", Some(r#"{"compatibility":"FULL"}"#), json!({"compatibility": "FULL"}));
    api.expect("DELETE", "/config", None, json!({"compatibilityLevel": "FULL"}));
    api.expect("DELETE", "/subjects/s/versions/3", None, json!(3));
    api.expect("DELETE", "/subjects/s/versions/3?permanent=true", None, json!(3));
    api.expect("DELETE", "/subjects/:.c:t", None, json!([2]));
    api.expect("DELETE", "/subjects/:.c:t?permanent=true", None, json!([2]));
    assert_eq!(api.send("DELETE", "/contexts/c", None).status, 204);
    api.expect("GET", path, None, json!([1, 5]));

    // The narrowest mode counts.
    let own = "/subjects/own/versions";
    api.expect("PUT", "/mode/own", Some(r#"{"mode":"READWRITE"}"#), json!({"mode": "READWRITE"}));
    let refused = "Subject own in context  is not in import mode";
    api.expect_error("POST", own, Some(&import(RECORD_2, 30, 1)), 42205, refused);
    assert_eq!(api.register("own", "\"int\""), 21, "ids go on behind what was imported");
    api.expect("PUT", "/mode/s", Some(r#"{"mode":"READONLY"}"#), json!({"mode": "READONLY"}));
    api.expect_error("POST", path, Some(&import(RECORD_2, 30, 6)), 42205, READ_ONLY);
    api.expect("DELETE", "/mode/s", None, json!({"mode": "READONLY"}));

    api.expect("DELETE", "/mode/:.__GLOBAL:", None, json!({"mode": "FORWARD"}));
    api.expect("GET", "/mode/:.__GLOBAL:", None, json!({"mode": "READWRITE"}));
    assert_eq!(api.register("t", "\"long\""), 22);
}

pub(super) fn a_subjects_mode_is_deleted(api: &mut Api) {
    api.expect_error("DELETE", "/mode/s", None, 40401, "Subject 's' not found.");
    api.expect("DELETE", "/mode/s?recursive=true", None, json!({}));
    for path in ["/mode/:.c:", "/mode/:.c:s", "/mode/:.d:s", "/mode/s"] {
        api.send("PUT", path, Some(r#"{"mode":"READONLY"}"#));
    }

    api.expect("DELETE", "/mode/s", None, json!({"mode": "READONLY"}));
    api.expect_error("GET", "/mode/s", None, 40409, "");
    api.expect("DELETE", "/mode/:.c:?recursive=true", None, json!({"mode": "READONLY"}));
    api.expect_error("GET", "/mode/:.c:s", None, 40409, "");
    api.expect("GET", "/mode/:.d:s", None, json!({"mode": "READONLY"}));
}

pub(super) fn contexts_are_listed(api: &mut Api) {
    api.expect("GET", "/contexts", None, json!(["."]));
    for subject in [":.b:s", ":.bc:s", ":.a:s"] {
        api.register(subject, RECORD_1);
    }

    api.expect("GET", "/contexts", None, json!([".", ".a", ".b", ".bc"]));
    api.expect("GET", "/contexts?offset=1&limit=2", None, json!([".a", ".b"]));
    api.expect("GET", "/contexts?contextPrefix=.b", None, json!([".b", ".bc"]));
    api.expect("GET", "/contexts?contextPrefix=b", None, json!([]));
    api.expect("GET", "/contexts/c/contexts?contextPrefix=.a", None, json!([".a"]));
}

pub(super) fn a_context_is_deleted_when_it_is_empty(api: &mut Api) {
    api.register(":.c:s", RECORD_1);
    api.send("PUT", "/config/:.c:", Some(r#"{"compatibility":"FULL"}"#));
    let not_empty = "The specified context ':.c:' is not empty.";
    api.expect_error("DELETE", "/contexts/c", None, 42211, not_empty);
    api.send("DELETE", "/subjects/:.c:s", None);
    api.expect_error("DELETE", "/contexts/.c", None, 42211, not_empty);
    api.send("DELETE", "/subjects/:.c:s?permanent=true", None);
    api.expect("GET", "/contexts", None, json!([".", ".c"]));

    for context in ["c", ".c", ":.c:", "unknown"] {
        let answer = api.send("DELETE", &format!("/contexts/{context}"), None);
        assert_eq!((answer.status, answer.body.len()), (204, 0), "{context}");
    }
    api.expect("GET", "/contexts", None, json!(["."]));
    // Settings and the last id survive it.
    api.expect("GET", "/config/:.c:", None, json!({"compatibilityLevel": "FULL"}));
    assert_eq!(api.register(":.c:s", RECORD_1), 2);
    // A prefix changes nothing about it.
    for context in ["c", ".c", ":.c:"] {
        api.expect_error("DELETE", &format!("/contexts/d/contexts/{context}"), None, 42211, not_empty);
    }
    api.send("DELETE", "/subjects/:.c:s", None);
    api.send("DELETE", "/subjects/:.c:s?permanent=true", None);
    api.expect("GET", "/contexts", None, json!([".", ".c"]));
    assert_eq!(api.send("DELETE", "/contexts/d/contexts/c", None).status, 204);
    api.expect("GET", "/contexts", None, json!(["."]));

    api.expect_error("GET", "/contexts/c", None, 405, "");
    for context in [".", ".;x", ":.:", "d/contexts/.", "d/contexts/:.:"] {
        api.expect_error("DELETE", &format!("/contexts/{context}"), None, 405, "");
    }
}

pub(super) fn the_server_says_what_it_is(api: &mut Api) {
    let version = api.get("/v1/metadata/version").json();
    let version = version["version"].as_str().unwrap();
    assert!(version.split('.').count() == 3 && version.starts_with(|first: char| first.is_ascii_digit()), "{version}");
}

pub(super) fn nothing_is_associated(api: &mut Api) {
    let path = "/associations/resources/id";
    for query in ["", "?lifecycle=STRONG&offset=1&limit=2", "?lifecycle="] {
        api.expect("GET", &format!("{path}{query}"), None, json!([]));
    }
    for (method, body) in [("PUT", Some("{}")), ("DELETE", None), ("GET", None)] {
        api.expect_error(method, &format!("{path}?lifecycle=x"), body, 404, "HTTP 404 Not Found");
    }
    api.expect_error("POST", "/associations", Some("{}"), 404, "HTTP 404 Not Found");
    api.expect_error("POST", path, Some("{}"), 405, "HTTP 405 Method Not Allowed");
}
