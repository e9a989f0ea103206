//! The binary: reads settings, starts logging, starts the server, waits for a signal, drains.

use std::io::Write as _;
use std::process::ExitCode;

use mimalloc::MiMalloc;
use registry_server::config::{Database, Flags, LoadError, Loaded};
use registry_server::logging::{self, Logging};
use registry_server::server::StartError;
use registry_server::{Server, ServerConfig};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Schemas come and go in the caches in many small pieces of all sizes, for which the system's allocator is slow to
/// find room.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    let flags = Flags::read();
    let environment =
        std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let Loaded { config, warnings, database_origin, compatibility_origin } =
        match ServerConfig::load(&flags, environment) {
            Ok(loaded) => loaded,
            Err(LoadError { problems, log, .. }) => {
                let _logging = logging::start(&log);
                problems.iter().for_each(|problem| tell(problem));
                return ExitCode::from(2);
            }
        };
    // Each way out waits for the last lines.
    let logging = logging::start(&config.log);
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    // Requests run on actix's threads. What is left is the store's: one thread does it, and a second would be woken for
    // nothing with each write.
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&anyhow::Error::new(error).context("no threads to run on"), None),
    };
    match runtime.block_on(run(config, compatibility_origin.as_deref(), &logging)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error, database_origin.as_deref()),
    }
}

/// `database_origin` is what names the database, if anything does.
fn fail(error: &anyhow::Error, database_origin: Option<&str>) -> ExitCode {
    let mut told = in_full(error);
    if let (Some(StartError::Store { .. }), Some(origin)) = (error.downcast_ref(), database_origin) {
        told = format!("{told} (the URL of the database comes from {origin})");
    }
    tell(&told);
    ExitCode::FAILURE
}

/// Says why there is no start where logs go, even if nothing is logged.
fn tell(told: &str) {
    if tracing::enabled!(tracing::Level::ERROR) {
        tracing::error!("registry-server cannot start: {told}");
    } else {
        eprintln!("registry-server cannot start: {told}");
    }
}

/// The message and its causes, without those that the one before has told already, as errors of sqlx do.
fn in_full(error: &anyhow::Error) -> String {
    let mut told = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !told.ends_with(&cause) {
            told = format!("{told}: {cause}");
        }
    }
    told
}

/// `compatibility_origin` is what names the compatibility level, if anything does.
async fn run(config: ServerConfig, compatibility_origin: Option<&str>, logging: &Logging) -> anyhow::Result<()> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let (storage, data) = location(&config.database);
    let (grace, wanted) = (config.shutdown.grace, config.compatibility);
    if config.insecure_public && !config.listen.ip().is_loopback() {
        tracing::warn!("anybody who reaches {} can read and write: there is no authentication", config.listen);
    }

    // A start may wait for its database.
    let server = tokio::select! {
        server = Server::start(config) => server?,
        name = told_to_stop(&mut terminate, &mut interrupt) => {
            tracing::info!("{name}: the start is given up");
            return Ok(());
        }
    };
    if let Some(origin) = compatibility_origin.filter(|_| server.level != wanted) {
        let (wanted, level) = (wanted.as_str(), server.level.as_str());
        tracing::warn!("{origin} ({wanted}) is for a new database, and this one has {level}: PUT /config changes it");
    }
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"), address = %server.address, storage, data,
        "registry-server is up"
    );
    // Who has read the line finds the log of the start.
    logging.flush();
    announce(server.url());

    let name = told_to_stop(&mut terminate, &mut interrupt).await;
    tracing::info!("{name}: finishing running requests, at most {} s", grace.as_secs());
    server.stop().await;
    tracing::info!("registry-server is down");
    Ok(())
}

/// Says where the server listens, on a line of its own, for whoever starts it on port 0. The log has it, too, so that a
/// server goes on whose standard output is full or closed; and one that nobody reads holds up this thread alone.
fn announce(url: String) {
    let print = move || {
        let mut out = std::io::stdout();
        if let Err(error) = writeln!(out, "listening on {url}").and_then(|()| out.flush()) {
            tracing::warn!("standard output does not take the line `listening on {url}`: {error}");
        }
    };
    if let Err(error) = std::thread::Builder::new().name("announce".to_owned()).spawn(print) {
        tracing::warn!(%error, "no thread to print the address");
    }
}

/// Waits for one of the signals; its name.
async fn told_to_stop(terminate: &mut Signal, interrupt: &mut Signal) -> &'static str {
    tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    }
}

/// What keeps the data, and where.
fn location(database: &Database) -> (&'static str, String) {
    match database {
        Database::Ephemeral => ("memory", "nowhere: it is gone when the process ends".to_owned()),
        Database::Url(url) if url.starts_with("postgres") => ("postgres", database.to_string()),
        Database::Url(url) => {
            let path = url.strip_prefix("sqlite://").unwrap_or(url);
            ("sqlite", std::path::absolute(path).map_or_else(|_| path.to_owned(), |path| path.display().to_string()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_told_once() {
        let error = anyhow::anyhow!("refused").context("cannot connect: refused").context("no store");

        assert_eq!(in_full(&error), "no store: cannot connect: refused");
    }
}
