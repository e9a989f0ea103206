//! Contexts: which are listed, what they have, and how they go.

use super::super::{ContextRemoved, DeleteMode, Deleted};
use super::deletes::delete_subject;
use super::*;

async fn listed(store: &Arc<dyn Store>, prefix: &str) -> Vec<String> {
    store.contexts(prefix).await.unwrap().iter().map(|name| name.to_string()).collect()
}

pub async fn a_context_is_listed_from_its_first_version(store: &Arc<dyn Store>) {
    put_config(store, &Scope::Context(Arc::from(".config")), ConfigRecord::default()).await;
    put_config(store, &Scope::Subject(subject_in(".subject", "s")), ConfigRecord::default()).await;
    assert_eq!(listed(store, "").await, Vec::<String>::new());

    for context in [".b", ".a-b", ".a", ".", ".\u{1f600}", ".\u{e000}"] {
        register(store, &subject_in(context, "s"), "one").await;
    }

    assert_eq!(listed(store, "").await, [".", ".a", ".a-b", ".b", ".\u{1f600}", ".\u{e000}"]);
    assert_eq!(listed(store, ".a").await, [".a", ".a-b"]);
    assert_eq!(listed(store, ".c").await, Vec::<String>::new());
}

pub async fn a_context_with_versions_stays(store: &Arc<dyn Store>) {
    let key = subject_in(".team", "s");
    register(store, &key, "one").await;
    assert_eq!(store.delete_context(".team").await.unwrap(), ContextRemoved::NotEmpty);
    delete_subject(store, &key, DeleteMode::Soft).await;
    assert_eq!(store.delete_context(".team").await.unwrap(), ContextRemoved::NotEmpty);
    assert_eq!(listed(store, "").await, [".team"]);
}

pub async fn a_deleted_context_keeps_its_settings_and_its_last_id(store: &Arc<dyn Store>) {
    let (key, scope) = (subject_in(".team", "s"), Scope::Context(Arc::from(".team")));
    register(store, &key, "one").await;
    put_config(store, &scope, ConfigRecord { normalize: Some(true), ..ConfigRecord::default() }).await;
    delete_subject(store, &key, DeleteMode::Soft).await;
    delete_subject(store, &key, DeleteMode::Permanent).await;
    assert_eq!(listed(store, "").await, [".team"], "until it is deleted");

    assert_eq!(store.delete_context(".team").await.unwrap(), ContextRemoved::Done);
    assert_eq!(store.delete_context(".team").await.unwrap(), ContextRemoved::Done, "again");
    assert_eq!(store.delete_context(".unknown").await.unwrap(), ContextRemoved::Done);

    assert_eq!(listed(store, "").await, Vec::<String>::new());
    assert_eq!(config_of(store, &scope).await.unwrap().normalize, Some(true));
    assert_eq!(store.last_id(".team").await.unwrap(), Some(SchemaId(1)));
    assert_eq!(register(store, &key, "one").await, pair(2, 1));
    assert_eq!(listed(store, "").await, [".team"]);
}

pub async fn subjects_and_ids_are_found_across_contexts(store: &Arc<dyn Store>) {
    for context in [".b", ".", ".a"] {
        register(store, &subject_in(context, "s"), "one").await;
    }
    register(store, &subject_in(".b", "t"), "two").await;
    put_config(store, &Scope::Subject(subject_in(".c", "s")), ConfigRecord::default()).await;
    delete_subject(store, &subject_in(".a", "s"), DeleteMode::Soft).await;
    let names = |names: Vec<Arc<str>>| names.iter().map(|name| name.to_string()).collect::<Vec<_>>();

    assert_eq!(names(store.contexts_of_subject("s").await.unwrap()), [".", ".a", ".b"]);
    assert_eq!(names(store.contexts_of_subject("t").await.unwrap()), [".b"]);
    assert_eq!(names(store.contexts_of_subject("u").await.unwrap()), Vec::<String>::new());
    assert_eq!(names(store.contexts_of_id(SchemaId(1)).await.unwrap()), [".", ".a", ".b"]);
    assert_eq!(names(store.contexts_of_id(SchemaId(2)).await.unwrap()), [".b"]);
    assert_eq!(names(store.contexts_of_id(SchemaId(3)).await.unwrap()), Vec::<String>::new());
    let ids = store.ids_by_guid(guid("one")).await.unwrap();
    assert_eq!(ids, [".", ".a", ".b"].map(|context| (Arc::from(context), SchemaId(1))));
    assert_eq!(store.ids_by_guid(guid("never written")).await.unwrap(), []);

    delete_subject(store, &subject_in(".a", "s"), DeleteMode::Permanent).await;

    assert_eq!(names(store.contexts_of_subject("s").await.unwrap()), [".", ".b"]);
    assert_eq!(store.ids_by_guid(guid("one")).await.unwrap().len(), 2);
}

pub async fn the_last_id_counts_by_context(store: &Arc<dyn Store>) {
    assert_eq!(store.last_id(".").await.unwrap(), None);
    put_config(store, &Scope::Context(Arc::from(".")), ConfigRecord::default()).await;
    assert_eq!(store.last_id(".").await.unwrap(), None, "settings give no id");

    register(store, &subject("s"), "one").await;
    register(store, &subject("s"), "two").await;
    register(store, &subject_in(".team", "s"), "one").await;
    delete_subject(store, &subject("s"), DeleteMode::Soft).await;
    delete_subject(store, &subject("s"), DeleteMode::Permanent).await;

    assert_eq!(store.last_id(".").await.unwrap(), Some(SchemaId(2)));
    assert_eq!(store.last_id(".team").await.unwrap(), Some(SchemaId(1)));
    assert_eq!(subjects(store, ".", "", Deleted::Include).await, Vec::<Arc<str>>::new());
}
