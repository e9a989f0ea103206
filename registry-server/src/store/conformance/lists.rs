//! Lists over many subjects: prefixes, pages, states, aliases.

use std::ops::Bound;

use tokio::task::JoinSet;

use super::super::{DeleteMode, Deleted, Latest, SchemaUse, SeenRules, Shown};
use super::*;

async fn soft_delete(store: &Arc<dyn Store>, key: &SubjectKey, version: u32) {
    let revision = store.revision(key).await.unwrap();
    store.delete_version(key, Version(version), DeleteMode::Soft, revision).await.unwrap();
}

fn places(uses: &[SchemaUse]) -> Vec<(String, u32)> {
    uses.iter().map(|found| (found.subject.subject.to_string(), found.entry.version.0)).collect()
}

fn place(name: &str, version: u32) -> (String, u32) {
    (name.to_owned(), version)
}

/// `a` with versions 1 to 3, `b` with a soft-deleted 2, `c` soft-deleted whole.
async fn three_subjects(store: &Arc<dyn Store>) {
    for name in ["c", "a", "b"] {
        for text in ["one", "two", "three"] {
            register(store, &subject(name), text).await;
        }
    }
    soft_delete(store, &subject("b"), 3).await;
    for version in 1..=3 {
        soft_delete(store, &subject("c"), version).await;
    }
    register(store, &subject_in(".team", "a"), "one").await;
}

pub async fn subjects_are_listed_by_prefix(store: &Arc<dyn Store>) {
    for name in ["a", "ab", "abc", "b", "A", "a\u{10ffff}", "a\u{10ffff}z", "", "\u{e000}x", "\u{1f600}x"] {
        register(store, &subject(name), "one").await;
    }

    for (prefix, expected) in [
        ("a", &["a", "ab", "abc", "a\u{10ffff}", "a\u{10ffff}z"][..]),
        ("ab", &["ab", "abc"]),
        ("a\u{10ffff}", &["a\u{10ffff}", "a\u{10ffff}z"]),
        ("\u{1f600}", &["\u{1f600}x"]),
        ("c", &[]),
        ("%", &[]),
        ("", &["", "A", "a", "ab", "abc", "a\u{10ffff}", "a\u{10ffff}z", "b", "\u{e000}x", "\u{1f600}x"]),
    ] {
        let listed = subjects(store, ".", prefix, Deleted::Hide).await;
        assert_eq!(listed.iter().map(|name| &**name).collect::<Vec<_>>(), expected, "{prefix:?}");
    }
}

pub async fn subjects_are_listed_by_page(store: &Arc<dyn Store>) {
    for name in ["", "a", "a ", "ab", "b", "\u{e000}", "\u{10000}"] {
        register(store, &subject(name), "one").await;
    }
    let page_from = async |prefix: &str, from: Bound<&str>, limit| {
        store.subjects_page(".", prefix, Deleted::Hide, from, None, limit).await.unwrap().join("|")
    };
    let page = async |prefix: &str, after: Option<&str>, limit| {
        page_from(prefix, after.map_or(Bound::Unbounded, Bound::Excluded), limit).await
    };

    assert_eq!(page("", None, 3).await, "|a|a ");
    assert_eq!(page("", Some("a "), 3).await, "ab|b|\u{e000}");
    assert_eq!(page("", Some(""), 2).await, "a|a ");
    assert_eq!(page("", Some("aa"), 1).await, "ab");
    assert_eq!(page("", Some("\u{e000}"), 9).await, "\u{10000}");
    assert_eq!(page("", Some("\u{10000}"), 9).await, "");
    // A place before the prefix does not lead out of it, nor does one behind.
    assert_eq!(page("a", Some(""), 9).await, "a|a |ab");
    assert_eq!(page("a", Some("a"), 9).await, "a |ab");
    assert_eq!(page("a", Some("b"), 9).await, "");
    // A name itself, or the first behind one that is not there.
    assert_eq!(page_from("", Bound::Included("a "), 2).await, "a |ab");
    assert_eq!(page_from("", Bound::Included("aa"), 1).await, "ab");
    assert_eq!(page_from("a", Bound::Included(""), 1).await, "a");
    assert_eq!(page_from("a", Bound::Included("b"), 1).await, "");

    // A page ends before a name, wherever the prefix ends.
    for (prefix, before, expected) in [
        ("", "", ""),
        ("", "a ", "|a"),
        ("a", "ab", "a|a "),
        ("a", "b", "a|a |ab"),
        ("a", "c", "a|a |ab"),
        ("b", "a", ""),
    ] {
        let found = store.subjects_page(".", prefix, Deleted::Hide, Bound::Unbounded, Some(before), 9).await.unwrap();
        assert_eq!(found.join("|"), expected, "{prefix:?} {before:?}");
    }
    let last = char::MAX.to_string().repeat(512);
    register(store, &subject(&last), "one").await;
    assert_eq!(page("", Some("\u{10000}"), 9).await, last);
}

pub async fn versions_are_listed_by_their_state(store: &Arc<dyn Store>) {
    three_subjects(store).await;
    let all = |deleted| Shown { deleted, latest: Latest::All };
    let latest = |deleted| Shown { deleted, latest: Latest::Only };
    let a = [place("a", 1), place("a", 2), place("a", 3)];
    let b = [place("b", 1), place("b", 2), place("b", 3)];
    let c = [place("c", 1), place("c", 2), place("c", 3)];

    for (shown, expected) in [
        (all(Deleted::Hide), [&a[..], &b[..2]].concat()),
        (all(Deleted::Include), [&a[..], &b[..], &c[..]].concat()),
        (all(Deleted::Only), [&b[2..], &c[..]].concat()),
        (latest(Deleted::Hide), [&a[2..], &b[1..2]].concat()),
        (latest(Deleted::Include), [&a[2..], &b[2..], &c[2..]].concat()),
        (latest(Deleted::Only), [&b[2..], &c[2..]].concat()),
    ] {
        let found = store.versions_in(".", "", shown, None, None, 100).await.unwrap();
        assert_eq!(places(&found), expected, "{shown:?}");
        // The same, one a page.
        let mut paged: Vec<SchemaUse> = Vec::new();
        while let page = {
            let after = paged.last().map(|last| (&*last.subject.subject, last.entry.version));
            store.versions_in(".", "", shown, after, None, 1).await.unwrap()
        } && !page.is_empty()
        {
            paged.extend(page);
        }
        assert_eq!(paged, found, "{shown:?}");
    }
}

pub async fn versions_are_listed_with_their_content_and_by_prefix(store: &Arc<dyn Store>) {
    three_subjects(store).await;

    let found = store.versions_in(".", "b", Shown::default(), None, None, 1).await.unwrap();
    let entry = store.subject_snapshot(&subject("b")).await.unwrap().versions.remove(0);
    assert_eq!(found, [SchemaUse { subject: subject("b"), entry }]);
    // A place before the prefix does not lead out of it.
    let found = store.versions_in(".", "b", Shown::default(), Some(("a", Version(2))), None, 100).await.unwrap();
    assert_eq!(places(&found), [place("b", 1), place("b", 2)]);
    let found = store.versions_in(".", "a", Shown::default(), Some(("b", Version(1))), None, 100).await.unwrap();
    assert_eq!(places(&found), []);
    let found = store.versions_in(".", "", Shown::default(), None, Some("b"), 100).await.unwrap();
    assert_eq!(places(&found), [place("a", 1), place("a", 2), place("a", 3)]);
    let found = store.versions_in(".team", "", Shown::default(), None, None, 100).await.unwrap();
    assert_eq!(places(&found), [place("a", 1)]);
    assert_eq!(store.versions_in(".none", "", Shown::default(), None, None, 100).await.unwrap(), []);
    assert_eq!(store.versions_in(".", "", Shown::default(), None, None, 0).await.unwrap(), []);
}

pub async fn what_is_in_rule_sets_is_seen_in_a_list(store: &Arc<dyn Store>) {
    const SOUGHT: &str = r#""a%_'\u0000""#;
    let short = format!("[{SOUGHT}]");
    let long = format!("[{SOUGHT},\"{}\"]", "\u{1f600}".repeat(4 << 10));
    let long_without = long.replace(SOUGHT, "0");
    let other_case = short.to_uppercase();
    let like_it = short.replace(['%', '_'], "x");
    let with = || SeenRules::With(Arc::from(short.as_str()));
    let rule_sets = [
        (None, SeenRules::Without),
        (Some(&short), with()),
        (Some(&other_case), SeenRules::Without),
        (Some(&like_it), SeenRules::Without),
        (Some(&long_without), SeenRules::Without),
        (Some(&long), SeenRules::WithTooLong),
    ];
    for (number, (rule_set, _)) in rule_sets.iter().enumerate() {
        // The last of each subject is the latest.
        let key = subject(&format!("s-{}", number % 2));
        let text = format!("text {number}");
        let new = NewVersion {
            rule_set: rule_set.map(|text| Arc::from(text.as_str())),
            ..new_version(&key, &text, store.revision(&key).await.unwrap())
        };
        store.insert_version(new).await.unwrap();
    }
    let shown = Shown::default();
    let seen = async |shown, sought, after, limit| {
        let found = store.versions_with_rules_in(".", "s", (shown, sought), after, Some("t"), limit).await.unwrap();
        found.into_iter().map(|(used, rules)| (place(&used.subject.subject, used.entry.version.0), rules)).collect()
    };

    let all: Vec<((String, u32), SeenRules)> = seen(shown, SOUGHT, None, 9).await;
    let expected = [0, 2, 4, 1, 3, 5].map(|number| {
        let at = u32::try_from(number).unwrap();
        (place(&format!("s-{}", at % 2), at / 2 + 1), rule_sets[number].1.clone())
    });
    assert_eq!(all, expected);
    // They are the versions that are listed without a look at their rules, page by page.
    let listed = store.versions_in(".", "s", shown, None, Some("t"), 9).await.unwrap();
    assert_eq!(places(&listed), all.iter().map(|(at, _)| at.clone()).collect::<Vec<_>>());
    assert_eq!(seen(shown, SOUGHT, Some(("s-0", Version(3))), 2).await, expected[3..5]);
    let latest = Shown { latest: Latest::Only, ..shown };
    assert_eq!(seen(latest, SOUGHT, None, 9).await, [expected[2].clone(), expected[5].clone()]);
    assert_eq!(seen(shown, "nowhere", None, 9).await, expected.map(|(at, _)| (at, SeenRules::Without)));
}

pub async fn aliases_are_listed_as_long_as_they_are_set(store: &Arc<dyn Store>) {
    let alias = |name: &str| ConfigRecord { alias: Some(Arc::from(name)), ..ConfigRecord::default() };
    let (b, a) = (subject("b"), subject_in(".team", "a"));
    put_config(store, &Scope::Subject(a.clone()), alias("target")).await;
    put_config(store, &Scope::Subject(b.clone()), alias("a")).await;
    put_config(store, &Scope::Subject(subject("c")), ConfigRecord::default()).await;
    assert_eq!(store.aliases().await.unwrap(), [(b.clone(), Arc::from("a")), (a.clone(), Arc::from("target"))]);

    put_config(store, &Scope::Subject(a), ConfigRecord::default()).await;
    put_config(store, &Scope::Subject(b), None).await;
    assert_eq!(store.aliases().await.unwrap(), []);
}

/// Every way to change versions leaves the lists of subjects right.
pub async fn lists_agree_with_the_versions_after_any_change(store: &Arc<dyn Store>) {
    // A small generator of its own, so that every run does the same.
    let mut state = 7_u32;
    let mut next = |bound: u32| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 16) % bound
    };
    let names = ["a", "b", "c"];
    for _ in 0..150 {
        let key = subject(names[next(3) as usize]);
        let text = format!("text {}", next(4));
        let revision = store.revision(&key).await.unwrap();
        let version = Version(next(4) + 1);
        let mode = [DeleteMode::Soft, DeleteMode::Permanent][next(2) as usize];
        match next(5) {
            0 => drop(register(store, &key, &text).await),
            1 => drop(store.delete_version(&key, version, mode, revision).await.unwrap()),
            2 => drop(store.delete_subject(&key, mode, revision).await.unwrap()),
            3 => {
                let new = NewVersion { version: NewNumber::Given(version), ..new_version(&key, &text, revision) };
                store.insert_version(new).await.unwrap();
            }
            _ => {
                let new = NewVersion {
                    version: NewNumber::Given(version),
                    id: NewId::Given(SchemaId(100 + next(3))),
                    ..new_version(&key, &text, revision)
                };
                store.insert_version(new).await.unwrap();
            }
        }

        let mut expected = [Vec::new(), Vec::new(), Vec::new()];
        let mut all = Vec::new();
        for name in names {
            let found = versions(store, &subject(name)).await;
            let live = found.iter().any(|version| !version.2);
            for (list, is_listed) in expected.iter_mut().zip([live, !found.is_empty(), !live && !found.is_empty()]) {
                list.extend(is_listed.then(|| Arc::<str>::from(name)));
            }
            all.extend(found.iter().map(|version| place(name, version.0)));
        }
        for (deleted, expected) in [Deleted::Hide, Deleted::Include, Deleted::Only].into_iter().zip(expected) {
            assert_eq!(subjects(store, ".", "", deleted).await, expected, "{deleted:?}");
        }
        let shown = Shown { deleted: Deleted::Include, latest: Latest::All };
        assert_eq!(places(&store.versions_in(".", "", shown, None, None, 100).await.unwrap()), all);
    }
}

pub async fn a_thousand_subjects_are_listed_whole(store: &Arc<dyn Store>) {
    const SUBJECTS: u32 = 1_000;
    let mut tasks = JoinSet::new();
    for number in 0..SUBJECTS {
        let store = Arc::clone(store);
        tasks.spawn(async move {
            // A queue has an end: who finds it full comes again.
            register(&store, &subject(&format!("s-{number:04}")), &format!("text {number}")).await
        });
        if tasks.len() >= 100 {
            tasks.join_next().await.unwrap().unwrap();
        }
    }
    tasks.join_all().await;

    let expected: Vec<String> = (0..SUBJECTS).map(|number| format!("s-{number:04}")).collect();
    let listed = subjects(store, ".", "", Deleted::Hide).await;
    assert!(listed.iter().map(|name| &**name).eq(expected.iter().map(String::as_str)));
    assert_eq!(subjects(store, ".", "s-09", Deleted::Hide).await.len(), 100);
    let mut found: Vec<SchemaUse> = Vec::new();
    while let page = {
        let after = found.last().map(|last| (&*last.subject.subject, last.entry.version));
        store.versions_in(".", "", Shown::default(), after, None, 300).await.unwrap()
    } && !page.is_empty()
    {
        found.extend(page);
    }
    assert!(found.iter().map(|use_of| &*use_of.subject.subject).eq(expected.iter().map(String::as_str)));
}
