//! The suite that every backend must pass: what `Store` promises, through the trait alone.
//!
//! A backend implements [`Place`] and adds two lines to its tests: [`conformance!`] and, when it keeps data beyond its
//! own life, [`conformance_reopened!`].

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use async_trait::async_trait;
use schema_core::{SchemaId, SchemaType, Version};

use super::{
    ConfigRecord, DedupKey, Inserted, NewId, NewNumber, NewVersion, Put, Revision, Scope, Store, SubjectKey,
    VersionEntry,
};

pub(super) mod configs;
pub(super) mod content;
pub(super) mod deletes;
pub(super) mod durability;
pub(super) mod names;
pub(super) mod races;
pub(super) mod revisions;

/// A fresh place for one database.
#[async_trait]
pub(super) trait Place: Send + Sync {
    async fn new() -> Self;

    /// Opens the database of this place; a second time only after the first store is closed and dropped.
    async fn open(&self) -> Arc<dyn Store>;
}

/// One test per case, for a [`Place`].
macro_rules! conformance {
    ($place:ty) => {
        $crate::store::conformance::conformance! { $place =>
            content: reads_back_what_was_written, keeps_texts_byte_for_byte, gives_one_content_one_id_in_all_subjects,
                gives_each_context_ids_of_its_own, gives_ids_without_gaps, gives_the_old_id_to_an_old_content,
                lists_uses_by_subject_and_version, knows_nothing_of_what_was_never_written;
            names: sorts_subjects_by_utf16, takes_any_name, takes_the_longest_names_and_no_longer;
            revisions: every_change_moves_the_revision, a_change_elsewhere_leaves_the_revision,
                a_stale_revision_writes_nothing, a_refused_insert_costs_no_id, revision_and_snapshot_agree;
            configs: a_config_reads_back_at_every_scope, a_config_replaces_the_one_before,
                a_config_alone_is_no_subject, an_empty_config_is_a_config;
            deletes: a_soft_deleted_version_keeps_its_number, soft_deleted_subjects_are_listed_on_request,
                a_permanent_delete_wants_a_soft_one_first, a_permanent_delete_frees_numbers_but_no_ids,
                a_content_in_use_elsewhere_stays, a_subject_that_is_gone_takes_its_config_along,
                a_delete_without_effect_moves_nothing, a_stale_delete_is_refused,
                a_revision_does_not_come_back_after_a_delete;
            races: writes_to_different_subjects_all_land, racers_of_one_subject_get_one_version_each,
                racers_with_one_content_agree, a_config_wins_or_loses_against_a_register_but_never_both,
                a_caller_that_goes_away_breaks_nothing, readers_see_whole_subjects_while_writes_run;
            durability: ping_succeeds, a_closed_store_refuses_writes;
        }
    };
    ($place:ty => $($module:ident: $($case:ident),+;)+) => {
        $( mod $module { use super::*; $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                let place = <$place as $crate::store::conformance::Place>::new().await;
                let store = $crate::store::conformance::Place::open(&place).await;
                $crate::store::conformance::$module::$case(&store).await;
                store.close().await;
            }
        )+ } )+
    };
}

/// One test per case of reopening a [`Place`].
macro_rules! conformance_reopened {
    ($place:ty) => {
        $crate::store::conformance::conformance_reopened! { $place =>
            reopening_keeps_everything, ids_are_not_given_again_after_reopening, close_writes_what_was_accepted,
        }
    };
    ($place:ty => $($case:ident,)+) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                let place = <$place as $crate::store::conformance::Place>::new().await;
                $crate::store::conformance::durability::$case(&place).await;
            }
        )+
    };
}

pub(super) use {conformance, conformance_reopened};

/// More rounds than the loop of a real caller has: the races here are meaner.
const TRIES_MAX: usize = 1_000;

/// A subject of the default context.
pub(super) fn subject(name: &str) -> SubjectKey {
    subject_in(".", name)
}

pub(super) fn subject_in(context: &str, name: &str) -> SubjectKey {
    SubjectKey { context: Arc::from(context), subject: Arc::from(name) }
}

/// Stands in for the real hash: equal for equal texts, else different.
pub(super) fn dedup_key(text: &str) -> DedupKey {
    let mut key = [0; 32];
    for (salt, part) in key.chunks_mut(8).enumerate() {
        let mut hasher = DefaultHasher::new();
        (salt, text).hash(&mut hasher);
        part.copy_from_slice(&hasher.finish().to_be_bytes());
    }
    key
}

pub(super) fn guid(text: &str) -> [u8; 16] {
    let mut guid = [0; 16];
    guid.copy_from_slice(&dedup_key(text)[16..]);
    guid
}

pub(super) fn new_version(subject: &SubjectKey, text: &str, decided_on: Revision) -> NewVersion {
    NewVersion {
        subject: subject.clone(),
        decided_on,
        schema_type: SchemaType::Avro,
        text: Arc::from(text),
        dedup_key: dedup_key(text),
        guid: guid(text),
        references: Vec::new(),
        metadata: None,
        rule_set: None,
        id: NewId::Next,
        version: NewNumber::Next,
        timestamp_ms: 1_700_000_000_123,
    }
}

/// What the rules do, without rules: look, return a live version of the content, else insert, again while it moved.
pub(super) async fn register(store: &Arc<dyn Store>, subject: &SubjectKey, text: &str) -> (SchemaId, Version) {
    for _ in 0..TRIES_MAX {
        let snapshot = store.subject_snapshot(subject).await.unwrap();
        let same = |entry: &&VersionEntry| !entry.deleted && entry.dedup_key == dedup_key(text);
        if let Some(entry) = snapshot.versions.iter().find(same) {
            return (entry.id, entry.version);
        }
        if let Inserted::Written { id, version } =
            store.insert_version(new_version(subject, text, snapshot.revision)).await.unwrap()
        {
            return (id, version);
        }
    }
    panic!("`{}` moved {TRIES_MAX} times", subject.subject);
}

/// Sets a config, again while it moved.
pub(super) async fn put_config(store: &Arc<dyn Store>, scope: &Scope, config: impl Into<Option<ConfigRecord>>) {
    let config = config.into();
    for _ in 0..TRIES_MAX {
        let revision = store.scope_snapshot(scope).await.unwrap().revision;
        if store.put_config(scope, config.clone(), revision).await.unwrap() == Put::Done {
            return;
        }
    }
    panic!("{scope:?} moved {TRIES_MAX} times");
}

/// The config of a scope itself.
pub(super) async fn config_of(store: &Arc<dyn Store>, scope: &Scope) -> Option<ConfigRecord> {
    store.scope_snapshot(scope).await.unwrap().settings.at(scope).config.clone()
}

/// The versions of a subject as (version, id, deleted).
pub(super) async fn versions(store: &Arc<dyn Store>, subject: &SubjectKey) -> Vec<(u32, u32, bool)> {
    let snapshot = store.subject_snapshot(subject).await.unwrap();
    snapshot.versions.iter().map(|entry| (entry.version.0, entry.id.0, entry.deleted)).collect()
}

pub(super) fn pair(id: u32, version: u32) -> (SchemaId, Version) {
    (SchemaId(id), Version(version))
}
