//! The SQLite store on a file, with every commit synced to disk: inserting versions and reading a subject.
//!
//! `cargo bench -p registry-server --bench store`. The file lies in the folder that `TMPDIR` names: on a file system in
//! memory the syncs cost nothing and the numbers mean little.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use registry_server::store::{Inserted, NewId, NewNumber, NewVersion, Revision, SqliteStore, Store, SubjectKey};
use schema_core::SchemaType;
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// Makes every inserted content new.
static NEXT: AtomicU64 = AtomicU64::new(1);

fn open(runtime: &Runtime) -> (Arc<dyn Store>, TempDir) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("registry.db");
    let store = runtime.block_on(SqliteStore::open_file(&path)).expect("a fresh database");
    (Arc::new(store), folder)
}

/// A version of about 1 KiB that the context has not seen.
fn fresh_version(subject: SubjectKey, decided_on: Revision) -> NewVersion {
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let mut dedup_key = [0; 32];
    dedup_key[..8].copy_from_slice(&number.to_be_bytes());
    NewVersion {
        subject,
        decided_on,
        schema_type: SchemaType::Avro,
        text: Arc::from(format!("{{\"number\":{number},\"doc\":\"{}\"}}", "x".repeat(1_000))),
        dedup_key,
        guid: [7; 16],
        references: Arc::default(),
        targets: HashSet::new(),
        metadata: None,
        rule_set: None,
        id: NewId::Next,
        version: NewNumber::Next,
        timestamp_ms: 0,
    }
}

/// One write into a subject of its own.
async fn insert(store: &dyn Store) {
    let subject = format!("subject-{}", NEXT.fetch_add(1, Ordering::Relaxed));
    let key = SubjectKey { context: Arc::from("."), subject: Arc::from(subject) };
    let inserted = store.insert_version(fresh_version(key, Revision::default())).await.expect("a write");
    assert!(matches!(inserted, Inserted::Written { .. }));
}

async fn insert_by(store: &Arc<dyn Store>, callers: u64, writes: u64) -> Duration {
    let start = Instant::now();
    let tasks: Vec<_> = (0..callers)
        .map(|caller| {
            let store = Arc::clone(store);
            let share = writes / callers + u64::from(caller < writes % callers);
            tokio::spawn(async move {
                for _ in 0..share {
                    insert(&*store).await;
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("a caller");
    }
    start.elapsed()
}

fn inserts(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let mut group = criterion.benchmark_group("insert_version");
    group.throughput(Throughput::Elements(1)).sample_size(20);
    for callers in [1, 32] {
        let (store, _folder) = open(&runtime);
        group.bench_function(format!("{callers} callers"), |bencher| {
            bencher.to_async(&runtime).iter_custom(|writes| {
                let store = Arc::clone(&store);
                async move { insert_by(&store, callers, writes).await }
            });
        });
        runtime.block_on(store.close());
    }
    group.finish();
}

fn snapshot(criterion: &mut Criterion) {
    const VERSIONS: usize = 10;
    let runtime = Runtime::new().expect("a runtime");
    let (store, _folder) = open(&runtime);
    let key = SubjectKey { context: Arc::from("."), subject: Arc::from("flights-value") };
    runtime.block_on(async {
        for _ in 0..VERSIONS {
            let revision = store.revision(&key).await.expect("a revision");
            store.insert_version(fresh_version(key.clone(), revision)).await.expect("a write");
        }
    });

    criterion.bench_function("subject_snapshot of 10 versions", |bencher| {
        bencher.to_async(&runtime).iter(|| async {
            let snapshot = store.subject_snapshot(&key).await.expect("a read");
            assert_eq!(snapshot.versions.len(), VERSIONS);
        });
    });
    criterion.bench_function("revision", |bencher| {
        bencher.to_async(&runtime).iter(|| async { store.revision(&key).await.expect("a revision") });
    });
    runtime.block_on(store.close());
}

criterion_group!(benches, inserts, snapshot);
criterion_main!(benches);
