//! The generation of an id moves with every change of its uses but the first, before the change is answered.

use super::super::{DeleteMode, Generation, ImportDemand, Mode};
use super::deletes::delete_version;
use super::*;

/// Fails unless the generation of id 1 moved since the last look.
struct Watch(Generation);

impl Watch {
    fn moved(&mut self, store: &Arc<dyn Store>, what: &str) {
        let now = store.uses_generation(".", SchemaId(1));
        assert_ne!(now, self.0, "{what}");
        self.0 = now;
    }
}

pub async fn every_change_of_an_ids_uses_moves_its_generation(store: &Arc<dyn Store>) {
    let (s, t) = (subject("s"), subject("t"));
    register(store, &s, "one").await;
    let mut watch = Watch(store.uses_generation(".", SchemaId(1)));

    register(store, &t, "one").await;
    watch.moved(store, "another use");
    delete_version(store, &t, 1, DeleteMode::Soft).await;
    watch.moved(store, "a soft delete");
    register(store, &t, "one").await;
    watch.moved(store, "a use that replaces a soft-deleted one");
    delete_version(store, &t, 2, DeleteMode::Soft).await;
    watch.moved(store, "a soft delete");
    delete_version(store, &t, 2, DeleteMode::Permanent).await;
    watch.moved(store, "a permanent delete");

    let revision = store.revision(&s).await.unwrap();
    let new = NewVersion { version: NewNumber::Given(Version(1)), ..new_version(&s, "two", revision) };
    store.insert_version(new).await.unwrap();
    watch.moved(store, "an import over its version");
    let revision = store.revision(&s).await.unwrap();
    let new = NewVersion { id: NewId::Given(SchemaId(1)), ..new_version(&s, "three", revision) };
    store.insert_version(new).await.unwrap();
    watch.moved(store, "an import of its id");
    let revision = store.revision(&s).await.unwrap();
    store.delete_subject(&s, DeleteMode::Soft, revision).await.unwrap();
    watch.moved(store, "a soft delete of the subject");
    let scope = Scope::Subject(s.clone());
    let revision = store.revision(&s).await.unwrap();
    store.put_mode(&scope, Some(Mode::Import), revision, ImportDemand::NoLiveSubject).await.unwrap();
    watch.moved(store, "a change of mode that removes what was soft-deleted");
    assert_eq!(store.schema_uses(".", SchemaId(1)).await.unwrap(), []);
}

pub async fn what_writes_nothing_moves_no_generation(store: &Arc<dyn Store>) {
    let key = subject("s");
    register(store, &key, "one").await;
    let before = store.uses_generation(".", SchemaId(1));

    store.insert_version(new_version(&key, "one", Revision::default())).await.unwrap();
    delete_version(store, &key, 2, DeleteMode::Soft).await;
    delete_version(store, &key, 1, DeleteMode::Permanent).await;
    put_config(store, &Scope::Subject(key), ConfigRecord::default()).await;

    assert_eq!(store.uses_generation(".", SchemaId(1)), before);
}
