//! Structured logs on standard error: text for people, JSON for machines.

use std::io::IsTerminal;
use std::os::fd::AsFd;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::writer::BoxMakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt, registry};

use self::lines::Lines;
use crate::config::{Log, LogFormat};

mod lines;

/// How long the process waits for its last lines to be taken: a pipe that somebody reads takes them in milliseconds.
const LAST_LINES_PATIENCE: Duration = Duration::from_secs(2);

/// Lines are on their way to standard error as long as this lives; its end waits for them, two seconds at most.
#[derive(Debug)]
#[must_use = "lines that are on their way when it is dropped are the last"]
pub struct Logging {
    /// `None` where each line is written at once.
    lines: Option<Lines>,
}

impl Logging {
    /// Waits until all lines so far are written, two seconds at most.
    pub fn flush(&self) {
        if let Some(lines) = &self.lines {
            lines.wait_written(LAST_LINES_PATIENCE);
        }
    }
}

impl Drop for Logging {
    fn drop(&mut self) {
        if let Some(lines) = &self.lines {
            lines.end(LAST_LINES_PATIENCE);
        }
    }
}

/// Starts logging for the process. A second call changes nothing.
pub fn start(log: &Log) -> Logging {
    let filter = filter(&log.level);
    let is_terminal = std::io::stderr().is_terminal();
    let as_text = match log.format {
        LogFormat::Auto => is_terminal,
        LogFormat::Text => true,
        LogFormat::Json => false,
    };
    // A system that has no thread to give is told of by those lines that still can be written.
    let lines = Lines::start(std::io::stderr(), is_ready, tell_lost).ok();
    let writer = match lines.clone() {
        Some(lines) => BoxMakeWriter::new(move || lines.clone()),
        None => BoxMakeWriter::new(std::io::stderr),
    };
    let layer = if as_text {
        fmt::layer().with_writer(writer).with_ansi(is_terminal).with_target(false).boxed()
    } else {
        fmt::layer().json().flatten_event(true).with_writer(writer).boxed()
    };
    // A filter of all layers, not of this one: whoever asks whether an event would be logged, as sqlx does, and then
    // logs none, makes a layer's own filter swallow the thread's next event.
    // Only a subscriber that is there already makes this fail, and then it stays.
    let _ = registry().with(filter).with(layer).try_init();
    Logging { lines }
}

/// Whether standard error takes a line without a wait.
fn is_ready() -> bool {
    let stderr = std::io::stderr();
    let mut asked = [PollFd::new(stderr.as_fd(), PollFlags::POLLOUT)];
    poll(&mut asked, PollTimeout::ZERO).is_ok_and(|ready| ready > 0)
}

fn tell_lost(lost: u64) {
    tracing::warn!(lost, "{lost} lines of the log are lost: standard error was not read, or could not be written to");
}

/// The filter that was set. What the libraries below say at `info` is of use to nobody who runs a registry, and to
/// actix's dispatcher a client that hangs up, or speaks no HTTP, is an error.
fn filter(level: &str) -> Targets {
    let filter = level.parse::<Targets>().unwrap_or_else(|_| Targets::new().with_default(tracing::Level::INFO));
    if filter.default_level() == Some(LevelFilter::INFO) && filter.iter().next().is_none() {
        return filter.with_targets([
            ("actix_server", LevelFilter::WARN),
            ("actix_http::h1::dispatcher", LevelFilter::OFF),
            ("sqlx", LevelFilter::WARN),
        ]);
    }
    filter
}
