//! The fake broker, judged by a client made of kafka-protocol.

mod apis;
mod batches;
mod faults;
mod hostile;
mod nodes;
mod sequences;
