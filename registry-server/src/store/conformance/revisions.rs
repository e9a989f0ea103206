//! A decision is written only on what it was made on.

use schema_core::Level;

use super::super::{ConfigRecord, DeleteMode, ImportDemand, Mode, ModePut, Put, Removed, Scope};
use super::*;

/// A change that a decision about a subject must notice.
#[derive(Debug, Clone, Copy)]
enum Change {
    Insert,
    SoftDeleteVersion,
    SoftDeleteSubject,
    DeleteVersion,
    DeleteSubject,
    SubjectConfig,
    ContextConfig,
    GlobalConfig,
    RemoveConfig,
    SubjectMode,
    ContextMode,
    GlobalMode,
    RemoveMode,
    ModesBelow,
    Purge,
}

const CHANGES: [Change; 15] = [
    Change::Insert,
    Change::SoftDeleteVersion,
    Change::SoftDeleteSubject,
    Change::DeleteVersion,
    Change::DeleteSubject,
    Change::SubjectConfig,
    Change::ContextConfig,
    Change::GlobalConfig,
    Change::RemoveConfig,
    Change::SubjectMode,
    Change::ContextMode,
    Change::GlobalMode,
    Change::RemoveMode,
    Change::ModesBelow,
    Change::Purge,
];

async fn make(store: &Arc<dyn Store>, key: &SubjectKey, change: Change) {
    let revision = store.revision(key).await.unwrap();
    let config = ConfigRecord { compatibility: Some(Level::Full), ..ConfigRecord::default() };
    match change {
        Change::Insert => drop(register(store, key, "one more").await),
        Change::SoftDeleteVersion => {
            drop(store.delete_version(key, Version(2), DeleteMode::Soft, revision).await.unwrap());
        }
        Change::SoftDeleteSubject => drop(store.delete_subject(key, DeleteMode::Soft, revision).await.unwrap()),
        Change::DeleteVersion => {
            drop(store.delete_version(key, Version(1), DeleteMode::Permanent, revision).await.unwrap());
        }
        Change::DeleteSubject => drop(store.delete_subject(key, DeleteMode::Permanent, revision).await.unwrap()),
        Change::SubjectConfig => put_config(store, &Scope::Subject(key.clone()), config).await,
        Change::ContextConfig => put_config(store, &Scope::Context(key.context.clone()), config).await,
        Change::GlobalConfig => put_config(store, &Scope::Global, config).await,
        Change::RemoveConfig => put_config(store, &Scope::Subject(key.clone()), None).await,
        Change::SubjectMode => put_mode(store, &Scope::Subject(key.clone()), Some(Mode::ReadOnly)).await,
        Change::ContextMode => put_mode(store, &Scope::Context(key.context.clone()), Some(Mode::ReadOnly)).await,
        Change::GlobalMode => put_mode(store, &Scope::Global, Some(Mode::ReadOnly)).await,
        Change::RemoveMode => put_mode(store, &Scope::Subject(key.clone()), None).await,
        Change::ModesBelow => {
            put_mode(store, &Scope::Subject(key.clone()), Some(Mode::ReadOnly)).await;
            store.delete_modes(&key.context).await.unwrap();
        }
        Change::Purge => {
            drop(store.delete_subject(key, DeleteMode::Soft, revision).await.unwrap());
            let scope = Scope::Subject(key.clone());
            let revision = store.revision(key).await.unwrap();
            let put = store.put_mode(&scope, Some(Mode::Import), revision, ImportDemand::NoLiveSubject).await.unwrap();
            assert_eq!(put, ModePut::Done);
        }
    }
}

async fn put_mode(store: &Arc<dyn Store>, scope: &Scope, mode: Option<Mode>) {
    let revision = store.scope_snapshot(scope).await.unwrap().revision;
    let put = store.put_mode(scope, mode, revision, ImportDemand::Nothing).await.unwrap();
    assert_eq!(put, ModePut::Done);
}

/// The settings of the default context count in the decisions of all contexts.
pub async fn the_default_context_moves_the_revision_of_all(store: &Arc<dyn Store>) {
    let (near, far) = (subject("s"), subject_in(".team", "s"));
    register(store, &near, "one").await;
    register(store, &far, "one").await;
    let before = [store.revision(&near).await.unwrap(), store.revision(&far).await.unwrap()];
    let global_before = store.scope_snapshot(&Scope::Global).await.unwrap().revision;

    put_config(store, &Scope::Context(Arc::from(".")), ConfigRecord::default()).await;

    let after = [store.revision(&near).await.unwrap(), store.revision(&far).await.unwrap()];
    assert_eq!(after[0].context, after[0].default_context);
    for ((key, before), after) in [near, far].iter().zip(before).zip(after) {
        assert_ne!(before, after);
        assert_eq!(after.subject, before.subject);
        assert_eq!(store.subject_snapshot(key).await.unwrap().revision, after);
        let inserted = store.insert_version(new_version(key, "two", before)).await.unwrap();
        assert_eq!(inserted, Inserted::Moved);
    }
    // What is in force for all contexts is decided on the default context, too.
    let put = store.put_config(&Scope::Global, Some(ConfigRecord::default()), global_before).await.unwrap();
    assert_eq!(put, Put::Moved);
}

/// A subject with a soft-deleted version 1 and a live version 2.
async fn prepare(store: &Arc<dyn Store>, change: Change) -> SubjectKey {
    let key = subject(&format!("{change:?}"));
    register(store, &key, "one").await;
    register(store, &key, "two").await;
    let revision = store.revision(&key).await.unwrap();
    store.delete_version(&key, Version(1), DeleteMode::Soft, revision).await.unwrap();
    key
}

pub async fn every_change_moves_the_revision(store: &Arc<dyn Store>) {
    for change in CHANGES {
        let key = prepare(store, change).await;
        let before = store.revision(&key).await.unwrap();

        make(store, &key, change).await;

        let after = store.revision(&key).await.unwrap();
        assert_ne!(after, before, "{change:?}");
        assert_eq!(after, store.subject_snapshot(&key).await.unwrap().revision, "{change:?}");
    }
}

pub async fn a_stale_revision_writes_nothing(store: &Arc<dyn Store>) {
    for change in CHANGES {
        let key = prepare(store, change).await;
        let stale = store.revision(&key).await.unwrap();
        make(store, &key, change).await;
        let before = store.subject_snapshot(&key).await.unwrap();

        let inserted = store.insert_version(new_version(&key, "decided on the past", stale)).await.unwrap();

        let after = store.subject_snapshot(&key).await.unwrap();
        assert_eq!(inserted, Inserted::Moved, "{change:?}");
        assert_eq!((before.revision, before.versions), (after.revision, after.versions), "{change:?}");
    }
}

pub async fn a_change_elsewhere_leaves_the_revision(store: &Arc<dyn Store>) {
    let key = subject("s");
    register(store, &key, "one").await;
    let before = store.revision(&key).await.unwrap();

    register(store, &subject("other"), "two").await;
    register(store, &subject_in(".team", "s"), "two").await;
    put_config(store, &Scope::Subject(subject("other")), ConfigRecord::default()).await;
    put_config(store, &Scope::Context(Arc::from(".team")), ConfigRecord::default()).await;
    store.ping().await.unwrap();

    assert_eq!(store.revision(&key).await.unwrap(), before);
    let inserted = store.insert_version(new_version(&key, "three", before)).await.unwrap();
    assert_eq!(inserted.place(), Some((SchemaId(3), Version(2))));
}

/// Its counters are the same.
pub async fn what_was_decided_on_another_history_has_moved(store: &Arc<dyn Store>) {
    let key = subject("s");
    register(store, &key, "one").await;
    let of_another = |revision: Revision| Revision { history: revision.history + 1, ..revision };
    let before = store.revision(&key).await.unwrap();
    let stale = of_another(before);
    let scope = Scope::Subject(key.clone());

    // By one statement, and step by step.
    for version in [NewNumber::Next, NewNumber::Given(Version(7))] {
        let new = NewVersion { version, ..new_version(&key, "two", stale) };
        assert_eq!(store.insert_version(new).await.unwrap(), Inserted::Moved, "{version:?}");
    }
    assert_eq!(store.delete_version(&key, Version(1), DeleteMode::Soft, stale).await.unwrap(), Removed::Moved);
    assert_eq!(store.delete_subject(&key, DeleteMode::Soft, stale).await.unwrap(), Removed::Moved);
    assert_eq!(store.put_config(&scope, None, stale).await.unwrap(), Put::Moved);
    let mode = store.put_mode(&scope, Some(Mode::ReadOnly), stale, ImportDemand::Nothing).await.unwrap();
    assert_eq!(mode, ModePut::Moved);

    assert_eq!(store.revision(&key).await.unwrap(), before);
    assert_eq!(register(store, &key, "two").await, pair(2, 2));
}

pub async fn a_refused_insert_costs_no_id(store: &Arc<dyn Store>) {
    let key = subject("s");
    register(store, &key, "one").await;

    for _ in 0..5 {
        let inserted = store.insert_version(new_version(&key, "two", Revision::default())).await.unwrap();
        assert_eq!(inserted, Inserted::Moved);
    }

    assert_eq!(register(store, &key, "two").await, pair(2, 2));
    assert_eq!(store.schema(".", SchemaId(3)).await.unwrap(), None);
}

pub async fn revision_and_snapshot_agree(store: &Arc<dyn Store>) {
    let keys = [subject("a"), subject("b"), subject_in(".team", "a"), subject("never written")];
    for (number, key) in keys[..3].iter().enumerate() {
        register(store, key, &format!("text {number}")).await;
        put_config(store, &Scope::Subject(key.clone()), ConfigRecord::default()).await;
        put_config(store, &Scope::Context(key.context.clone()), ConfigRecord::default()).await;
        put_config(store, &Scope::Global, ConfigRecord::default()).await;

        for key in &keys {
            let snapshot = store.subject_snapshot(key).await.unwrap();
            assert_eq!(store.revision(key).await.unwrap(), snapshot.revision, "{key:?}");
        }
    }
}

pub async fn an_append_tells_the_counter_of_its_subject(store: &Arc<dyn Store>) {
    let key = subject("s");
    let insert = async |text: &str, version| {
        let revision = store.revision(&key).await.unwrap();
        let new = NewVersion { version, ..new_version(&key, text, revision) };
        let Inserted::Written { appended, .. } = store.insert_version(new).await.unwrap() else { panic!("{text}") };
        let counter = store.revision(&key).await.unwrap().subject;
        assert!(appended.is_none_or(|appended| appended == counter), "{text}: {appended:?}, {counter}");
        appended.is_some()
    };

    assert!(insert("one", NewNumber::Next).await);
    assert!(insert("three", NewNumber::Given(Version(3))).await);
    assert!(!insert("two", NewNumber::Given(Version(2))).await, "it does not stand behind all others");
    assert!(!insert("other", NewNumber::Given(Version(3))).await, "it replaces one");
    let revision = store.revision(&key).await.unwrap();
    store.delete_version(&key, Version(1), DeleteMode::Soft, revision).await.unwrap();
    assert!(!insert("one", NewNumber::Next).await, "the soft-deleted one goes");
    assert!(insert("one", NewNumber::Next).await);
}
