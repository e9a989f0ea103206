//! `sr perf`: measures the producer on a cluster.

mod avro_values;
mod histogram;
mod pace;
mod payloads;
mod produce;
mod report;
mod stats;
mod usage;

use clap::{Args, Subcommand};

use crate::advice::Asked;

/// Flags of `sr perf`.
#[derive(Debug, Args)]
pub(crate) struct PerfArgs {
    #[command(subcommand)]
    command: PerfCommand,
}

#[derive(Debug, Subcommand)]
enum PerfCommand {
    /// Sends records as fast as wanted and prints throughput and latency, as kafka-producer-perf-test does.
    Produce(produce::PerfProduceArgs),
}

impl PerfArgs {
    /// What advice repeats.
    pub(crate) fn asked(&self) -> Asked {
        let PerfCommand::Produce(args) = &self.command;
        args.asked()
    }
}

pub(crate) async fn run(args: PerfArgs) -> anyhow::Result<()> {
    match args.command {
        PerfCommand::Produce(args) => produce::run(args).await,
    }
}
