//! The suite that every backend must pass: what `Store` promises, through the trait alone.
//!
//! A backend implements [`Place`] and adds two lines to its tests: [`conformance!`] and, when it keeps data beyond its
//! own life, [`conformance_reopened!`]; and a third with [`upgrades`], when earlier releases have kept data in it.
//! Those of a backend that needs a service are in the tests of the workspace, which see the suite by the feature
//! `testing`.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "a test fails by panicking and says by its name what it shows"
)]

use std::collections::HashSet;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::ops::Bound;
use std::sync::Arc;

use async_trait::async_trait;
use schema_core::{SchemaId, SchemaType, Version};

use super::{
    ConfigRecord, DedupKey, Deleted, Inserted, NewId, NewNumber, NewVersion, Put, Revision, Scope, Store, SubjectKey,
    VersionEntry,
};

pub mod configs;
pub mod content;
pub mod contexts;
pub mod deletes;
pub mod durability;
pub mod generations;
pub mod imports;
pub mod lists;
pub mod modes;
pub mod names;
pub mod races;
pub mod references;
pub mod revisions;
pub mod upgrades;

/// A fresh place for one database.
#[async_trait]
pub trait Place: Send + Sync {
    async fn new() -> Self;

    /// Opens the database of this place; a second time only after the first store is closed and dropped.
    async fn open(&self) -> Arc<dyn Store>;
}

/// One test per case, for a [`Place`].
#[macro_export]
#[doc(hidden)]
macro_rules! store_conformance {
    ($place:ty) => {
        $crate::store::conformance::conformance! { $place =>
            content: reads_back_what_was_written, keeps_texts_byte_for_byte, gives_one_content_one_id_in_all_subjects,
                gives_each_context_ids_of_its_own, gives_ids_without_gaps, gives_the_old_id_to_an_old_content,
                lists_uses_by_subject_and_version, reads_the_contents_of_a_subjects_versions,
                keeps_metadata_and_rule_sets, knows_nothing_of_what_was_never_written;
            names: sorts_subjects_by_their_bytes, takes_any_name, takes_the_longest_names_and_no_longer;
            revisions: every_change_moves_the_revision, a_change_elsewhere_leaves_the_revision,
                what_was_decided_on_another_history_has_moved,
                a_stale_revision_writes_nothing, a_refused_insert_costs_no_id, revision_and_snapshot_agree,
                an_append_tells_the_counter_of_its_subject,
                the_default_context_moves_the_revision_of_all;
            configs: a_config_reads_back_at_every_scope, a_config_replaces_the_one_before,
                a_config_alone_is_no_subject, an_empty_config_is_a_config, every_setting_of_a_config_reads_back,
                a_config_that_is_removed_is_not_set;
            deletes: a_soft_deleted_version_keeps_its_number, soft_deleted_subjects_are_listed_on_request,
                a_permanent_delete_wants_a_soft_one_first, a_permanent_delete_frees_numbers_but_no_ids,
                a_content_in_use_elsewhere_stays, a_subject_that_is_gone_takes_its_config_along,
                a_delete_without_effect_moves_nothing, a_stale_delete_is_refused,
                a_revision_does_not_come_back_after_a_delete,
                the_last_version_that_is_removed_leaves_the_config, a_content_that_returns_takes_its_older_places;
            references: references_come_back_in_their_order, referrers_are_the_direct_ones_of_all_contexts,
                the_first_version_that_is_referred_to_is_found,
                a_reference_to_what_has_changed_writes_nothing,
                a_known_content_is_taken_though_its_target_is_soft_deleted,
                a_known_content_is_taken_only_for_the_target_that_was_decided_on,
                a_target_that_means_something_else_now_is_another_one,
                a_target_beside_which_others_come_stands, live_referrers_block_a_soft_delete,
                soft_deleted_referrers_block_a_permanent_delete, a_subject_may_go_with_what_refers_to_it_from_inside,
                a_subject_stays_while_what_refers_to_it_is_used_elsewhere,
                a_permanent_delete_is_blocked_by_what_lives_on_inside,
                an_older_version_that_is_referred_to_stays_when_its_content_returns,
                a_delete_and_a_register_that_refers_exclude_each_other;
            imports: an_import_keeps_its_id_and_its_number, a_given_id_alone_gets_the_next_number,
                a_given_id_of_another_content_is_taken, one_content_may_have_two_ids_and_the_last_is_preferred,
                a_registered_content_may_get_a_second_id,
                another_id_is_preferred_when_the_preferred_one_goes, of_several_ids_that_go_at_once_none_is_preferred,
                a_removal_leaves_the_preferred_id_when_it_stays,
                a_taken_number_is_replaced, a_taken_number_that_is_referred_to_stays,
                a_taken_number_is_not_replaced_by_what_refers_to_it,
                numbers_beyond_31_bits_are_refused, behind_the_largest_id_only_given_ones_are_left,
                behind_the_largest_version_only_given_ones_are_left,
                of_numbers_that_are_used_up_those_who_write_together_lose_nothing;
            modes: a_mode_reads_back_at_every_scope, of_what_is_narrower_than_a_scope_only_the_default_context_is_shown,
                a_mode_that_is_removed_is_not_set, a_stale_change_of_settings_is_refused,
                import_wants_no_live_version_in_its_scope, import_takes_soft_deleted_remains_of_its_scope_along,
                import_takes_soft_deleted_remains_of_every_context_along,
                import_takes_remains_along_that_refer_to_each_other,
                import_leaves_remains_that_something_outside_refers_to,
                modes_of_a_context_and_below_are_removed_and_no_others,
                modes_of_a_context_and_below_go_together,
                a_subject_whose_mode_is_removed_from_above_stays_if_it_has_more;
            contexts: a_context_is_listed_from_its_first_version, a_context_with_versions_stays,
                a_deleted_context_keeps_its_settings_and_its_last_id, subjects_and_ids_are_found_across_contexts,
                the_last_id_counts_by_context;
            lists: subjects_are_listed_by_prefix, subjects_are_listed_by_page, versions_are_listed_by_their_state,
                versions_are_listed_with_their_content_and_by_prefix, what_is_in_rule_sets_is_seen_in_a_list,
                aliases_are_listed_as_long_as_they_are_set,
                lists_agree_with_the_versions_after_any_change, a_thousand_subjects_are_listed_whole;
            generations: every_change_of_an_ids_uses_moves_its_generation, what_writes_nothing_moves_no_generation;
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
#[macro_export]
#[doc(hidden)]
macro_rules! store_conformance_reopened {
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

pub use {store_conformance as conformance, store_conformance_reopened as conformance_reopened};

/// More rounds than the loop of a real caller has: the races here are meaner.
const TRIES_MAX: usize = 1_000;

/// A subject of the default context.
pub fn subject(name: &str) -> SubjectKey {
    subject_in(".", name)
}

pub fn subject_in(context: &str, name: &str) -> SubjectKey {
    SubjectKey { context: Arc::from(context), subject: Arc::from(name) }
}

/// Stands in for the real hash: equal for equal texts, else different.
pub fn dedup_key(text: &str) -> DedupKey {
    let mut key = [0; 32];
    for (salt, part) in key.chunks_mut(8).enumerate() {
        let mut hasher = DefaultHasher::new();
        (salt, text).hash(&mut hasher);
        part.copy_from_slice(&hasher.finish().to_be_bytes());
    }
    key
}

pub fn guid(text: &str) -> [u8; 16] {
    let mut guid = [0; 16];
    guid.copy_from_slice(&dedup_key(text)[16..]);
    guid
}

pub fn new_version(subject: &SubjectKey, text: &str, decided_on: Revision) -> NewVersion {
    NewVersion {
        subject: subject.clone(),
        decided_on,
        schema_type: SchemaType::Avro,
        text: Arc::from(text),
        dedup_key: dedup_key(text),
        guid: guid(text),
        references: Arc::default(),
        targets: HashSet::new(),
        metadata: None,
        rule_set: None,
        id: NewId::Next,
        version: NewNumber::Next,
        timestamp_ms: 1_700_000_000_123,
    }
}

/// What the rules do, without rules: look, return a live version of the content, else insert, again while it moved.
pub async fn register(store: &Arc<dyn Store>, subject: &SubjectKey, text: &str) -> (SchemaId, Version) {
    for _ in 0..TRIES_MAX {
        let snapshot = store.subject_snapshot(subject).await.unwrap();
        let same = |entry: &&VersionEntry| !entry.deleted && entry.dedup_key == dedup_key(text);
        if let Some(entry) = snapshot.versions.iter().find(same) {
            return (entry.id, entry.version);
        }
        if let Inserted::Written { id, version, .. } =
            store.insert_version(new_version(subject, text, snapshot.revision)).await.unwrap()
        {
            return (id, version);
        }
    }
    panic!("`{}` moved {TRIES_MAX} times", subject.subject);
}

/// Sets a config, again while it moved.
pub async fn put_config(store: &Arc<dyn Store>, scope: &Scope, config: impl Into<Option<ConfigRecord>>) {
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
pub async fn config_of(store: &Arc<dyn Store>, scope: &Scope) -> Option<ConfigRecord> {
    store.scope_snapshot(scope).await.unwrap().settings.at(scope).config.clone()
}

/// The subjects of a context, read in small pages.
pub async fn subjects(store: &Arc<dyn Store>, context: &str, prefix: &str, deleted: Deleted) -> Vec<Arc<str>> {
    const PAGE: usize = 100;
    let mut names: Vec<Arc<str>> = Vec::new();
    loop {
        let from = names.last().map_or(Bound::Unbounded, |name| Bound::Excluded(&**name));
        let page = store.subjects_page(context, prefix, deleted, from, None, PAGE).await.unwrap();
        let is_last = page.len() < PAGE;
        names.extend(page);
        if is_last {
            return names;
        }
    }
}

/// The versions of a subject as (version, id, deleted).
pub async fn versions(store: &Arc<dyn Store>, subject: &SubjectKey) -> Vec<(u32, u32, bool)> {
    let snapshot = store.subject_snapshot(subject).await.unwrap();
    snapshot.versions.iter().map(|entry| (entry.version.0, entry.id.0, entry.deleted)).collect()
}

pub fn pair(id: u32, version: u32) -> (SchemaId, Version) {
    (SchemaId(id), Version(version))
}
