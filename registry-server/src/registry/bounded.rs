//! A cache that is bounded by bytes, also by those of what was put in just now.

use std::future::Future;
use std::hash::Hash;
use std::sync::Arc;

use moka::Entry;
use moka::future::Cache;
use moka::policy::EvictionPolicy;

use super::weight::shared;

/// What an entry costs beside key and value: its places in the cache's table and in its order.
const ENTRY_BYTES: usize = 256;

/// So many entries wait as a rule until moka weighs them (`WRITE_LOG_FLUSH_POINT`, which it keeps to itself).
const WAITING_MAX: u64 = 64;

/// A cache, with what its entries take.
///
/// moka weighs entries some time after they were put in, and until then the cache has them all. That is much where they
/// are large, so one is weighed at once if as many as may wait would be a quarter of the cache.
///
/// What was used last stays. By how often it was asked for (moka's other policy), a large entry would have to outdo
/// all the small ones in its place together, and what is put in before anybody asks for it would never stay in a full
/// cache.
pub(super) struct Bounded<K, V> {
    cache: Cache<K, V>,
    bytes: fn(&K, &V) -> usize,
    /// What is weighed at once.
    heavy: u64,
}

impl<K, V> Bounded<K, V>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// A cache that takes about `capacity`; `bytes` says what a key and a value take, without themselves.
    pub(super) fn new(capacity: u64, bytes: fn(&K, &V) -> usize) -> Self {
        let weigher = move |key: &K, value: &V| weight::<K>(bytes(key, value));
        let cache =
            Cache::builder().max_capacity(capacity).weigher(weigher).eviction_policy(EvictionPolicy::lru()).build();
        Self { cache, bytes, heavy: capacity / (4 * WAITING_MAX) }
    }

    pub(super) fn get(&self, key: &K) -> impl Future<Output = Option<V>> {
        self.cache.get(key)
    }

    pub(super) fn contains_key(&self, key: &K) -> bool {
        self.cache.contains_key(key)
    }

    pub(super) async fn insert(&self, key: K, value: V) {
        let is_heavy = self.is_heavy(&key, &value);
        self.cache.insert(key, value).await;
        self.settle(is_heavy).await;
    }

    /// The value of a key, which is put in unless there is one. Who was faster wins.
    pub(super) async fn get_or_insert(&self, key: K, value: V) -> V {
        let entry = self.cache.entry(key).or_insert(value).await;
        self.settle_entry(&entry).await;
        entry.into_value()
    }

    /// The value of a key, loaded if there is none; many who want one wait for one load.
    pub(super) async fn get_or_load<E: Send + Sync + 'static>(
        &self,
        key: &K,
        load: impl Future<Output = Result<V, E>>,
    ) -> Result<Entry<K, V>, Arc<E>> {
        let entry = self.cache.entry_by_ref(key).or_try_insert_with(load).await?;
        self.settle_entry(&entry).await;
        Ok(entry)
    }

    pub(super) fn invalidate(&self, key: &K) -> impl Future<Output = ()> {
        self.cache.invalidate(key)
    }

    pub(super) fn remove(&self, key: &K) -> impl Future<Output = Option<V>> {
        self.cache.remove(key)
    }

    pub(super) fn entry_count(&self) -> u64 {
        self.cache.entry_count()
    }

    /// What its entries weigh now.
    #[cfg(test)]
    pub(super) async fn weight(&self) -> u64 {
        self.cache.run_pending_tasks().await;
        self.cache.weighted_size()
    }

    async fn settle_entry(&self, entry: &Entry<K, V>) {
        self.settle(entry.is_fresh() && self.is_heavy(entry.key(), entry.value())).await;
    }

    fn is_heavy(&self, key: &K, value: &V) -> bool {
        u64::from(weight::<K>((self.bytes)(key, value))) >= self.heavy
    }

    async fn settle(&self, is_heavy: bool) {
        if is_heavy {
            // On the heap: most entries are light.
            Box::pin(self.cache.run_pending_tasks()).await;
        }
    }
}

fn weight<K>(bytes: usize) -> u32 {
    u32::try_from(ENTRY_BYTES + shared::<K>() + bytes).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEBIBYTE: usize = 1 << 20;

    #[tokio::test]
    async fn of_large_values_no_more_is_kept_than_may_be_before_any_is_weighed() {
        let held = Arc::new(());
        let cache: Bounded<usize, (Arc<()>, usize)> = Bounded::new(MEBIBYTE as u64, |_, (_, bytes)| *bytes);
        for key in 0..20 {
            cache.insert(key, (Arc::clone(&held), 2 * MEBIBYTE)).await;
            cache.get_or_insert(100 + key, (Arc::clone(&held), 2 * MEBIBYTE)).await;
            let load = async { Ok::<_, ()>((Arc::clone(&held), 2 * MEBIBYTE)) };
            cache.get_or_load(&(200 + key), load).await.unwrap();
        }
        assert_eq!(cache.cache.iter().count(), 0, "each is larger than the cache");

        for key in 0..20 {
            cache.insert(key, (Arc::clone(&held), MEBIBYTE / 4)).await;
        }
        assert!(cache.cache.iter().count() <= 3);
        for key in 0..20 {
            cache.get_or_insert(100 + key, (Arc::clone(&held), MEBIBYTE / 4)).await;
            assert!(cache.cache.iter().count() <= 3);
        }
    }

    #[tokio::test]
    async fn what_comes_into_a_full_cache_stays_whether_it_is_large_or_nobody_has_asked_for_it() {
        const SMALL: usize = 1 << 10;
        let cache: Bounded<usize, usize> = Bounded::new(MEBIBYTE as u64, |_, bytes| *bytes);
        for key in 0..2 * MEBIBYTE / SMALL {
            cache.get_or_load(&key, async { Ok::<_, ()>(SMALL) }).await.unwrap();
            assert_eq!(cache.get(&key).await, Some(SMALL));
        }
        for (key, bytes) in [(MEBIBYTE, MEBIBYTE / 8), (MEBIBYTE + 1, SMALL)] {
            cache.insert(key, bytes).await;
            cache.weight().await;
            assert_eq!(cache.get(&key).await, Some(bytes));
        }
        assert!(cache.weight().await <= MEBIBYTE as u64);
    }
}
