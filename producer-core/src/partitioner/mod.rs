//! Which partition a record goes to.
//!
//! A partition given with the record wins. Else a key is hashed as Java does ([`murmur2`]), and records
//! without a key stick to one partition per batch (KIP-794). A [`Partitioner`] replaces both.

mod murmur2;
mod sticky;

use std::fmt;

pub use self::murmur2::{murmur2, murmur2_partition};
pub(crate) use self::sticky::{BatchEdge, Sticky};

/// Chooses partitions in place of the default rules.
///
/// Called from `send`, possibly from many tasks at once; it must not block.
pub trait Partitioner: fmt::Debug + Send + Sync + 'static {
    /// The partition, from 0, for a record of `topic` with these serialised parts.
    ///
    /// An answer outside `0..partition_count` fails the send.
    fn partition(&self, topic: &str, key: Option<&[u8]>, value: Option<&[u8]>, partition_count: i32) -> i32;
}
