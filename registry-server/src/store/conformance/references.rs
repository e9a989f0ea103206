//! What refers to what, and what may go while something refers to it.

use super::super::{DeleteMode, Referrer, Removed, StoredReference, Target};
use super::deletes::{delete_subject, delete_version, done};
use super::imports::import;
use super::*;

pub fn reference(name: &str, target: &SubjectKey, version: u32) -> StoredReference {
    let (name, subject) = (Arc::from(name), Arc::clone(&target.subject));
    StoredReference { name, subject, target: target.clone(), version: Version(version) }
}

/// A version with a text, as a decision saw it.
pub fn target(subject: &SubjectKey, version: u32, text: &str) -> Target {
    Target { subject: subject.clone(), version: Version(version), dedup_key: dedup_key(text) }
}

/// A version to be written that refers to one of another subject, which the decision saw with a text.
pub async fn referring(
    store: &Arc<dyn Store>,
    key: &SubjectKey,
    text: &str,
    seen: (&SubjectKey, u32, &str),
) -> NewVersion {
    let new = new_version(key, text, store.revision(key).await.unwrap());
    let references = [reference("base", seen.0, seen.1)].into();
    NewVersion { references, targets: [target(seen.0, seen.1, seen.2)].into(), ..new }
}

/// Registers a content that refers to one version of another subject.
pub(super) async fn refer(
    store: &Arc<dyn Store>,
    key: &SubjectKey,
    text: &str,
    target: &SubjectKey,
    version: u32,
) -> SchemaId {
    let entries = store.subject_snapshot(target).await.unwrap().versions;
    let dedup_key = entries.iter().find(|entry| entry.version == Version(version)).unwrap().dedup_key;
    let mut new = referring(store, key, text, (target, version, "")).await;
    new.targets = [Target { subject: target.clone(), version: Version(version), dedup_key }].into();
    let inserted = store.insert_version(new).await.unwrap();
    let Inserted::Written { id, .. } = inserted else { panic!("{inserted:?}") };
    id
}

fn referenced(version: u32) -> Removed {
    Removed::Referenced { version: Version(version) }
}

fn referrer(context: &str, id: SchemaId, is_live: bool) -> Referrer {
    Referrer { context: Arc::from(context), id, is_live }
}

pub async fn references_come_back_in_their_order(store: &Arc<dyn Store>) {
    let (base, other) = (subject("base"), subject_in(".team", "other"));
    let first = register(store, &base, "one").await;
    register(store, &base, "two").await;
    register(store, &other, "three").await;
    // Two of one name, and two of one target: order and number are the client's.
    let mut references =
        [reference("z", &base, 2), reference("a", &other, 1), reference("z", &base, 1), reference("", &base, 2)];
    references[1].subject = Arc::from(":.team:other");
    let targets = [target(&base, 1, "one"), target(&base, 2, "two"), target(&other, 1, "three")].into();
    let new = new_version(&subject("s"), "refers", store.revision(&subject("s")).await.unwrap());

    let new = NewVersion { references: references.clone().into(), targets, ..new };
    let inserted = store.insert_version(new).await.unwrap();

    assert_eq!(inserted.place(), Some((SchemaId(3), Version(1))));
    let stored = store.schema(".", SchemaId(3)).await.unwrap().unwrap();
    assert_eq!(*stored.references, references);
    let own = Version(1)..=Version(1);
    assert_eq!(store.schemas_of(&subject("s"), own).await.unwrap(), [stored]);
    assert_eq!(*store.schema(".", first.0).await.unwrap().unwrap().references, []);
}

pub async fn referrers_are_the_direct_ones_of_all_contexts(store: &Arc<dyn Store>) {
    let base = subject("base");
    register(store, &base, "one").await;
    register(store, &base, "two").await;
    let near = refer(store, &subject("near"), "near", &base, 1).await;
    refer(store, &subject("further"), "further", &subject("near"), 1).await;
    let far = refer(store, &subject_in(".team", "far"), "far", &base, 1).await;
    // The same content in a second subject is one referrer, live as long as one of its versions is.
    refer(store, &subject("again"), "near", &base, 1).await;

    delete_subject(store, &subject("near"), DeleteMode::Soft).await;
    delete_subject(store, &subject_in(".team", "far"), DeleteMode::Soft).await;

    let found = store.referrers(&base, Version(1)).await.unwrap();
    assert_eq!(found, [referrer(".", near, true), referrer(".team", far, false)]);
    assert_eq!(store.referrers(&base, Version(2)).await.unwrap(), []);
    assert_eq!(store.referrers(&subject("nobody"), Version(1)).await.unwrap(), []);
}

pub async fn the_first_version_that_is_referred_to_is_found(store: &Arc<dyn Store>) {
    let base = subject("base");
    for text in ["one", "two", "three"] {
        register(store, &base, text).await;
    }
    let first = async |versions, from_within| store.first_referred(&base, versions, from_within).await.unwrap();
    let all = || Version(1)..=Version(9);
    assert_eq!(first(all(), true).await, None);

    refer(store, &base, "from within", &base, 2).await;
    refer(store, &subject_in(".team", "far"), "far", &base, 3).await;
    delete_subject(store, &subject_in(".team", "far"), DeleteMode::Soft).await;

    assert_eq!([first(all(), true).await, first(all(), false).await], [Some(Version(2)), Some(Version(3))]);
    assert_eq!(first(Version(1)..=Version(1), true).await, None);
    assert_eq!(first(Version(1)..=Version(2), false).await, None);
}

pub async fn a_reference_to_what_has_changed_writes_nothing(store: &Arc<dyn Store>) {
    let (base, key) = (subject("base"), subject("s"));
    register(store, &base, "one").await;
    for (seen, why) in [((&base, 2, "one"), "missing"), ((&base, 1, "other"), "another content")] {
        let new = referring(store, &key, "refers", seen).await;
        assert_eq!(store.insert_version(new).await.unwrap(), Inserted::Moved, "{why}");
    }

    delete_version(store, &base, 1, DeleteMode::Soft).await;
    let late = referring(store, &key, "refers", (&base, 1, "one")).await;
    assert_eq!(store.insert_version(late).await.unwrap(), Inserted::Moved);

    assert_eq!(versions(store, &key).await, []);
    assert_eq!(store.schema(".", SchemaId(2)).await.unwrap(), None);
    assert_eq!(store.referrers(&base, Version(1)).await.unwrap(), []);
    assert_eq!(register(store, &key, "two").await, pair(2, 1));
}

/// Its references stand already, and so do their targets: soft-deleted at most. Clients register again what they had.
pub async fn a_known_content_is_taken_though_its_target_is_soft_deleted(store: &Arc<dyn Store>) {
    let base = subject("base");
    register(store, &base, "one").await;
    let id = refer(store, &subject("first"), "refers", &base, 1).await;
    delete_subject(store, &subject("first"), DeleteMode::Soft).await;
    assert_eq!(delete_version(store, &base, 1, DeleteMode::Soft).await, done(&[1]));

    assert_eq!(refer(store, &subject("second"), "refers", &base, 1).await, id);

    // Also where an import gives it another id.
    let new = referring(store, &subject("third"), "refers", (&base, 1, "one")).await;
    let third = store.insert_version(NewVersion { id: NewId::Given(SchemaId(40)), ..new }).await.unwrap();
    assert_eq!(third.place(), Some(pair(40, 1)));
    assert_eq!(delete_version(store, &base, 1, DeleteMode::Permanent).await, referenced(1));
}

/// Another has taken the target's place since, and the content with it.
pub async fn a_known_content_is_taken_only_for_the_target_that_was_decided_on(store: &Arc<dyn Store>) {
    let base = subject("base");
    register(store, &base, "one").await;
    refer(store, &subject("first"), "refers", &base, 1).await;

    let gone = referring(store, &subject("second"), "refers", (&base, 1, "before")).await;
    assert_eq!(store.insert_version(gone).await.unwrap(), Inserted::Moved);
    refer(store, &subject("second"), "refers", &base, 1).await;
}

/// Whoever imports may take a version away that nothing refers to yet, give what that refers to another text, and bring
/// the version back with its text, its id and its number.
pub async fn a_target_that_means_something_else_now_is_another_one(store: &Arc<dyn Store>) {
    let (inner, base, key) = (subject("inner"), subject("base"), subject("s"));
    let import_base = async |seen| {
        let new = referring(store, &base, "base", (&inner, 1, seen)).await;
        let (id, version) = (NewId::Given(SchemaId(2)), NewNumber::Given(Version(1)));
        store.insert_version(NewVersion { id, version, ..new }).await.unwrap().place()
    };
    import(store, &inner, "one", 1, 1).await;
    assert_eq!(import_base("one").await, Some(pair(2, 1)));
    let refer_on = async |seen| {
        let mut new = referring(store, &key, "refers", (&base, 1, "base")).await;
        new.targets.insert(target(&inner, 1, seen));
        store.insert_version(new).await.unwrap()
    };
    for mode in [DeleteMode::Soft, DeleteMode::Permanent] {
        assert_eq!(delete_subject(store, &base, mode).await, done(&[1]));
    }

    assert_eq!(import(store, &inner, "other", 3, 1).await.place(), Some(pair(3, 1)));
    assert_eq!(import_base("other").await, Some(pair(2, 1)));

    assert_eq!(refer_on("one").await, Inserted::Moved);
    assert_eq!(refer_on("other").await.place(), Some(pair(4, 1)));
}

/// What is appended to the subjects of targets changes none of them, and one that is soft-deleted behind a live one
/// keeps nobody from referring to that.
pub async fn a_target_beside_which_others_come_stands(store: &Arc<dyn Store>) {
    let (inner, base) = (subject("inner"), subject("base"));
    register(store, &inner, "one").await;
    delete_version(store, &inner, 1, DeleteMode::Soft).await;
    let imported = referring(store, &base, "base", (&inner, 1, "one")).await;
    store.insert_version(NewVersion { id: NewId::Given(SchemaId(2)), ..imported }).await.unwrap();
    let mut new = referring(store, &subject("s"), "refers", (&base, 1, "base")).await;
    new.targets.insert(target(&inner, 1, "one"));
    for key in [&inner, &base] {
        register(store, key, "another").await;
    }

    assert_eq!(store.insert_version(new).await.unwrap().place(), Some(pair(4, 1)));
}

pub async fn live_referrers_block_a_soft_delete(store: &Arc<dyn Store>) {
    let base = subject("base");
    for text in ["one", "two", "three"] {
        register(store, &base, text).await;
    }
    refer(store, &subject("s"), "to three", &base, 3).await;
    refer(store, &subject("s"), "to two", &base, 2).await;
    let before = store.revision(&base).await.unwrap();

    assert_eq!(delete_version(store, &base, 2, DeleteMode::Soft).await, referenced(2));
    assert_eq!(delete_version(store, &base, 3, DeleteMode::Soft).await, referenced(3));
    assert_eq!(delete_subject(store, &base, DeleteMode::Soft).await, referenced(2));
    assert_eq!(store.revision(&base).await.unwrap(), before);
    assert_eq!(versions(store, &base).await, [(1, 1, false), (2, 2, false), (3, 3, false)]);

    assert_eq!(delete_version(store, &base, 1, DeleteMode::Soft).await, done(&[1]));
    assert_eq!(delete_subject(store, &subject("s"), DeleteMode::Soft).await, done(&[1, 2]));
    assert_eq!(delete_subject(store, &base, DeleteMode::Soft).await, done(&[2, 3]));
}

pub async fn soft_deleted_referrers_block_a_permanent_delete(store: &Arc<dyn Store>) {
    let (base, key) = (subject("base"), subject("s"));
    register(store, &base, "one").await;
    register(store, &base, "two").await;
    let id = refer(store, &key, "refers", &base, 2).await;
    delete_subject(store, &key, DeleteMode::Soft).await;
    assert_eq!(delete_subject(store, &base, DeleteMode::Soft).await, done(&[1, 2]));

    assert_eq!(delete_subject(store, &base, DeleteMode::Permanent).await, referenced(2));
    assert_eq!(delete_version(store, &base, 2, DeleteMode::Permanent).await, referenced(2));
    assert_eq!(versions(store, &base).await, [(1, 1, true), (2, 2, true)]);
    assert_eq!(store.schema(".", id).await.unwrap().unwrap().references.len(), 1);

    assert_eq!(delete_version(store, &base, 1, DeleteMode::Permanent).await, done(&[1]));
    assert_eq!(delete_subject(store, &key, DeleteMode::Permanent).await, done(&[1]));
    assert_eq!(delete_subject(store, &base, DeleteMode::Permanent).await, done(&[2]));
    assert_eq!(subjects(store, ".", "", super::super::Deleted::Include).await, Vec::<Arc<str>>::new());
}

pub async fn a_subject_may_go_with_what_refers_to_it_from_inside(store: &Arc<dyn Store>) {
    let key = subject("s");
    register(store, &key, "one").await;
    refer(store, &key, "two", &key, 1).await;
    refer(store, &key, "three", &key, 2).await;

    // One version by itself is referred to by the next.
    assert_eq!(delete_version(store, &key, 1, DeleteMode::Soft).await, referenced(1));
    assert_eq!(delete_subject(store, &key, DeleteMode::Soft).await, done(&[1, 2, 3]));
    assert_eq!(delete_version(store, &key, 2, DeleteMode::Permanent).await, referenced(2));
    assert_eq!(delete_subject(store, &key, DeleteMode::Permanent).await, done(&[1, 2, 3]));

    for id in 1..=3 {
        assert_eq!(store.schema(".", SchemaId(id)).await.unwrap(), None);
    }
    assert_eq!(register(store, &key, "one").await, pair(4, 1));
}

/// A content of the subject that another subject uses, too, stays and still refers to what would go.
pub async fn a_subject_stays_while_what_refers_to_it_is_used_elsewhere(store: &Arc<dyn Store>) {
    let (key, other) = (subject("s"), subject("other"));
    register(store, &key, "one").await;
    refer(store, &key, "two", &key, 1).await;
    refer(store, &other, "two", &key, 1).await;

    assert_eq!(delete_subject(store, &key, DeleteMode::Soft).await, referenced(1));
    delete_subject(store, &other, DeleteMode::Soft).await;
    assert_eq!(delete_subject(store, &key, DeleteMode::Soft).await, done(&[1, 2]));
    assert_eq!(delete_subject(store, &key, DeleteMode::Permanent).await, referenced(1));
    delete_subject(store, &other, DeleteMode::Permanent).await;
    assert_eq!(delete_subject(store, &key, DeleteMode::Permanent).await, done(&[1, 2]));
}

/// A live version of the subject refers to a soft-deleted one of it: both stand in one subject, but only one would go.
pub async fn a_permanent_delete_is_blocked_by_what_lives_on_inside(store: &Arc<dyn Store>) {
    let key = subject("s");
    register(store, &key, "one").await;
    refer(store, &key, "two", &key, 1).await;
    delete_subject(store, &key, DeleteMode::Soft).await;
    // The content that refers comes to life again under a number of its own.
    let revision = store.revision(&key).await.unwrap();
    let inserted = store.insert_version(new_version(&key, "two", revision)).await.unwrap();
    assert_eq!(inserted.place(), Some((SchemaId(2), Version(3))));

    assert_eq!(delete_subject(store, &key, DeleteMode::Permanent).await, referenced(1));
    assert_eq!(versions(store, &key).await, [(1, 1, true), (3, 2, false)]);
}

pub async fn an_older_version_that_is_referred_to_stays_when_its_content_returns(store: &Arc<dyn Store>) {
    let (base, key) = (subject("base"), subject("s"));
    register(store, &base, "one").await;
    refer(store, &key, "refers", &base, 1).await;
    delete_subject(store, &key, DeleteMode::Soft).await;
    delete_subject(store, &base, DeleteMode::Soft).await;

    // Twice, so that there is one older version that is referred to and one that is not.
    assert_eq!(register(store, &base, "one").await, pair(1, 2));
    delete_subject(store, &base, DeleteMode::Soft).await;
    assert_eq!(register(store, &base, "one").await, pair(1, 3));

    assert_eq!(versions(store, &base).await, [(1, 1, true), (3, 1, false)]);
}

/// Of a register that refers to a version and a delete of that version, decided at once, one at most is done.
pub async fn a_delete_and_a_register_that_refers_exclude_each_other(store: &Arc<dyn Store>) {
    for round in 0..60 {
        let (base, key) = (subject(&format!("base-{round}")), subject_in(".team", &format!("s-{round}")));
        let text = format!("base {round}");
        let (_, version) = register(store, &base, &text).await;
        let mode = [DeleteMode::Soft, DeleteMode::Permanent][round % 2];
        let decided_on = store.revision(&base).await.unwrap();
        let new = referring(store, &key, &format!("refers {round}"), (&base, version.0, &text)).await;
        let delete = async {
            let soft = store.delete_version(&base, version, DeleteMode::Soft, decided_on).await.unwrap();
            if mode == DeleteMode::Permanent && soft == done(&[1]) {
                let removed = delete_version(store, &base, 1, DeleteMode::Permanent).await;
                assert_eq!(removed, done(&[1]), "nothing could refer to it any more");
            }
            soft
        };

        // Both orders of starting.
        let (inserted, deleted) = if round % 4 < 2 {
            tokio::join!(store.insert_version(new), delete)
        } else {
            let (deleted, inserted) = tokio::join!(delete, store.insert_version(new));
            (inserted, deleted)
        };

        let is_live = versions(store, &base).await.iter().any(|version| !version.2);
        let referrers = store.referrers(&base, Version(1)).await.unwrap();
        match (inserted.unwrap(), deleted) {
            (Inserted::Written { id, .. }, Removed::Referenced { version: Version(1) }) => {
                assert!(is_live);
                assert_eq!(referrers, [referrer(".team", id, true)]);
            }
            (Inserted::Moved, Removed::Done(versions)) => {
                assert!(!is_live);
                assert_eq!((versions, referrers), (vec![Version(1)], Vec::new()));
            }
            other => panic!("{other:?}"),
        }
    }
}
