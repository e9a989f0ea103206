//! `Server`: builds store, rules and the HTTP application, and takes them down in the opposite order.
//!
//! The pools and the task that writes what is queued live on the runtime that calls [`Server::start`]. actix's workers
//! have runtimes of their own, and what finds the writer idle is written there (`store/queue.rs`).

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actix_http::error::DispatchError;
use actix_http::{HttpService, KeepAlive};
use actix_server::ServerHandle;
use actix_service::{IntoServiceFactory, Service as _, ServiceFactoryExt, apply_fn_factory, fn_service, map_config};
use actix_web::App;
use actix_web::dev::AppConfig;
use actix_web::rt::net::TcpStream;
use actix_web::web::{self, Data};
use schema_core::Level;
use schema_core::error_code::ErrorCode;
use tokio::task::JoinHandle;

mod admission;
mod client_stream;
mod open_files;
mod refusal;

use crate::config::{ConfigError, Database, Http, ServerConfig};
use crate::http::{self, BodyLimits, BodyMemory, HeadLimits, State};
use crate::metrics::{Metrics, StoreMetrics};
use crate::registry::{Registry, RegistryConfig, RegistryError};
use crate::routes::{self, PAGES, ROUTES};
use crate::store::metered::Metered;
use crate::store::{self, StoreError};

use admission::{Admission, Place};
use client_stream::{ClientStream, Limits};
use open_files::Places;

/// A client that has its answer may take this long to close.
const DISCONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a server that is to end goes on answering before it closes idle connections: a busy client is told within
/// this time, by its next answer, to use its connection no more, so that no request meets a closed one.
const LAST_ANSWERS: Duration = Duration::from_millis(500);

/// A running registry. Dropping it leaves it running until the process ends; [`Server::stop`] ends it.
#[derive(Debug)]
pub struct Server {
    /// Where it listens; the real port also where the config said 0.
    pub address: SocketAddr,
    /// The global compatibility level in force at the start: that of the config if the database was new.
    pub level: Level,
    handle: ServerHandle,
    task: JoinHandle<std::io::Result<()>>,
    registry: Arc<Registry>,
    is_draining: Arc<AtomicBool>,
    admission: Admission,
}

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The settings do not fit together.
    #[error("the settings cannot be used")]
    Config(#[source] ConfigError),
    /// The database cannot be used.
    #[error("the database `{database}` cannot be used")]
    Store {
        /// Where it lies, without a password.
        database: String,
        /// The cause.
        #[source]
        source: StoreError,
    },
    /// The first reads and writes failed.
    #[error("the registry cannot be prepared")]
    Registry(#[source] RegistryError),
    /// The address is taken or not of this machine.
    #[error("cannot listen on `{address}`")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
}

impl Server {
    /// Opens the store, listens, and serves. When it returns, requests are answered.
    ///
    /// # Errors
    /// Nothing is left running then.
    ///
    /// # Cancel safety
    /// Dropping the future may leave migrations done; nothing serves.
    pub async fn start(config: ServerConfig) -> Result<Self, StartError> {
        config.validate().map_err(StartError::Config)?;
        let of_store = |source| StartError::Store { database: config.database.to_string(), source };
        store::check_address(address_of(&config.database)).map_err(of_store)?;
        // Listening comes before the rest: of two servers started alike the second must not even open the database.
        let listener = listen(config.listen)
            .map_err(|error| StartError::Listen { address: config.listen, source: with_advice(&config, error) })?;
        let address = listener.local_addr().map_err(|source| StartError::Listen { address: config.listen, source })?;
        let store = store::open(address_of(&config.database)).await.map_err(of_store)?;
        let store_metrics = Arc::new(StoreMetrics::new());
        let store = Arc::new(Metered::new(store, Arc::clone(&store_metrics)));
        let registry = Arc::new(Registry::new(store, registry_config(&config)));
        let level = match registry.seed_level(config.compatibility).await {
            Ok(level) => level,
            Err(error) => {
                registry.close().await;
                return Err(StartError::Registry(error));
            }
        };
        let metrics = Metrics::new(
            routes::templates().collect(),
            registry.metrics(),
            &store_metrics,
            storage_name(&config.database),
        );
        let workers = workers(&config.http);
        // What the store keeps open is open by now.
        let places = open_files::make_room(config.limits.connections, workers);
        let connections = places.all.min(config.limits.connections);
        metrics.http.connections.allow(connections);
        let admission = Admission::new(connections, metrics.http.refusals.clone());
        let is_draining = Arc::new(AtomicBool::new(false));
        let state = state(&config, Arc::clone(&registry), metrics, Arc::clone(&is_draining));
        match serve(&config, listener, state, workers, (places, admission.clone())) {
            Ok(server) => {
                let handle = server.handle();
                let task = tokio::spawn(server);
                Ok(Self { address, level, handle, task, registry, is_draining, admission })
            }
            Err(source) => {
                registry.close().await;
                Err(StartError::Listen { address, source })
            }
        }
    }

    /// The base URL for clients.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Ends at once: running requests get no answer. What the store has accepted is still written.
    ///
    /// # Cancel safety
    /// Dropping the future ends the wait; the server ends by itself, and the store is left to the end of the process.
    pub async fn stop_now(self) {
        self.end(false).await;
    }

    /// For half a second goes on as before, but each answer ends its connection, so that busy clients go elsewhere.
    /// Then takes no more connections, finishes running requests within the grace period of the config, and closes the
    /// store.
    ///
    /// # Cancel safety
    /// Dropping the future ends the wait; the server ends by itself, and the store is left to the end of the process.
    pub async fn stop(self) {
        self.end(true).await;
    }

    async fn end(self, graceful: bool) {
        // Each answer from now on says that it ends its connection, so that no client sends another request on it.
        self.is_draining.store(true, Ordering::Relaxed);
        if graceful {
            // actix closes connections that are idle at once; one whose client has just been answered is not.
            tokio::time::sleep(LAST_ANSWERS).await;
        }
        // A place that an idle connection leaves now is worth nothing.
        self.admission.close();
        self.handle.stop(graceful).await;
        if let Ok(Err(error)) = self.task.await {
            tracing::warn!(%error, "the HTTP server ended with an error");
        }
        self.registry.close().await;
    }
}

fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// The error with what to try behind it, if its reason is one of the usual ones.
fn with_advice(config: &ServerConfig, error: std::io::Error) -> std::io::Error {
    let (ip, port) = (config.listen.ip(), config.listen.port());
    let advice = match error.kind() {
        ErrorKind::AddrInUse => format!(
            "another program, perhaps another registry, has this port: end that, or listen on another one \
             (`--listen {}` takes one that is free, and prints it){}",
            SocketAddr::new(ip, 0),
            of_a_second_server(&config.database)
        ),
        ErrorKind::AddrNotAvailable => format!(
            "{ip} is no address of this machine; `--listen 127.0.0.1:{port}` takes one that only this machine reaches, \
             `--listen 0.0.0.0:{port} --insecure-public` all that it has"
        ),
        ErrorKind::PermissionDenied => {
            "ports below 1024 are the system's; `--listen 127.0.0.1:8081` takes another".to_owned()
        }
        _ => return error,
    };
    std::io::Error::new(error.kind(), format!("{error}; {advice}"))
}

/// What a server beside another one needs besides a port.
fn of_a_second_server(database: &Database) -> &'static str {
    match database {
        Database::Url(url) if url.starts_with("sqlite:") => {
            "; a second registry needs a file of its own, too (`--database sqlite://PATH`): a SQLite file has one server"
        }
        _ => "",
    }
}

fn address_of(database: &Database) -> &str {
    match database {
        Database::Url(url) => url,
        Database::Ephemeral => store::IN_MEMORY,
    }
}

/// The backend, as metrics name it.
fn storage_name(database: &Database) -> &str {
    match database {
        Database::Url(url) => url.split(':').next().unwrap_or_default(),
        Database::Ephemeral => "memory",
    }
}

fn registry_config(config: &ServerConfig) -> RegistryConfig {
    RegistryConfig {
        limits: config.schema_limits(),
        references: config.limits.references,
        reference_depth: config.limits.reference_depth,
        versions_compared: config.limits.versions_compared,
        comparison_steps: config.limits.comparison_steps,
        mode_mutability: config.mode.mutability,
        cache_bytes: config.cache.bytes,
    }
}

fn state(config: &ServerConfig, registry: Arc<Registry>, metrics: Metrics, is_draining: Arc<AtomicBool>) -> State {
    State {
        routes: ROUTES,
        pages: PAGES,
        metrics,
        registry,
        head: HeadLimits {
            url_bytes: config.limits.url_bytes,
            header_bytes: config.limits.header_bytes,
            header_count: config.limits.header_count,
        },
        body: BodyLimits {
            bytes: config.limits.body_bytes,
            nesting: config.limits.json_nesting,
            timeout: config.http.body_timeout,
        },
        body_memory: Arc::new(BodyMemory::new(config.limits.bodies_bytes, config.limits.body_bytes)),
        page_items: config.limits.page_items,
        request_timeout: config.http.request_timeout,
        incompatible_code: ErrorCode::from_number(config.incompatible_code).unwrap_or(ErrorCode::IncompatibleSchema),
        is_draining,
    }
}

fn workers(http: &Http) -> usize {
    match http.workers {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        workers => workers,
    }
}

/// Nobody times the head of a later request by itself, so that this takes what all its parts may take together. Where
/// connections are not kept, actix closes them.
fn stream_limits(timeouts: &Http) -> Limits {
    let request =
        timeouts.header_timeout.saturating_add(timeouts.body_timeout).saturating_add(timeouts.request_timeout);
    let idle = if timeouts.keep_alive_timeout.is_zero() { request } else { timeouts.keep_alive_timeout };
    Limits { write: timeouts.write_timeout, head: timeouts.header_timeout, idle, request }
}

/// A connection as the HTTP library takes it, with the client's address.
type Accepted = (ClientStream<TcpStream>, Option<SocketAddr>);

/// actix-web's own server takes plain sockets alone, so the parts that it is made of are put together here: those that
/// limit how slowly requests come and answers are read come between.
fn serve(
    config: &ServerConfig,
    listener: TcpListener,
    state: State,
    workers: usize,
    (places, admission): (Places, Admission),
) -> std::io::Result<actix_server::Server> {
    let state = Arc::new(state);
    let timeouts = config.http.clone();
    let server = actix_server::Server::build();
    let shutdown = server.graceful_shutdown_signal();
    let connections = move || {
        // Each worker counts who uses its own.
        let data = Data::new(Arc::clone(&state));
        let app = App::new().app_data(data).default_service(web::to(http::serve));
        let shutdown = shutdown.clone();
        let http = HttpService::build()
            // Idle connections are closed when the server is to end.
            .graceful_shutdown_signal(move || {
                let shutdown = shutdown.clone();
                async move { shutdown.notified().await }
            })
            // How long, the stream knows.
            .keep_alive(if timeouts.keep_alive_timeout.is_zero() { KeepAlive::Disabled } else { KeepAlive::Os })
            // So does it the head of the first request.
            .client_request_timeout(Duration::ZERO)
            .client_disconnect_timeout(DISCONNECT_TIMEOUT)
            .h1(map_config(app.into_factory(), |()| AppConfig::default()));
        let (limits, refusals) = (stream_limits(&timeouts), state.metrics.http.refusals.clone());
        let admission = admission.clone();
        let accept = fn_service(move |stream: TcpStream| {
            let (admission, refusals) = (admission.clone(), refusals.clone());
            async move {
                let peer = stream.peer_addr().ok();
                // Nobody hears of this error: the client has been told.
                let (stream, place) = admission.admit(stream).await.ok_or(DispatchError::DisconnectTimeout)?;
                Ok(((ClientStream::accepted(stream, limits, refusals), peer), place))
            }
        });
        let counts = state.metrics.http.connections.clone();
        let counted = apply_fn_factory(http, move |(accepted, place): (Accepted, Place), http: &_| {
            let (connection, served) = (counts.opened(), http.call(accepted));
            async move {
                let _held = (connection, place);
                served.await
            }
        });
        accept.and_then(counted)
    };
    let server = server
        .workers(workers)
        .max_concurrent_connections(places.each.saturating_add(admission::WAITING_MAX.div_ceil(workers)))
        .shutdown_timeout(config.shutdown.grace.as_millis().div_ceil(1000).try_into().unwrap_or(u64::MAX))
        .disable_signals()
        .listen("registry", listener, connections)?;
    Ok(server.run())
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn refused(listen: SocketAddr, database: Database) -> String {
        let config = ServerConfig { listen, database, insecure_public: true, ..ServerConfig::ephemeral() };
        match Server::start(config).await.unwrap_err() {
            StartError::Listen { source, .. } => source.to_string(),
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn an_address_that_cannot_be_had_is_told_with_another() {
        let owner = TcpListener::bind("127.0.0.1:0").unwrap();
        let taken = owner.local_addr().unwrap();

        let told = refused(taken, Database::Ephemeral).await;
        assert!(told.contains("has this port") && told.contains("`--listen 127.0.0.1:0` takes one"), "{told}");
        assert!(!told.contains("--database"), "{told}");
        // Of a network that is for documentation alone, RFC 5737.
        let told = refused(SocketAddr::from(([192, 0, 2, 1], 8081)), Database::Ephemeral).await;
        assert!(told.contains("192.0.2.1 is no address of this machine; `--listen 127.0.0.1:8081`"), "{told}");
    }

    #[tokio::test]
    async fn a_second_server_on_sqlite_is_told_of_a_file_of_its_own() {
        let owner = TcpListener::bind("127.0.0.1:0").unwrap();
        let taken = owner.local_addr().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let file = Database::Url(format!("sqlite://{}", folder.path().join("registry.db").display()));

        let told = refused(taken, file).await;
        assert!(told.contains("a file of its own, too (`--database sqlite://PATH`)"), "{told}");
        let told = refused(taken, Database::Url("postgres://sr@127.0.0.1:1/registry".to_owned())).await;
        assert!(!told.contains("--database"), "{told}");
    }
}
