//! What outlives a store.

use schema_core::Level;
use tokio::task::JoinSet;

use super::super::{ConfigRecord, DeleteMode, Deleted, Scope, StoreErrorKind};
use super::*;

pub async fn ping_succeeds(store: &Arc<dyn Store>) {
    store.ping().await.unwrap();
    register(store, &subject("s"), "one").await;
    store.ping().await.unwrap();
}

pub async fn a_closed_store_refuses_writes(store: &Arc<dyn Store>) {
    register(store, &subject("s"), "one").await;

    store.close().await;

    let error = store.put_config(&Scope::Global, None, Revision::default()).await.unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Unavailable);
    let error = store.ping().await.unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Unavailable);
    store.close().await;
}

pub async fn reopening_keeps_everything(place: &impl Place) {
    let (a, b) = (subject("a"), subject_in(".team", "b"));
    let config = ConfigRecord {
        compatibility: Some(Level::ForwardTransitive),
        normalize: Some(true),
        ..ConfigRecord::default()
    };
    let store = place.open().await;
    register(&store, &a, "one").await;
    register(&store, &a, "two").await;
    register(&store, &b, "one").await;
    put_config(&store, &Scope::Subject(a.clone()), config.clone()).await;
    put_config(&store, &Scope::Context(b.context.clone()), config.clone()).await;
    put_config(&store, &Scope::Global, config).await;
    let revision = store.revision(&a).await.unwrap();
    store.delete_version(&a, Version(2), DeleteMode::Soft, revision).await.unwrap();
    let before = [store.subject_snapshot(&a).await.unwrap(), store.subject_snapshot(&b).await.unwrap()];
    store.close().await;
    drop(store);

    let store = place.open().await;

    for (key, before) in [&a, &b].into_iter().zip(before) {
        let after = store.subject_snapshot(key).await.unwrap();
        assert_eq!(after.revision, before.revision);
        assert_eq!(store.revision(key).await.unwrap(), before.revision);
        assert_eq!(after.versions, before.versions);
        assert_eq!(after.settings, before.settings);
    }
    assert_eq!(&*store.schema(".", SchemaId(2)).await.unwrap().unwrap().text, "two");
    assert_eq!(subjects(&store, ".", "", Deleted::Hide).await, [Arc::from("a")]);
    assert_eq!(register(&store, &a, "three").await, pair(3, 3));
    assert_eq!(register(&store, &b, "two").await, pair(2, 2));
    store.close().await;
}

pub async fn ids_are_not_given_again_after_reopening(place: &impl Place) {
    let key = subject("s");
    let store = place.open().await;
    for number in 1..=5 {
        register(&store, &key, &format!("text {number}")).await;
    }
    for mode in [DeleteMode::Soft, DeleteMode::Permanent] {
        let revision = store.revision(&key).await.unwrap();
        store.delete_subject(&key, mode, revision).await.unwrap();
    }
    store.close().await;
    drop(store);

    let store = place.open().await;

    assert_eq!(register(&store, &key, "text 1").await, pair(6, 1));
    store.close().await;
}

pub async fn close_writes_what_was_accepted(place: &impl Place) {
    let store = place.open().await;
    let mut tasks = JoinSet::new();
    for number in 0..100 {
        let store = Arc::clone(&store);
        tasks.spawn(async move {
            let key = subject(&format!("s-{number}"));
            let inserted =
                store.insert_version(new_version(&key, &format!("text {number}"), Revision::default())).await;
            (key, inserted)
        });
    }
    tokio::task::yield_now().await;
    store.close().await;
    let outcomes = tasks.join_all().await;
    drop(store);

    let store = place.open().await;

    for (key, outcome) in outcomes {
        match outcome {
            Ok(Inserted::Written { id, version, .. }) => {
                assert_eq!(versions(&store, &key).await, [(version.0, id.0, false)]);
            }
            Ok(other) => panic!("nobody else writes to `{}`: {other:?}", key.subject),
            Err(error) => {
                assert_eq!(error.kind, StoreErrorKind::Unavailable);
                assert_eq!(versions(&store, &key).await, []);
            }
        }
    }
    store.close().await;
}
