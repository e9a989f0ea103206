//! The server's settings: small structs with working defaults, and the one table that names each.
//!
//! Sources, later ones win: defaults, TOML file, environment, flags. All of them go through the
//! table [`settings::SETTINGS`], so a setting has one name, one parser and one error text. This is the only
//! place that reads the environment; everything below gets values.

use std::net::SocketAddr;
use std::time::Duration;

use schema_core::Level;

mod database;
mod environment;
mod file;
mod flags;
mod reference;
mod settings;
#[cfg(test)]
mod tests;

pub use database::Database;
pub use flags::Flags;
pub use reference::reference;

/// Everything that can be set. `Default` gives a server for one person on one machine.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ServerConfig {
    /// `listen`: where to accept connections; port 0 takes a free one. Default 127.0.0.1:8081.
    pub listen: SocketAddr,
    /// `database`: where schemas are kept. Default `sqlite://schema-registry.db`, in the working folder.
    pub database: Database,
    /// `compatibility`: seeds the global level at the first start, nothing later. Default BACKWARD.
    pub compatibility: Level,
    /// `incompatible_code`: `error_code` of a refused register: 40901 (default), or 409 as before Confluent 8.
    pub incompatible_code: u32,
    /// `insecure_public`: allows an address other than loopback without authentication. Default false.
    pub insecure_public: bool,
    /// `mode.*`
    pub mode: Mode,
    /// `limits.*`
    pub limits: Limits,
    /// `http.*`
    pub http: Http,
    /// `cache.*`
    pub cache: Cache,
    /// `log.*`
    pub log: Log,
    /// `shutdown.*`
    pub shutdown: Shutdown,
}

/// What clients may do with modes.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Mode {
    /// `mode.mutability`: whether modes can be set and deleted, as Confluent names it. Default true.
    pub mutability: bool,
}

/// Bounds on what clients send. All are on by default.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Limits {
    /// `limits.body_bytes`: bytes of a request body, after decompression. Default 1 MiB.
    pub body_bytes: usize,
    /// `limits.url_bytes`: bytes of path and query together. Default 8 KiB.
    pub url_bytes: usize,
    /// `limits.header_bytes`: bytes of all names and values of headers together. Default 8 KiB.
    pub header_bytes: usize,
    /// `limits.schema_nesting`: how deep types may nest. Default 64.
    pub schema_nesting: usize,
    /// `limits.schema_fields`: fields of one schema, all records together. Default 10,000.
    pub schema_fields: usize,
    /// `limits.union_branches`: branches of one union. Default 500.
    pub union_branches: usize,
    /// `limits.references`: references of one schema, those of references included. Default 100.
    pub references: usize,
    /// `limits.reference_depth`: how deep references may lead. Default 20.
    pub reference_depth: usize,
    /// `limits.expanded_bytes`: bytes of a schema's text, those of its references included. Default 4 MiB.
    pub expanded_bytes: usize,
    /// `limits.versions_compared`: versions that a transitive check looks at. Default 1,000.
    pub versions_compared: usize,
    /// `limits.page_items`: schemas in one answer of `GET /schemas`. Default 1,000.
    pub page_items: usize,
    /// `limits.connections`: open connections. Default 10,000.
    pub connections: usize,
}

/// Deadlines of the HTTP side.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Http {
    /// `http.header_timeout_ms`: from the opening of a connection to the end of the head of its first request.
    /// Default 10 s.
    pub header_timeout: Duration,
    /// `http.body_timeout_ms`: from the end of the head to the end of the body. Default 30 s.
    pub body_timeout: Duration,
    /// `http.request_timeout_ms`: from the end of the body to the answer, else 503. Default 30 s.
    pub request_timeout: Duration,
    /// `http.write_timeout_ms`: within this a client has to take 16 KiB of an answer that waits for it. Default 30 s.
    pub write_timeout: Duration,
    /// `http.keep_alive_timeout_ms`: how long an idle connection is kept. Default 15 s.
    pub keep_alive_timeout: Duration,
    /// Threads that serve; 0 (default) takes one per core. For servers inside another process; no setting has it.
    pub workers: usize,
}

/// The caches' budget.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Cache {
    /// `cache.bytes`: memory of all caches together, about. Default 64 MiB. 0 switches caching off.
    pub bytes: u64,
}

/// What is logged, and how.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Log {
    /// `log.level`: `error`, `warn`, `info` (default), `debug`, `trace`, or a filter such as `info,registry_server=debug`.
    pub level: String,
    /// `log.format`. Default: text on a terminal, else JSON.
    pub format: LogFormat,
}

/// How a log line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// `auto`: text on a terminal, else JSON.
    Auto,
    /// `text`
    Text,
    /// `json`
    Json,
}

/// How the server goes down.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Shutdown {
    /// `shutdown.grace_ms`: how long running requests may take after SIGTERM. Default 30 s.
    pub grace: Duration,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8081)),
            database: Database::Url("sqlite://schema-registry.db".to_owned()),
            compatibility: Level::Backward,
            incompatible_code: 40901,
            insecure_public: false,
            mode: Mode { mutability: true },
            limits: Limits::default(),
            http: Http::default(),
            cache: Cache { bytes: 64 << 20 },
            log: Log { level: "info".to_owned(), format: LogFormat::Auto },
            shutdown: Shutdown { grace: Duration::from_secs(30) },
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        let schema = schema_core::format::Limits::default();
        Self {
            body_bytes: 1 << 20,
            url_bytes: 8 << 10,
            header_bytes: 8 << 10,
            schema_nesting: schema.schema_nesting,
            schema_fields: schema.schema_fields,
            union_branches: schema.union_branches,
            references: 100,
            reference_depth: 20,
            expanded_bytes: schema.expanded_bytes,
            versions_compared: 1000,
            page_items: 1000,
            connections: 10_000,
        }
    }
}

impl Default for Http {
    fn default() -> Self {
        Self {
            header_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(30),
            request_timeout: Duration::from_secs(30),
            write_timeout: Duration::from_secs(30),
            keep_alive_timeout: Duration::from_secs(15),
            workers: 0,
        }
    }
}

/// Settings that were read, and what a person should be told about them.
#[derive(Debug)]
pub struct Loaded {
    /// The settings.
    pub config: ServerConfig,
    /// Warnings, each a whole sentence; logged once logging is up.
    pub warnings: Vec<String>,
}

/// Everything that is wrong with the settings, found in one go.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{}", problems.join("\n"))]
pub struct ConfigError {
    /// One problem each, naming the setting and the repair.
    pub problems: Vec<String>,
}

impl ServerConfig {
    /// A registry in memory on a free port of this machine, for tests and demonstrations.
    #[must_use]
    pub fn ephemeral() -> Self {
        Self { listen: SocketAddr::from(([127, 0, 0, 1], 0)), database: Database::Ephemeral, ..Self::default() }
    }

    /// Reads file, environment and flags, in this order, over the defaults.
    ///
    /// `environment` is what `std::env::vars_os` gives; names without the prefix are ignored.
    ///
    /// # Errors
    /// Every problem of every source at once; the settings are not usable then.
    pub fn load(flags: &Flags, environment: impl IntoIterator<Item = (String, String)>) -> Result<Loaded, ConfigError> {
        let environment = environment::Environment::from_vars(environment);
        let mut draft = settings::Draft::new();
        file::apply(flags.config.as_deref(), environment.config_path(), &mut draft);
        environment.apply(&mut draft);
        flags.apply(&mut draft);
        let settings::Draft { config, mut problems, warnings } = draft;
        if let Err(error) = config.validate() {
            problems.extend(error.problems);
        }
        if problems.is_empty() { Ok(Loaded { config, warnings }) } else { Err(ConfigError { problems }) }
    }

    /// Checks values against each other and against their ranges.
    ///
    /// # Errors
    /// Every problem, each naming the setting and the repair.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let mut problems = Vec::new();
        let mut check = |is_fine: bool, problem: String| {
            if !is_fine {
                problems.push(problem);
            }
        };
        check(
            self.listen.ip().is_loopback() || self.insecure_public,
            format!(
                "`listen` is {}, which other machines can reach, and there is no authentication: \
                 listen on 127.0.0.1, or pass --insecure-public (SCHEMA_REGISTRY_INSECURE_PUBLIC=true)",
                self.listen
            ),
        );
        if let Database::Url(url) = &self.database {
            check(
                ["sqlite:", "postgres://", "postgresql://"].iter().any(|scheme| url.starts_with(scheme)),
                format!(
                    "`database` is no URL that is known, its scheme is `{}`: expected `sqlite://PATH` or \
                     `postgres://USER:PASSWORD@HOST:PORT/DATABASE`",
                    url.split(':').next().unwrap_or("")
                ),
            );
        }
        check(
            matches!(self.incompatible_code, 409 | 40901),
            format!("`incompatible_code` is {}: expected 40901 or 409", self.incompatible_code),
        );
        for (name, value) in [
            ("limits.body_bytes", self.limits.body_bytes),
            ("limits.url_bytes", self.limits.url_bytes),
            ("limits.header_bytes", self.limits.header_bytes),
            ("limits.schema_nesting", self.limits.schema_nesting),
            ("limits.schema_fields", self.limits.schema_fields),
            ("limits.union_branches", self.limits.union_branches),
            ("limits.references", self.limits.references),
            ("limits.reference_depth", self.limits.reference_depth),
            ("limits.expanded_bytes", self.limits.expanded_bytes),
            ("limits.versions_compared", self.limits.versions_compared),
            ("limits.page_items", self.limits.page_items),
            ("limits.connections", self.limits.connections),
        ] {
            check(value > 0, format!("`{name}` is 0, which would refuse everything: expected at least 1"));
        }
        for (name, value) in [
            ("http.header_timeout_ms", self.http.header_timeout),
            ("http.body_timeout_ms", self.http.body_timeout),
            ("http.request_timeout_ms", self.http.request_timeout),
            ("http.write_timeout_ms", self.http.write_timeout),
        ] {
            check(!value.is_zero(), format!("`{name}` is 0, which would refuse everything: expected at least 1"));
        }
        if problems.is_empty() { Ok(()) } else { Err(ConfigError { problems }) }
    }

    /// The bounds that a parser gets.
    #[must_use]
    pub fn schema_limits(&self) -> schema_core::format::Limits {
        schema_core::format::Limits {
            schema_nesting: self.limits.schema_nesting,
            schema_fields: self.limits.schema_fields,
            union_branches: self.limits.union_branches,
            expanded_bytes: self.limits.expanded_bytes,
        }
    }
}
