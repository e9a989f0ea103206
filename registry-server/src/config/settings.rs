//! The table of settings: one row each, with its TOML key and how its text is taken.
//!
//! The environment name follows from the key: `limits.body_bytes` is `SCHEMA_REGISTRY_LIMITS_BODY_BYTES`.

use std::net::{Ipv4Addr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

use schema_core::Level;

use super::{Database, LogFormat, ServerConfig};

/// Takes the text of a setting; the error says what was expected.
type Take = fn(&mut ServerConfig, &str) -> Result<(), String>;

/// One setting.
pub(super) struct Setting {
    /// Its key in the TOML file, dots between table and key.
    pub(super) key: &'static str,
    /// Takes its text.
    take: Take,
}

/// Below this Jaro-Winkler likeness a known name is no help to somebody who mistyped another.
const LIKENESS_MIN: f64 = 0.75;

/// Every setting there is.
pub(super) const SETTINGS: &[Setting] = &[
    setting("listen", |c, v| put(&mut c.listen, address(v))),
    setting("database", |c, v| put(&mut c.database, Ok(Database::Url(v.to_owned())))),
    setting("compatibility", |c, v| put(&mut c.compatibility, level(v))),
    setting("incompatible_code", |c, v| put(&mut c.incompatible_code, number(v))),
    setting("insecure_public", |c, v| put(&mut c.insecure_public, truth(v))),
    setting("limits.body_bytes", |c, v| put(&mut c.limits.body_bytes, number(v))),
    setting("limits.schema_nesting", |c, v| put(&mut c.limits.schema_nesting, number(v))),
    setting("limits.schema_fields", |c, v| put(&mut c.limits.schema_fields, number(v))),
    setting("limits.union_branches", |c, v| put(&mut c.limits.union_branches, number(v))),
    setting("limits.references", |c, v| put(&mut c.limits.references, number(v))),
    setting("limits.reference_depth", |c, v| put(&mut c.limits.reference_depth, number(v))),
    setting("limits.expanded_bytes", |c, v| put(&mut c.limits.expanded_bytes, number(v))),
    setting("limits.versions_compared", |c, v| put(&mut c.limits.versions_compared, number(v))),
    setting("limits.connections", |c, v| put(&mut c.limits.connections, number(v))),
    setting("http.header_timeout_ms", |c, v| put(&mut c.http.header_timeout, milliseconds(v))),
    setting("http.body_timeout_ms", |c, v| put(&mut c.http.body_timeout, milliseconds(v))),
    setting("http.request_timeout_ms", |c, v| put(&mut c.http.request_timeout, milliseconds(v))),
    setting("http.keep_alive_timeout_ms", |c, v| put(&mut c.http.keep_alive_timeout, milliseconds(v))),
    setting("cache.bytes", |c, v| put(&mut c.cache.bytes, number(v))),
    setting("log.level", |c, v| put(&mut c.log.level, filter(v))),
    setting("log.format", |c, v| put(&mut c.log.format, log_format(v))),
    setting("shutdown.grace_ms", |c, v| put(&mut c.shutdown.grace, milliseconds(v))),
];

const fn setting(key: &'static str, take: Take) -> Setting {
    Setting { key, take }
}

/// Settings while their sources are read.
pub(super) struct Draft {
    /// What stands so far.
    pub(super) config: ServerConfig,
    /// What is wrong so far.
    pub(super) problems: Vec<String>,
    /// What a person should know.
    pub(super) warnings: Vec<String>,
}

impl Draft {
    pub(super) fn new() -> Self {
        Self { config: ServerConfig::default(), problems: Vec::new(), warnings: Vec::new() }
    }

    /// Takes one value. `name` is how its source calls it, for messages; `key` is the TOML key.
    pub(super) fn set(&mut self, name: &str, key: &str, text: &str) {
        let Some(setting) = SETTINGS.iter().find(|s| s.key == key) else {
            self.unknown(name, key, SETTINGS.iter().map(|s| (s.key.to_owned(), s.key.to_owned())));
            return;
        };
        if let Err(expected) = (setting.take)(&mut self.config, text) {
            self.problems.push(format!("`{name}` is `{text}`: expected {expected}"));
        }
    }

    /// Reports a name that is not in the table, with the nearest one that is. `known` has what `written` is compared
    /// with, and how that is shown.
    pub(super) fn unknown(&mut self, name: &str, written: &str, known: impl Iterator<Item = (String, String)>) {
        let nearest = known
            .map(|(known, shown)| (strsim::jaro_winkler(written, &known), shown))
            .max_by(|a, b| a.0.total_cmp(&b.0));
        self.problems.push(match nearest {
            Some((likeness, shown)) if likeness > LIKENESS_MIN => {
                format!("`{name}` is no setting; did you mean `{shown}`?")
            }
            _ => format!("`{name}` is no setting"),
        });
    }
}

fn put<T>(place: &mut T, value: Result<T, String>) -> Result<(), String> {
    *place = value?;
    Ok(())
}

fn address(text: &str) -> Result<SocketAddr, String> {
    let expected = || "an address with a port, for instance `127.0.0.1:8081` or `[::1]:8081`".to_owned();
    if let Some(port) = text.strip_prefix("localhost:") {
        return port.parse().map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port))).map_err(|_| expected());
    }
    text.parse().map_err(|_| expected())
}

fn number<T: FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| "a whole number, 0 or more".to_owned())
}

fn milliseconds(text: &str) -> Result<Duration, String> {
    text.parse().map(Duration::from_millis).map_err(|_| "a whole number of milliseconds".to_owned())
}

fn truth(text: &str) -> Result<bool, String> {
    text.parse().map_err(|_| "`true` or `false`".to_owned())
}

fn level(text: &str) -> Result<Level, String> {
    Level::from_name(text).ok_or_else(|| {
        "NONE, BACKWARD, BACKWARD_TRANSITIVE, FORWARD, FORWARD_TRANSITIVE, FULL or FULL_TRANSITIVE".to_owned()
    })
}

fn filter(text: &str) -> Result<String, String> {
    match text.parse::<tracing_subscriber::filter::Targets>() {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => Err("`error`, `warn`, `info`, `debug`, `trace`, or a list such as `info,sqlx=warn`".to_owned()),
    }
}

fn log_format(text: &str) -> Result<LogFormat, String> {
    match text {
        "auto" => Ok(LogFormat::Auto),
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err("`auto`, `text` or `json`".to_owned()),
    }
}
