//! Which versions of a subject have which metadata properties. Remembered for a subject's revision, so that neither the
//! group of a version nor a version with some properties is looked for in every content again.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, LazyLock};

use futures_util::{StreamExt, TryStreamExt, stream};
use schema_core::Version;
use schema_core::wire::Metadata;

use crate::metrics::CacheName;

use super::cache::CachedSubject;
use super::{Registry, RegistryError, weight};

/// Contents that are read at once while an index is made.
const AT_ONCE: usize = 8;

/// Secret, so that nobody can make two properties that look the same here.
static HASHER: LazyLock<RandomState> = LazyLock::new(RandomState::new);

/// The properties of a subject's versions, soft-deleted ones included, as hashes: 16 bytes for each property, however
/// long it is.
#[derive(Debug, Clone, Default)]
pub(super) struct PropertyIndex {
    /// Of the versions that have metadata. Sorted.
    hashes: HashMap<Version, Arc<[u64]>>,
    /// Whether a version was gone before its content was read.
    lacks_versions: bool,
}

impl PropertyIndex {
    fn insert(&mut self, version: Version, metadata: Option<&Metadata>) {
        let Some(metadata) = metadata else { return };
        let both = metadata.properties.iter().flat_map(|(name, value)| [name_hash(name), property_hash(name, value)]);
        let mut hashes: Vec<u64> = both.collect();
        hashes.sort_unstable();
        self.hashes.insert(version, hashes.into());
    }

    /// Whether a version has this value of a property, or neither has one.
    pub(super) fn is_in_group(&self, version: Version, property: &str, wanted: Option<&Metadata>) -> bool {
        let own = self.hashes.get(&version).map_or(&[][..], |hashes| hashes);
        match wanted.and_then(|metadata| metadata.properties.get(property)) {
            Some(value) => own.binary_search(&property_hash(property, value)).is_ok(),
            None => own.binary_search(&name_hash(property)).is_err(),
        }
    }

    /// Whether a version has metadata with all these properties.
    pub(super) fn has_all(&self, version: Version, properties: &[(String, String)]) -> bool {
        self.hashes.get(&version).is_some_and(|own| {
            properties.iter().all(|(name, value)| own.binary_search(&property_hash(name, value)).is_ok())
        })
    }

    /// What it takes.
    pub(super) fn bytes(&self) -> usize {
        let lists = self.hashes.values().map(weight::numbers);
        weight::shared::<Self>() + weight::table::<(Version, Arc<[u64]>)>(self.hashes.len()) + lists.sum::<usize>()
    }
}

fn name_hash(name: &str) -> u64 {
    HASHER.hash_one((name, None::<&str>))
}

fn property_hash(name: &str, value: &str) -> u64 {
    HASHER.hash_one((name, Some(value)))
}

impl Registry {
    /// The properties of a subject's versions. Reads every content once, until something of the subject changes that is
    /// not a register.
    pub(super) async fn properties(&self, current: &CachedSubject) -> Result<Arc<PropertyIndex>, RegistryError> {
        let key = (current.subject.key.clone(), current.snapshot.revision);
        let known = self.caches.properties.get(&key).await;
        let known = self.metrics.looked_up(CacheName::Properties, known);
        let load = async {
            let versions = stream::iter(&current.snapshot.versions);
            let contents = versions.map(async |entry| {
                let content = self.content_of(&current.subject.key, entry).await?;
                Ok::<_, RegistryError>((entry.version, content))
            });
            let mut index = PropertyIndex::default();
            let mut contents = contents.buffered(AT_ONCE);
            while let Some((version, content)) = contents.try_next().await? {
                match content {
                    Some(content) => index.insert(version, content.schema.metadata.as_deref()),
                    None => index.lacks_versions = true,
                }
            }
            Ok(Arc::new(index))
        };
        let index = match known {
            Some(known) => known,
            None => {
                let loaded = self.caches.properties.get_or_load(&key, load).await;
                loaded.map_err(|error: Arc<RegistryError>| RegistryError::from(error))?.into_value()
            }
        };
        if index.lacks_versions {
            current.note_doubt();
        }
        Ok(index)
    }

    /// Takes note of a version that was appended, where the versions before it are known.
    pub(super) async fn note_properties(
        &self,
        before: &CachedSubject,
        after: &CachedSubject,
        version: Version,
        metadata: Option<&Metadata>,
    ) {
        let key = (before.subject.key.clone(), before.snapshot.revision);
        let Some(known) = self.caches.properties.remove(&key).await else { return };
        let mut index = PropertyIndex::clone(&known);
        index.insert(version, metadata);
        let key = (after.subject.key.clone(), after.snapshot.revision);
        self.caches.properties.insert(key, Arc::new(index)).await;
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn versions_are_found_by_their_properties() {
        let metadata = |json| serde_json::from_value::<Metadata>(json).unwrap();
        let one = metadata(json!({"properties": {"major": "1", "owner": "a"}}));
        let two = metadata(json!({"properties": {"major": "2"}}));
        let none = metadata(json!({"tags": {"x": ["y"]}}));
        let mut index = PropertyIndex::default();
        for (number, metadata) in [(1, Some(&one)), (2, Some(&two)), (3, Some(&none)), (4, None)] {
            index.insert(Version(number), metadata);
        }
        let group = |wanted| -> Vec<u32> {
            (1..=4).filter(|&number| index.is_in_group(Version(number), "major", wanted)).collect()
        };
        let with = |properties: &[(&str, &str)]| -> Vec<u32> {
            let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
            let properties: Vec<_> = properties.iter().map(owned).collect();
            (1..=4).filter(|&number| index.has_all(Version(number), &properties)).collect()
        };

        assert_eq!(group(Some(&one)), [1]);
        assert_eq!(group(Some(&two)), [2]);
        assert_eq!((group(Some(&none)), group(None)), (vec![3, 4], vec![3, 4]));
        assert_eq!(with(&[]), [1, 2, 3]);
        assert_eq!(with(&[("major", "1")]), [1]);
        assert_eq!(with(&[("major", "1"), ("owner", "a")]), [1]);
        assert_eq!(with(&[("major", "2"), ("owner", "a")]), [] as [u32; 0]);
        assert_eq!(with(&[("owner", "major")]), [] as [u32; 0]);
    }
}
