//! Ids of nodes as the protocol has them.

/// Stands for no node: a partition without a leader, in answers of brokers and inside.
pub(crate) const NO_NODE: i32 = -1;
