//! A fake broker for tests and demos: real sockets, the real protocol, faults on request.
//!
//! [`FakeBroker`] keeps batches in memory and checks them as Apache Kafka does, so that any Kafka client
//! can produce to it and read back with assigned partitions. It has no groups, no transactions and no
//! replication. [`NullBroker`] answers every produce request and keeps nothing, for benchmarks.
//!
//! It shares no code with the producer: what the producer writes is read by other eyes. One file per API
//! (`produce.rs`, `metadata.rs`, ...); `server.rs` owns connections, `cluster.rs` the state, `script.rs` the faults,
//! `pipes.rs` what takes the place of sockets for tests that stop the clock.
//!
//! ```
//! use producer_core::testing::{Api, Fault, FaultAction, FakeBroker, FakeBrokerConfig};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let broker = FakeBroker::start(FakeBrokerConfig::default()).await?;
//! broker.create_topic("flights", 3)?;
//! // The next two produce requests for partition 0 are told that the leader has moved.
//! const NOT_LEADER_OR_FOLLOWER: i16 = 6;
//! let moved = Fault::new(Api::Produce, FaultAction::Error(NOT_LEADER_OR_FOLLOWER));
//! broker.inject(moved.partition("flights", 0).times(2));
//! println!("{}", broker.bootstrap_servers());
//! broker.stop().await;
//! # Ok(())
//! # }
//! ```

mod api;
mod api_versions;
mod arrivals;
mod cluster;
mod counts;
mod create_topics;
mod fake_broker;
mod fetch;
mod init_producer_id;
mod list_offsets;
mod log;
mod metadata;
mod null_broker;
mod pipes;
mod produce;
mod script;
mod sequences;
mod server;
mod wire;

pub use api::Api;
pub use arrivals::ArrivedRequest;
pub use fake_broker::{FakeBroker, FakeBrokerConfig, FakeBrokerError, StoredBatch};
pub use null_broker::{NullBroker, NullBrokerConfig};
pub use script::{Fault, FaultAction};

pub use crate::stored_batch::StoredRecord;
