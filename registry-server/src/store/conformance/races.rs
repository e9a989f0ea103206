//! Many callers at once.

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::pin;
use std::task::Poll;

use schema_core::Level;
use tokio::task::JoinSet;

use super::super::{ConfigRecord, Scope};
use super::*;

const RACERS: u32 = 64;

/// Runs the same work for every number at once and returns what they say.
async fn race<T, F>(count: u32, work: impl Fn(u32) -> F) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let mut tasks = JoinSet::new();
    for number in 0..count {
        tasks.spawn(work(number));
    }
    tasks.join_all().await
}

fn numbers_to(last: u32) -> BTreeSet<u32> {
    (1..=last).collect()
}

pub async fn writes_to_different_subjects_all_land(store: &Arc<dyn Store>) {
    const SUBJECTS: u32 = 300;

    let written = race(SUBJECTS, |number| {
        let store = Arc::clone(store);
        async move {
            let new = new_version(&subject(&format!("s-{number}")), &format!("text {number}"), Revision::default());
            (number, store.insert_version(new).await.unwrap())
        }
    })
    .await;

    let mut ids = BTreeSet::new();
    for (number, inserted) in written {
        let Inserted::Written { id, version, .. } = inserted else { panic!("nobody else writes to subject {number}") };
        ids.insert(id.0);
        assert_eq!(version, Version(1));
        assert_eq!(&*store.schema(".", id).await.unwrap().unwrap().text, format!("text {number}"));
    }
    assert_eq!(ids, numbers_to(SUBJECTS));
}

pub async fn racers_of_one_subject_get_one_version_each(store: &Arc<dyn Store>) {
    let written = race(RACERS, |number| {
        let store = Arc::clone(store);
        async move { register(&store, &subject("s"), &format!("text {number}")).await }
    })
    .await;

    assert_eq!(written.iter().map(|(id, _)| id.0).collect::<BTreeSet<_>>(), numbers_to(RACERS));
    assert_eq!(written.iter().map(|(_, version)| version.0).collect::<BTreeSet<_>>(), numbers_to(RACERS));
    let stored = versions(store, &subject("s")).await;
    assert_eq!(stored.len(), written.len());
    for (id, version) in written {
        assert!(stored.contains(&(version.0, id.0, false)));
    }
}

pub async fn racers_with_one_content_agree(store: &Arc<dyn Store>) {
    let written = race(RACERS, |number| {
        let store = Arc::clone(store);
        async move { register(&store, &subject(&format!("s-{}", number % 4)), "one").await }
    })
    .await;

    assert_eq!(written, vec![pair(1, 1); RACERS as usize]);
    assert_eq!(store.schema_uses(".", SchemaId(1)).await.unwrap().len(), 4);
    assert_eq!(register(store, &subject("next"), "two").await, pair(2, 1));
}

/// Of a register decided before a config change, and the change, either the register came first or it moved.
pub async fn a_config_wins_or_loses_against_a_register_but_never_both(store: &Arc<dyn Store>) {
    for round in 0..30 {
        let key = subject(&format!("s-{round}"));
        let decided_on = store.revision(&key).await.unwrap();
        let config = ConfigRecord { compatibility: Some(Level::Full), ..ConfigRecord::default() };
        let scope = [Scope::Global, Scope::Subject(key.clone())][round % 2].clone();

        let (inserted, ()) = tokio::join!(
            store.insert_version(new_version(&key, &format!("text {round}"), decided_on)),
            put_config(store, &scope, config)
        );

        let count = versions(store, &key).await.len();
        match inserted.unwrap() {
            Inserted::Written { .. } => assert_eq!(count, 1),
            Inserted::Moved => assert_eq!(count, 0),
            other => panic!("nothing was imported: {other:?}"),
        }
        assert_ne!(store.revision(&key).await.unwrap(), decided_on);
    }
}

pub async fn a_caller_that_goes_away_breaks_nothing(store: &Arc<dyn Store>) {
    for round in 0..50 {
        let key = subject(&format!("s-{round}"));
        let mut insert = pin!(store.insert_version(new_version(&key, &format!("text {round}"), Revision::default())));
        // One poll puts the write into the queue; then the caller leaves.
        std::future::poll_fn(|context| {
            let _ = insert.as_mut().poll(context);
            Poll::Ready(())
        })
        .await;
    }

    put_config(store, &Scope::Global, ConfigRecord::default()).await;
    for round in 0..50 {
        let key = subject(&format!("s-{round}"));
        assert!(versions(store, &key).await.len() <= 1);
        let (_, version) = register(store, &key, &format!("text {round}")).await;
        assert_eq!(version, Version(1));
    }
}

pub async fn readers_see_whole_subjects_while_writes_run(store: &Arc<dyn Store>) {
    const VERSIONS: u32 = 60;
    let key = subject("s");
    let writer = {
        let (store, key) = (Arc::clone(store), key.clone());
        tokio::spawn(async move {
            for number in 1..=VERSIONS {
                register(&store, &key, &format!("text {number}")).await;
            }
        })
    };

    let mut seen = 0;
    while seen < VERSIONS as usize {
        assert!(!writer.is_finished() || versions(store, &key).await.len() == VERSIONS as usize);
        let before = store.revision(&key).await.unwrap();
        let snapshot = store.subject_snapshot(&key).await.unwrap();
        let after = store.revision(&key).await.unwrap();

        assert!(before.subject <= snapshot.revision.subject && snapshot.revision.subject <= after.subject);
        assert!(snapshot.versions.len() >= seen, "a version that was there is gone");
        assert!(snapshot.versions.iter().zip(1..).all(|(entry, number)| entry.version == Version(number)));
        seen = snapshot.versions.len();
    }
    writer.await.unwrap();
}
