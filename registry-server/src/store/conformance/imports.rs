//! Versions that bring their ids and numbers, and contents that have two ids.

use futures_util::future::join_all;

use super::super::DeleteMode;
use super::references::{refer, referring};
use super::*;

/// The largest id and the largest version.
const LAST: u32 = i32::MAX.unsigned_abs();

pub(super) async fn import(store: &Arc<dyn Store>, key: &SubjectKey, text: &str, id: u32, version: u32) -> Inserted {
    let revision = store.revision(key).await.unwrap();
    let (id, version) = (NewId::Given(SchemaId(id)), NewNumber::Given(Version(version)));
    store.insert_version(NewVersion { id, version, ..new_version(key, text, revision) }).await.unwrap()
}

fn written(id: u32, version: u32) -> Option<(SchemaId, Version)> {
    Some(pair(id, version))
}

async fn remove_subject(store: &Arc<dyn Store>, key: &SubjectKey) {
    for mode in [DeleteMode::Soft, DeleteMode::Permanent] {
        let revision = store.revision(key).await.unwrap();
        store.delete_subject(key, mode, revision).await.unwrap();
    }
}

pub async fn an_import_keeps_its_id_and_its_number(store: &Arc<dyn Store>) {
    let key = subject("s");

    assert_eq!(import(store, &key, "seven", 70, 7).await.place(), written(70, 7));
    assert_eq!(import(store, &key, "three", 30, 3).await.place(), written(30, 3));
    assert_eq!(import(store, &key, "zero", 0, 5).await.place(), written(0, 5));

    assert_eq!(versions(store, &key).await, [(3, 30, false), (5, 0, false), (7, 70, false)]);
    assert_eq!(&*store.schema(".", SchemaId(0)).await.unwrap().unwrap().text, "zero");
    // What follows goes on behind the highest, of ids and of numbers.
    assert_eq!(register(store, &key, "next").await, pair(71, 8));
    assert_eq!(store.last_id(".").await.unwrap(), Some(SchemaId(71)));
}

pub async fn a_given_id_alone_gets_the_next_number(store: &Arc<dyn Store>) {
    let key = subject("s");
    register(store, &key, "one").await;
    let revision = store.revision(&key).await.unwrap();

    let new = NewVersion { id: NewId::Given(SchemaId(9)), ..new_version(&key, "two", revision) };
    assert_eq!(store.insert_version(new).await.unwrap().place(), written(9, 2));
    let revision = store.revision(&key).await.unwrap();
    let new = NewVersion { version: NewNumber::Given(Version(9)), ..new_version(&key, "three", revision) };
    assert_eq!(store.insert_version(new).await.unwrap().place(), written(10, 9));
}

pub async fn a_given_id_of_another_content_is_taken(store: &Arc<dyn Store>) {
    let key = subject("s");
    register(store, &key, "one").await;
    let before = store.subject_snapshot(&key).await.unwrap();

    assert_eq!(import(store, &key, "two", 1, 2).await, Inserted::IdTaken);
    assert_eq!(import(store, &key, "two", 1, 1).await, Inserted::IdTaken);

    let after = store.subject_snapshot(&key).await.unwrap();
    assert_eq!((after.revision, after.versions), (before.revision, before.versions));
    assert_eq!(import(store, &subject_in(".team", "s"), "two", 1, 1).await.place(), written(1, 1));
}

pub async fn one_content_may_have_two_ids_and_the_last_is_preferred(store: &Arc<dyn Store>) {
    let key = subject("s");

    assert_eq!(import(store, &key, "one", 10, 1).await.place(), written(10, 1));
    assert_eq!(import(store, &key, "one", 20, 2).await.place(), written(20, 2));
    assert_eq!(register(store, &subject("a"), "one").await, pair(20, 1));
    assert_eq!(import(store, &subject("b"), "one", 10, 1).await.place(), written(10, 1));
    assert_eq!(register(store, &subject("c"), "one").await, pair(10, 1));

    let mut ids = store.ids_by_guid(guid("one")).await.unwrap();
    ids.sort_unstable();
    assert_eq!(ids, [(Arc::from("."), SchemaId(10)), (Arc::from("."), SchemaId(20))]);
    assert_eq!(store.last_id(".").await.unwrap(), Some(SchemaId(20)));
}

pub async fn a_registered_content_may_get_a_second_id(store: &Arc<dyn Store>) {
    assert_eq!(register(store, &subject("a"), "one").await, pair(1, 1));
    let numbered = new_version(&subject("b"), "one", Revision::default());
    let numbered = NewVersion { version: NewNumber::Given(Version(7)), ..numbered };
    assert_eq!(store.insert_version(numbered).await.unwrap().place(), written(1, 7));

    assert_eq!(import(store, &subject("c"), "one", 20, 1).await.place(), written(20, 1));
    assert_eq!(register(store, &subject("d"), "one").await, pair(20, 1));
    assert_eq!(import(store, &subject("e"), "one", 1, 1).await.place(), written(1, 1));
    assert_eq!(register(store, &subject("f"), "one").await, pair(1, 1));

    for name in ["a", "b", "e", "f"] {
        remove_subject(store, &subject(name)).await;
    }
    assert_eq!(register(store, &subject("g"), "one").await, pair(20, 1));
    assert_eq!(register(store, &subject_in(".team", "a"), "one").await, pair(1, 1));
}

pub async fn another_id_is_preferred_when_the_preferred_one_goes(store: &Arc<dyn Store>) {
    for (id, name) in [(10, "ten"), (30, "thirty"), (20, "twenty")] {
        assert_eq!(import(store, &subject(name), "one", id, 1).await.place(), written(id, 1));
    }

    remove_subject(store, &subject("twenty")).await;
    assert_eq!(register(store, &subject("a"), "one").await, pair(30, 1));
    remove_subject(store, &subject("a")).await;
    remove_subject(store, &subject("thirty")).await;
    assert_eq!(register(store, &subject("b"), "one").await, pair(10, 1));
    remove_subject(store, &subject("b")).await;
    remove_subject(store, &subject("ten")).await;

    assert_eq!(register(store, &subject("c"), "one").await, pair(31, 1));
}

pub async fn of_several_ids_that_go_at_once_none_is_preferred(store: &Arc<dyn Store>) {
    import(store, &subject("stays"), "one", 20, 1).await;
    for (version, id) in [(1, 40), (2, 10), (3, 30)] {
        import(store, &subject("goes"), "one", id, version).await;
    }
    import(store, &subject("goes"), "two", 25, 4).await;
    import(store, &subject("uses"), "two", 25, 1).await;

    remove_subject(store, &subject("goes")).await;

    for (id, is_there) in [(10, false), (20, true), (25, true), (30, false), (40, false)] {
        assert_eq!(store.schema(".", SchemaId(id)).await.unwrap().is_some(), is_there, "{id}");
    }
    assert_eq!(register(store, &subject("a"), "one").await, pair(20, 1));
    assert_eq!(register(store, &subject("a"), "two").await, pair(25, 2));
}

pub async fn a_removal_leaves_the_preferred_id_when_it_stays(store: &Arc<dyn Store>) {
    import(store, &subject("a"), "one", 10, 1).await;
    import(store, &subject("b"), "one", 20, 1).await;

    remove_subject(store, &subject("a")).await;

    assert_eq!(register(store, &subject("c"), "one").await, pair(20, 1));
}

pub async fn a_taken_number_is_replaced(store: &Arc<dyn Store>) {
    let key = subject("s");
    import(store, &key, "one", 1, 1).await;
    import(store, &key, "two", 2, 2).await;
    let revision = store.revision(&key).await.unwrap();
    store.delete_version(&key, Version(2), DeleteMode::Soft, revision).await.unwrap();

    assert_eq!(import(store, &key, "other", 3, 1).await.place(), written(3, 1));
    // The same again, and a soft-deleted one that comes back to life.
    assert_eq!(import(store, &key, "other", 3, 1).await.place(), written(3, 1));
    assert_eq!(import(store, &key, "two", 2, 2).await.place(), written(2, 2));

    assert_eq!(versions(store, &key).await, [(1, 3, false), (2, 2, false)]);
    assert_eq!(store.schema(".", SchemaId(1)).await.unwrap(), None, "nothing uses it any more");
    assert_eq!(subjects(store, ".", "", super::super::Deleted::Only).await, Vec::<Arc<str>>::new());
}

pub async fn a_taken_number_that_is_referred_to_stays(store: &Arc<dyn Store>) {
    let (base, key) = (subject("base"), subject("s"));
    import(store, &base, "one", 1, 1).await;
    refer(store, &key, "refers", &base, 1).await;

    assert_eq!(import(store, &base, "other", 5, 1).await, Inserted::Referenced { version: Version(1) });
    // Its own content may be written again.
    assert_eq!(import(store, &base, "one", 1, 1).await.place(), written(1, 1));

    assert_eq!(versions(store, &base).await, [(1, 1, false)]);
    assert_eq!(store.schema(".", SchemaId(5)).await.unwrap(), None);
}

pub async fn a_taken_number_is_not_replaced_by_what_refers_to_it(store: &Arc<dyn Store>) {
    let key = subject("s");
    import(store, &key, "one", 1, 1).await;

    let new = referring(store, &key, "two", (&key, 1, "one")).await;
    let (id, version) = (NewId::Given(SchemaId(2)), NewNumber::Given(Version(1)));

    assert_eq!(
        store.insert_version(NewVersion { id, version, ..new }).await.unwrap(),
        Inserted::Referenced { version: Version(1) }
    );
    assert_eq!(versions(store, &key).await, [(1, 1, false)]);
}

pub async fn numbers_beyond_31_bits_are_refused(store: &Arc<dyn Store>) {
    let key = subject("s");
    for (id, version) in [(LAST + 1, 1), (1, LAST + 1), (1, 0), (u32::MAX, u32::MAX)] {
        let new = NewVersion {
            id: NewId::Given(SchemaId(id)),
            version: NewNumber::Given(Version(version)),
            ..new_version(&key, "one", Revision::default())
        };
        let error = store.insert_version(new).await.unwrap_err();
        assert_eq!(error.kind, super::super::StoreErrorKind::Invalid, "id {id}, version {version}");
    }

    assert_eq!(versions(store, &key).await, []);
}

pub async fn behind_the_largest_id_only_given_ones_are_left(store: &Arc<dyn Store>) {
    let (key, other) = (subject("s"), subject("other"));
    assert_eq!(import(store, &key, "one", LAST, 1).await.place(), written(LAST, 1));
    import(store, &key, "two", LAST - 1, 2).await;
    let before = store.subject_snapshot(&key).await.unwrap();

    let of_next_ids = [
        new_version(&key, "new", before.revision),
        NewVersion { version: NewNumber::Given(Version(1)), ..new_version(&key, "new", before.revision) },
        NewVersion { version: NewNumber::Given(Version(9)), ..new_version(&key, "new", before.revision) },
        new_version(&other, "new", store.revision(&other).await.unwrap()),
    ];
    for new in of_next_ids {
        assert_eq!(store.insert_version(new.clone()).await.unwrap(), Inserted::IdsUsedUp, "{new:?}");
    }
    let after = store.subject_snapshot(&key).await.unwrap();
    assert_eq!((after.revision, after.versions), (before.revision, before.versions));
    assert_eq!(store.subject_snapshot(&other).await.unwrap().versions, []);
    assert_eq!(subjects(store, ".", "", Deleted::Include).await, [Arc::from("s")]);

    // What has an id keeps it, ids that are given are taken, and another context counts for itself.
    assert_eq!(register(store, &other, "one").await, pair(LAST, 1));
    assert_eq!(import(store, &key, "new", 7, 3).await.place(), written(7, 3));
    assert_eq!(register(store, &other, "new").await, pair(7, 2));
    assert_eq!(register(store, &subject_in(".team", "s"), "other").await, pair(1, 1));
    assert_eq!(store.last_id(".").await.unwrap(), Some(SchemaId(LAST)));
}

pub async fn behind_the_largest_version_only_given_ones_are_left(store: &Arc<dyn Store>) {
    let key = subject("s");
    import(store, &key, "one", 1, LAST).await;
    import(store, &key, "two", 2, 5).await;
    let before = store.subject_snapshot(&key).await.unwrap();

    for new in [
        new_version(&key, "new", before.revision),
        new_version(&key, "two", before.revision),
        NewVersion { id: NewId::Given(SchemaId(9)), ..new_version(&key, "new", before.revision) },
    ] {
        assert_eq!(store.insert_version(new.clone()).await.unwrap(), Inserted::VersionsUsedUp, "{new:?}");
    }
    let after = store.subject_snapshot(&key).await.unwrap();
    assert_eq!((after.revision, after.versions), (before.revision, before.versions));
    assert_eq!(store.last_id(".").await.unwrap(), Some(SchemaId(2)), "no id is lost");

    // A soft-deleted one keeps its number, one that is removed does not.
    assert_eq!(import(store, &key, "three", 3, 7).await.place(), written(3, 7));
    for (mode, next) in [(DeleteMode::Soft, None), (DeleteMode::Permanent, written(4, 8))] {
        let revision = store.revision(&key).await.unwrap();
        store.delete_version(&key, Version(LAST), mode, revision).await.unwrap();
        let new = new_version(&key, "new", store.revision(&key).await.unwrap());
        assert_eq!(store.insert_version(new).await.unwrap().place(), next, "{mode:?}");
    }
}

pub async fn of_numbers_that_are_used_up_those_who_write_together_lose_nothing(store: &Arc<dyn Store>) {
    let key = subject("full");
    import(store, &key, "one", 1, LAST).await;
    let full = store.revision(&key).await.unwrap();
    let refused = (0..20).map(|n| new_version(&key, &format!("refused {n}"), full));
    let taken = (0..20).map(|n| new_version(&subject(&format!("s{n}")), &format!("taken {n}"), Revision::default()));
    let writes = refused.zip(taken).flat_map(|(refused, taken)| [refused, taken]);

    let outcomes = join_all(writes.map(|new| store.insert_version(new))).await;

    let mut ids = Vec::new();
    for pair in outcomes.chunks(2) {
        assert_eq!(pair[0].as_ref().unwrap(), &Inserted::VersionsUsedUp);
        ids.extend(pair[1].as_ref().unwrap().place().map(|(id, _)| id.0));
    }
    ids.sort_unstable();
    assert_eq!(ids, (2..22).collect::<Vec<_>>());
    assert_eq!(versions(store, &key).await, [(LAST, 1, false)]);
}
