//! What only SQLite has: files, ownership, the writer's groups.

use std::sync::Arc;

use schema_core::{SchemaId, SchemaType, Version};

use super::super::{Deleted, Inserted, NewVersion, SubjectKey};
use super::*;

#[tokio::test]
async fn smoke() {
    let folder = tempfile::tempdir().unwrap();
    for memory in [false, true] {
        let store = if memory {
            SqliteStore::open_in_memory().await.unwrap()
        } else {
            SqliteStore::open_file(&folder.path().join("a.db")).await.unwrap()
        };
        let subject = SubjectKey { context: Arc::from("."), subject: Arc::from("s") };
        let snapshot = store.subject_snapshot(&subject).await.unwrap();
        let new = NewVersion {
            subject: subject.clone(),
            decided_on: snapshot.revision,
            schema_type: SchemaType::Avro,
            text: Arc::from("\"int\""),
            dedup_key: [1; 32],
            guid: [2; 16],
            timestamp_ms: 1,
        };
        let first = store.insert_version(new.clone()).await.unwrap();
        assert_eq!(first, Inserted::Written { id: SchemaId(1), version: Version(1) });
        assert_eq!(store.insert_version(new).await.unwrap(), Inserted::Moved);
        let snapshot = store.subject_snapshot(&subject).await.unwrap();
        assert_eq!(snapshot.versions.len(), 1);
        assert_eq!(store.revision(&subject).await.unwrap(), snapshot.revision);
        assert_eq!(store.subjects(".", Deleted::Hide).await.unwrap().len(), 1);
        store.ping().await.unwrap();
        store.close().await;
    }
}
