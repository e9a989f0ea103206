//! Structured logs on standard error: text for people, JSON for machines.

use std::io::IsTerminal;

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt, registry};

use crate::config::{Log, LogFormat};

/// Starts logging for the process. A second call changes nothing.
pub fn start(log: &Log) {
    let filter = filter(&log.level);
    let is_terminal = std::io::stderr().is_terminal();
    let as_text = match log.format {
        LogFormat::Auto => is_terminal,
        LogFormat::Text => true,
        LogFormat::Json => false,
    };
    let layer = if as_text {
        fmt::layer().with_writer(std::io::stderr).with_ansi(is_terminal).with_target(false).boxed()
    } else {
        fmt::layer().json().flatten_event(true).with_writer(std::io::stderr).boxed()
    };
    // A filter of all layers, not of this one: whoever asks whether an event would be logged, as sqlx does, and then
    // logs none, makes a layer's own filter swallow the thread's next event.
    // Only a subscriber that is there already makes this fail, and then it stays.
    let _ = registry().with(filter).with(layer).try_init();
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
