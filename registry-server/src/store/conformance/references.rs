//! What refers to what, and what may go while something refers to it.

use super::super::{DeleteMode, NewReference, Referrer, Removed, StoredReference};
use super::deletes::{delete_subject, delete_version, done};
use super::*;

/// A reference to a version, with the id that the decision saw there.
pub(super) fn reference(name: &str, target: &SubjectKey, (id, version): (SchemaId, Version)) -> NewReference {
    NewReference {
        reference: StoredReference {
            name: Arc::from(name),
            subject: Arc::clone(&target.subject),
            target: target.clone(),
            version,
        },
        target_id: id,
    }
}

async fn insert(
    store: &Arc<dyn Store>,
    key: &SubjectKey,
    text: &str,
    references: impl IntoIterator<Item = NewReference>,
) -> Inserted {
    let revision = store.revision(key).await.unwrap();
    let references = references.into_iter().collect();
    store.insert_version(NewVersion { references, ..new_version(key, text, revision) }).await.unwrap()
}

/// Registers a content that refers to one version of another subject.
async fn refer(store: &Arc<dyn Store>, key: &SubjectKey, text: &str, target: &SubjectKey, version: u32) -> SchemaId {
    let entries = store.subject_snapshot(target).await.unwrap().versions;
    let id = entries.iter().find(|entry| entry.version == Version(version)).unwrap().id;
    let inserted = insert(store, key, text, [reference("base", target, (id, Version(version)))]).await;
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
    let second = register(store, &base, "two").await;
    let third = register(store, &other, "three").await;
    // Two of one name, and two of one target: order and number are the client's.
    let mut references = vec![
        reference("z", &base, second),
        reference("a", &other, third),
        reference("z", &base, first),
        reference("", &base, second),
    ];
    references[1].reference.subject = Arc::from(":.team:other");

    let inserted = insert(store, &subject("s"), "refers", references.clone()).await;

    assert_eq!(inserted.place(), Some((SchemaId(3), Version(1))));
    let stored = store.schema(".", SchemaId(3)).await.unwrap().unwrap();
    let expected: Vec<_> = references.into_iter().map(|new| new.reference).collect();
    assert_eq!(*stored.references, *expected);
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
    let target = register(store, &base, "one").await;
    let missing = (target.0, Version(2));
    let other_content = (SchemaId(target.0.0 + 1), target.1);
    for (target, text) in [(missing, "missing"), (other_content, "other")] {
        assert_eq!(insert(store, &key, text, [reference("base", &base, target)]).await, Inserted::Moved, "{text}");
    }

    delete_version(store, &base, 1, DeleteMode::Soft).await;
    assert_eq!(insert(store, &key, "late", [reference("base", &base, target)]).await, Inserted::Moved);

    assert_eq!(versions(store, &key).await, []);
    assert_eq!(store.schema(".", SchemaId(2)).await.unwrap(), None);
    assert_eq!(store.referrers(&base, Version(1)).await.unwrap(), []);
    assert_eq!(register(store, &key, "two").await, pair(2, 1));
}

/// Its references stand already, and so do their targets: soft-deleted at most. Clients register again what they had.
pub async fn a_known_content_is_taken_though_its_target_is_soft_deleted(store: &Arc<dyn Store>) {
    let base = subject("base");
    let target = register(store, &base, "one").await;
    let id = refer(store, &subject("first"), "refers", &base, 1).await;
    delete_subject(store, &subject("first"), DeleteMode::Soft).await;
    assert_eq!(delete_version(store, &base, 1, DeleteMode::Soft).await, done(&[1]));

    let second = insert(store, &subject("second"), "refers", [reference("base", &base, target)]).await;

    assert_eq!(second.place(), Some((id, Version(1))));
    // Also where an import gives it another id.
    let key = subject("third");
    let new = new_version(&key, "refers", store.revision(&key).await.unwrap());
    let references = vec![reference("base", &base, target)];
    let third = store.insert_version(NewVersion { id: NewId::Given(SchemaId(40)), references, ..new }).await.unwrap();
    assert_eq!(third.place(), Some(pair(40, 1)));
    assert_eq!(delete_version(store, &base, 1, DeleteMode::Permanent).await, referenced(1));
}

/// Another has taken the target's place since, and the content with it.
pub async fn a_known_content_is_taken_only_for_the_target_that_was_decided_on(store: &Arc<dyn Store>) {
    let base = subject("base");
    let (id, version) = register(store, &base, "one").await;
    refer(store, &subject("first"), "refers", &base, 1).await;

    let gone = [reference("base", &base, (SchemaId(id.0 + 7), version))];
    assert_eq!(insert(store, &subject("second"), "refers", gone).await, Inserted::Moved);
    let there = [reference("base", &base, (id, version))];
    assert!(insert(store, &subject("second"), "refers", there).await.place().is_some());
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
        let target = register(store, &base, &format!("base {round}")).await;
        let mode = [DeleteMode::Soft, DeleteMode::Permanent][round % 2];
        let decided_on = store.revision(&base).await.unwrap();
        let new = NewVersion {
            references: vec![reference("base", &base, target)],
            ..new_version(&key, &format!("refers {round}"), store.revision(&key).await.unwrap())
        };
        let delete = async {
            let soft = store.delete_version(&base, target.1, DeleteMode::Soft, decided_on).await.unwrap();
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
