//! Lists over many subjects and contexts, and versions that are purged while somebody reads.

use schema_core::json::compare_utf16;
use schema_core::wire::RuleSet;
use serde_json::{Value, json};

use crate::store::{Latest, Shown};

use super::super::{Listed, Listing, SubjectPrefix, Subjects, Versions, qualified};
use super::*;

async fn listed<L: Listed>(registry: &Registry, listed: L, prefix: &str) -> Vec<(String, u32)> {
    read::<L>(registry.list(listed, SubjectPrefix::parse(prefix)).await.unwrap()).await
}

async fn read<L: Listed>(mut list: Listing<L>) -> Vec<(String, u32)> {
    let mut items = Vec::new();
    while !list.is_done() {
        let page = list.next().await.unwrap();
        items.extend(page.iter().map(L::place).map(|(key, version)| (qualified(key).to_string(), version.0)));
    }
    items
}

/// Names of three contexts whose orders by bytes and by UTF-16 differ.
const NAMES: [&str; 15] = [
    ":",
    ":-",
    ":.a!:s",
    ":.a:s",
    ":.a:s\u{e000}",
    ":.a:s\u{1f600}",
    ":.a:t",
    ":.b:\u{ffff}",
    ":.b:\u{10000}",
    ":/",
    ":a",
    "9",
    "a",
    "\u{10000}",
    "\u{e000}",
];

#[tokio::test]
async fn a_list_goes_on_behind_any_of_its_items() {
    let (registry, _store) = registry().await;
    for name in NAMES {
        register(&registry, name, &record("a")).await.unwrap();
        register(&registry, name, &record("ab")).await.unwrap();
    }
    // Those of a context that is not there any more, and of names and versions that never were.
    let gone = [":.0:s", ":.aa:s", ":.z:s", "", "zz", ":.a:s\u{e000}x", "\u{20000}"];

    for prefix in [":*:", "", ":.a:", ":.", ":.a:s"] {
        let all = listed(&registry, Versions::all(Shown::default()), prefix).await;
        let places = NAMES.into_iter().flat_map(|name| [(name, 1), (name, 2)]);
        for (name, version) in places.chain(gone.into_iter().map(|name| (name, 1))) {
            let behind = (subject(name).key, Version(version));
            let versions = Versions::all(Shown::default());
            let list = registry.list_behind(versions, SubjectPrefix::parse(prefix), Some(behind));
            let rest = read::<Versions>(list.await.unwrap()).await;

            let is_behind = |item: &&(String, u32)| compare_utf16(&item.0, name).then(item.1.cmp(&version)).is_gt();
            assert_eq!(rest, all.iter().filter(is_behind).cloned().collect::<Vec<_>>(), "{prefix} {name} {version}");
        }
    }
}

#[tokio::test]
async fn names_of_all_contexts_are_one_sorted_list() {
    let (registry, _store) = registry().await;
    let mut names = NAMES.to_vec();
    for name in &names {
        register(&registry, name, &record("a")).await.unwrap();
        register(&registry, name, &record("ab")).await.unwrap();
    }
    names.sort_by(|a, b| compare_utf16(a, b));
    let twice = names.iter().flat_map(|name| [((*name).to_owned(), 1), ((*name).to_owned(), 2)]);

    let subjects: Vec<_> = listed(&registry, Subjects(Deleted::Hide), ":*:").await.into_iter().map(|at| at.0).collect();
    assert_eq!(subjects, names);
    assert_eq!(listed(&registry, Versions::all(Shown::default()), ":*:").await, twice.collect::<Vec<_>>());
    let latest = Shown { latest: Latest::Only, ..Shown::default() };
    assert_eq!(listed(&registry, Versions::all(latest), ":.a:t").await, [(":.a:t".to_owned(), 2)]);
    assert_eq!(listed(&registry, Subjects(Deleted::Only), ":*:").await, []);
    assert_eq!(listed(&registry, Subjects(Deleted::Hide), ":.none:").await, []);
}

#[tokio::test]
async fn versions_with_a_rule_of_a_type_are_found_without_reading_contents() {
    let long = "x".repeat(8 << 10);
    let rules = |kind: &str, rules: Value| serde_json::from_value(json!({ kind: rules })).unwrap();
    let cel = json!({"name": "r", "type": "CEL"});
    let jsonata = json!({"name": "q", "type": "JSONATA", "mode": "UPGRADE"});
    let sets: [Option<RuleSet>; 9] = [
        None,
        Some(rules("domainRules", json!([cel]))),
        Some(rules("migrationRules", json!([jsonata, {"name": "r", "type": "CEL", "mode": "DOWNGRADE"}]))),
        Some(rules("encodingRules", json!([cel]))),
        // Names, tags, texts and parameters are no types.
        Some(rules("domainRules", json!([{"name": "CEL", "type": "x", "tags": ["CEL"], "expr": "\"type\":\"CEL\""}]))),
        Some(rules("domainRules", json!([{"name": "r", "type": "x", "params": {"type": "CEL", "u": "v"}}]))),
        Some(rules("domainRules", json!([{"name": "r", "type": "cel"}, {"name": "s", "type": "CEL_FIELD"}]))),
        // One that is too long for a list.
        Some(rules("domainRules", json!([{"name": "r", "type": "CEL", "expr": long}]))),
        Some(rules("domainRules", json!([{"name": "r", "type": "x", "expr": long}]))),
    ];
    let (registry, store) = registry().await;
    for (number, rule_set) in sets.into_iter().enumerate() {
        let schema = SchemaInput { rule_set, ..record(&"abcdefghi"[..number]) };
        register(&registry, "s", &schema).await.unwrap();
    }
    let registry = registry_over(&store);
    let before = store.content_reads.load(Ordering::SeqCst);
    let found = async |rule_type: &str| {
        let listed = Versions::with_rule(Shown::default(), rule_type);
        let mut list = registry.list(listed, SubjectPrefix::parse("")).await.unwrap();
        let mut found = Vec::new();
        while !list.is_done() {
            for version in list.next().await.unwrap() {
                if list.means(&registry, &version).await.unwrap() {
                    found.push(version.used.entry.version.0);
                }
            }
        }
        found
    };

    assert_eq!(found("CEL").await, [2, 3, 4, 8]);
    assert_eq!(store.content_reads.load(Ordering::SeqCst) - before, 1, "the one that is too long");
    assert_eq!(found("x").await, [5, 6, 9]);
    assert_eq!(found("nothing").await, Vec::<u32>::new());
    assert_eq!(found("\"").await, Vec::<u32>::new());
    assert_eq!(store.content_reads.load(Ordering::SeqCst) - before, 2);
}

#[tokio::test]
async fn a_version_that_is_purged_meanwhile_is_not_there_and_no_fault() {
    let (registry, store) = registry().await;
    for fields in ["a", "ab"] {
        register(&registry, "s", &record(fields)).await.unwrap();
    }
    let first = Selector::Number(Version(1));
    let registry = registry_over(&store);
    registry.delete_version(&subject("s"), first, DeleteMode::Soft).await.unwrap();
    registry.versions(&subject("s"), Deleted::Include).await.unwrap();
    let before = store.inner.revision(&subject("s").key).await.unwrap();
    store.inner.delete_version(&subject("s").key, Version(1), DeleteMode::Permanent, before).await.unwrap();
    // Whoever asks next has read the versions before.
    let go_back = || store.tell_late(&subject("s"), before);

    go_back();
    let gone = registry.version(&subject("s"), first, Deleted::Include).await;
    assert!(matches!(gone, Err(RegistryError::VersionNotFound { version: 1 })), "{gone:?}");
    go_back();
    let gone = registry.lookup(&subject("s"), &record("a"), Deleted::Include).await;
    assert!(matches!(gone, Err(RegistryError::SchemaNotFound)), "{gone:?}");
    go_back();
    let found = registry.version_with_metadata(&subject("s"), &[], Deleted::Include).await;
    assert!(matches!(found, Err(RegistryError::SchemaNotFound)), "{found:?}");
    go_back();
    assert_eq!(register(&registry, "s", &record("abc")).await.unwrap(), (3, 3));
}

#[tokio::test]
async fn an_id_is_answered_by_the_subject_that_asks_for_it() {
    let (registry, _store) = registry().await;
    let names = ["a", "ab", "b", "\u{10000}", "\u{e000}"];
    for name in names {
        register(&registry, name, &record("a")).await.unwrap();
    }

    for (asked, expected) in names.into_iter().map(|name| (name, name)).chain([("0", "a"), ("aa", "a"), ("zz", "a")]) {
        let found = registry.schema_by_id(1, Some(&subject(asked))).await.unwrap().unwrap();
        assert_eq!(found.subject, subject(expected), "{asked}");
    }
}
