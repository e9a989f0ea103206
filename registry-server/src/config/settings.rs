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
    /// Its default, as it would be written.
    pub(super) default: &'static str,
    /// What it sets, in which unit, and what happens at the bound.
    pub(super) about: &'static str,
    /// Takes its text.
    take: Take,
}

/// Below this Jaro-Winkler likeness a known name is no help to somebody who mistyped another.
const LIKENESS_MIN: f64 = 0.75;

/// Every setting there is.
pub(super) const SETTINGS: &[Setting] = &[
    Setting {
        key: "listen",
        default: "127.0.0.1:8081",
        about: "Address and port to accept connections on; port 0 takes a free one, which is printed. Another \
            address than loopback needs `insecure_public`.",
        take: |c, v| put(&mut c.listen, address(v)),
    },
    Setting {
        key: "database",
        default: "sqlite://schema-registry.db",
        about: "Where schemas are kept: `sqlite://PATH`, or `postgres://USER:PASSWORD@HOST:PORT/NAME`. The flag \
            `--ephemeral` keeps them in memory.",
        take: |c, v| put(&mut c.database, Ok(Database::Url(v.to_owned()))),
    },
    Setting {
        key: "compatibility",
        default: "BACKWARD",
        about: "Global compatibility level of a new database; later the level is changed with `PUT /config`.",
        take: |c, v| put(&mut c.compatibility, level(v)),
    },
    Setting {
        key: "incompatible_code",
        default: "40901",
        about: "`error_code` of a register that breaks compatibility: 40901, or 409 for tools that look for it. \
            The HTTP status is 409 in both cases.",
        take: |c, v| put(&mut c.incompatible_code, number(v)),
    },
    Setting {
        key: "insecure_public",
        default: "false",
        about: "Allows an address that other machines can reach although there is no authentication.",
        take: |c, v| put(&mut c.insecure_public, truth(v)),
    },
    Setting {
        key: "mode.mutability",
        default: "true",
        about: "Whether modes can be set and deleted; if not, each try is 42205.",
        take: |c, v| put(&mut c.mode.mutability, truth(v)),
    },
    Setting {
        key: "limits.body_bytes",
        default: "1048576",
        about: "Bytes of a request body, also after decompression; more is 413.",
        take: |c, v| put(&mut c.limits.body_bytes, number(v)),
    },
    Setting {
        key: "limits.url_bytes",
        default: "8192",
        about: "Bytes of path and query together; more is 414.",
        take: |c, v| put(&mut c.limits.url_bytes, number(v)),
    },
    Setting {
        key: "limits.header_bytes",
        default: "8192",
        about: "Bytes of the names and values of all headers together; more is 431, and so are more than 96 headers.",
        take: |c, v| put(&mut c.limits.header_bytes, number(v)),
    },
    Setting {
        key: "limits.schema_nesting",
        default: "64",
        about: "How deep types may nest in a schema; deeper is 42201.",
        take: |c, v| put(&mut c.limits.schema_nesting, number(v)),
    },
    Setting {
        key: "limits.schema_fields",
        default: "10000",
        about: "Fields of one schema, all its records together; more is 42201.",
        take: |c, v| put(&mut c.limits.schema_fields, number(v)),
    },
    Setting {
        key: "limits.union_branches",
        default: "500",
        about: "Branches of one union; more is 42201.",
        take: |c, v| put(&mut c.limits.union_branches, number(v)),
    },
    Setting {
        key: "limits.references",
        default: "100",
        about: "References of one schema; more is 42201.",
        take: |c, v| put(&mut c.limits.references, number(v)),
    },
    Setting {
        key: "limits.reference_depth",
        default: "20",
        about: "How deep references may lead to further ones; deeper is 42201.",
        take: |c, v| put(&mut c.limits.reference_depth, number(v)),
    },
    Setting {
        key: "limits.expanded_bytes",
        default: "4194304",
        about: "Bytes of a schema's text together with everything that it refers to; more is 42201.",
        take: |c, v| put(&mut c.limits.expanded_bytes, number(v)),
    },
    Setting {
        key: "limits.versions_compared",
        default: "1000",
        about: "Versions that a transitive check compares with; a subject with more is 42201.",
        take: |c, v| put(&mut c.limits.versions_compared, number(v)),
    },
    Setting {
        key: "limits.page_items",
        default: "1000",
        about: "Schemas in one answer of `GET /schemas`; the answer links to where the list goes on (header `Link`).",
        take: |c, v| put(&mut c.limits.page_items, number(v)),
    },
    Setting {
        key: "limits.connections",
        default: "10000",
        about: "Open connections; further ones wait in the backlog of the operating system.",
        take: |c, v| put(&mut c.limits.connections, number(v)),
    },
    Setting {
        key: "http.header_timeout_ms",
        default: "10000",
        about: "From the opening of a connection to the end of the head of its first request; then it is closed.",
        take: |c, v| put(&mut c.http.header_timeout, milliseconds(v)),
    },
    Setting {
        key: "http.body_timeout_ms",
        default: "30000",
        about: "From the end of the head to the end of the body; then 408.",
        take: |c, v| put(&mut c.http.body_timeout, milliseconds(v)),
    },
    Setting {
        key: "http.request_timeout_ms",
        default: "30000",
        about: "From the end of the body to the answer; then 503.",
        take: |c, v| put(&mut c.http.request_timeout, milliseconds(v)),
    },
    Setting {
        key: "http.write_timeout_ms",
        default: "30000",
        about: "Within this a client has to read 16 KiB of an answer that waits for it; one that reads less, or nothing, \
            is cut off.",
        take: |c, v| put(&mut c.http.write_timeout, milliseconds(v)),
    },
    Setting {
        key: "http.keep_alive_timeout_ms",
        default: "15000",
        about: "How long a connection is kept without a request.",
        take: |c, v| put(&mut c.http.keep_alive_timeout, milliseconds(v)),
    },
    Setting {
        key: "cache.bytes",
        default: "67108864",
        about: "Memory of all caches together, about; 0 switches caching off.",
        take: |c, v| put(&mut c.cache.bytes, number(v)),
    },
    Setting {
        key: "log.level",
        default: "info",
        about: "`error`, `warn`, `info`, `debug`, `trace`, or a filter such as `info,registry_server=debug`.",
        take: |c, v| put(&mut c.log.level, filter(v)),
    },
    Setting {
        key: "log.format",
        default: "auto",
        about: "`text`, `json`, or `auto`: text on a terminal, else JSON.",
        take: |c, v| put(&mut c.log.format, log_format(v)),
    },
    Setting {
        key: "shutdown.grace_ms",
        default: "30000",
        about: "How long running requests may take after SIGTERM before they are cut off.",
        take: |c, v| put(&mut c.shutdown.grace, milliseconds(v)),
    },
];

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
