//! Names of subjects and contexts.

use super::super::{CONTEXT_BYTES_MAX, ConfigRecord, Deleted, SUBJECT_BYTES_MAX, Scope, StoreErrorKind};
use super::*;

pub async fn sorts_subjects_by_their_bytes(store: &Arc<dyn Store>) {
    let sorted = ["", "A", "a", "a-b", "ab", "\u{e9}", "\u{d7ff}", "\u{e000}", "\u{ffff}", "\u{10000}", "\u{1f600}"];
    for name in sorted.iter().rev() {
        register(store, &subject(name), "one").await;
    }

    let listed = subjects(store, ".", "", Deleted::Hide).await;

    assert_eq!(listed.iter().map(|name| &**name).collect::<Vec<_>>(), sorted);
}

pub async fn takes_any_name(store: &Arc<dyn Store>) {
    let names = [
        "a",
        "A",
        "a ",
        " a",
        "\u{e9}",
        "e\u{301}",
        "'",
        "\"",
        "%",
        "_",
        "a/b",
        "a:b",
        "*",
        "\u{1f600}",
        "\u{80}",
        "$1",
        "\\",
    ];
    for (name, number) in names.iter().zip(1..) {
        assert_eq!(register(store, &subject(name), &format!("text of {name}")).await, pair(number, 1), "`{name}`");
    }

    for (name, number) in names.iter().zip(1..) {
        assert_eq!(versions(store, &subject(name)).await, [(1, number, false)], "`{name}`");
    }
    assert_eq!(subjects(store, ".", "", Deleted::Hide).await.len(), names.len());
}

pub async fn takes_the_longest_names_and_no_longer(store: &Arc<dyn Store>) {
    let longest =
        subject_in(&format!(".{}", "c".repeat(CONTEXT_BYTES_MAX - 1)), &"\u{e9}".repeat(SUBJECT_BYTES_MAX / 2));
    assert_eq!(register(store, &longest, "one").await, pair(1, 1));
    assert_eq!(versions(store, &longest).await, [(1, 1, false)]);
    put_config(store, &Scope::Subject(longest.clone()), ConfigRecord::default()).await;

    let too_long = [
        subject(&"s".repeat(SUBJECT_BYTES_MAX + 1)),
        subject_in(&"c".repeat(CONTEXT_BYTES_MAX + 1), "s"),
        subject_in("", "s"),
    ];
    for key in too_long {
        let insert = store.insert_version(new_version(&key, "two", Revision::default())).await.unwrap_err();
        let config = store.put_config(&Scope::Subject(key), None, Revision::default()).await.unwrap_err();
        assert_eq!((insert.kind, config.kind), (StoreErrorKind::Invalid, StoreErrorKind::Invalid));
    }
    assert_eq!(subjects(store, ".", "", Deleted::Include).await, Vec::<Arc<str>>::new());
}
