//! `sr`: everything a person does with the registry and the producer from a shell.
//!
//! Parses the command line and hands over to one file per command.

// Both panic where nobody reads: `output` has what does not.
#![warn(clippy::print_stderr, clippy::print_stdout)]

use std::io::IsTerminal as _;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod advice;
mod consume;
mod demo;
mod interrupt;
mod number;
mod output;
mod perf;
mod produce;
mod registry;
mod shell;
mod topic;
mod value_schema;

use advice::Advised;
use interrupt::Interrupted;
use output::ReaderGone;

/// Schemas and records from the shell.
#[derive(Debug, Parser)]
#[command(name = "sr", version, about, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Shows a whole stream in one go: registry, producer, broker, schema evolution, reader.
    Demo(demo::DemoArgs),
    /// Sends JSON lines from standard input as Avro records.
    Produce(produce::ProduceArgs),
    /// Measures the producer on a cluster.
    Perf(perf::PerfArgs),
    /// Prints a topic's records as JSON lines, decoded through the registry.
    Consume(consume::ConsumeArgs),
}

fn main() -> ExitCode {
    init_logs();
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            output::tell(&format!("error: no threads to run on: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let outcome = runtime.block_on(run(Cli::parse().command));
    // A thread may be waiting for a line of standard input, which nobody wants any more.
    runtime.shutdown_background();
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.is::<ReaderGone>() => ExitCode::SUCCESS,
        Err(error) => {
            output::tell(&report(&error));
            error.downcast_ref().map_or(ExitCode::FAILURE, Interrupted::exit_code)
        }
    }
}

/// The error, its causes and what to try, a line each.
fn report(error: &anyhow::Error) -> String {
    let advised: Option<&Advised> = error.downcast_ref();
    let causes = error.chain().skip(1);
    let causes = causes.map(|cause| if advised.is_some() { advice::beside_advice(cause) } else { cause.to_string() });
    let causes = causes.map(|cause| format!("  because: {cause}"));
    let advice = advised.map_or(&[][..], |advised| &advised.advice);
    let advice = advice.iter().map(|advice| format!("  try: {advice}"));
    let lines: Vec<String> = std::iter::once(format!("error: {error}")).chain(causes).chain(advice).collect();
    lines.join("\n")
}

async fn run(command: Command) -> anyhow::Result<()> {
    let (asked, done) = match command {
        Command::Demo(args) => (args.asked(), demo::run(args).await),
        Command::Produce(args) => (args.asked(), produce::run(args).await),
        Command::Perf(args) => (args.asked(), perf::run(args).await),
        Command::Consume(args) => (args.asked(), consume::run(args).await),
    };
    match done {
        Ok(()) => Ok(()),
        Err(error) => Err(asked.advise(error).await),
    }
}

/// What is logged without `RUST_LOG`. To actix's dispatcher a client that hangs up, or speaks no HTTP, is an error; to
/// who runs the demo it is nothing.
const LOGGED: &str = "warn,actix_http::h1::dispatcher=off";

/// Warnings and errors of the libraries go to standard error; `RUST_LOG` shows more.
fn init_logs() {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(LOGGED));
    let is_terminal = std::io::stderr().is_terminal();
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(is_terminal)
        .without_time()
        .init();
}
