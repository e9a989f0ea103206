//! The table of settings: key, field, type, default, range and meaning of each stand here and nowhere else.
//!
//! From it come the structs, their defaults and documentation, the reading of every source, the checks of ranges and
//! `docs/config.md`. The name in the environment follows from the key: `limits.body_bytes` is
//! `SCHEMA_REGISTRY_LIMITS_BODY_BYTES`.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use schema_core::Level;
use schema_core::compatibility::STEPS_DEFAULT;
use schema_core::format::Limits as SchemaLimits;

use super::value::{Kind, Setting as _};
use super::{Database, LogFormat};

/// One row of the table.
pub(super) struct Row {
    /// Its key in the TOML file, dots between table and key.
    pub(super) key: &'static str,
    /// What it sets, in which unit, and what happens at the bound. May begin with a blank.
    pub(super) meaning: &'static str,
    /// How a file writes it.
    pub(super) kind: Kind,
    /// What is expected of it, in words.
    pub(super) expected: &'static str,
    /// The numbers that are allowed.
    pub(super) range: RangeInclusive<u64>,
    pub(super) number: fn(&ServerConfig) -> Option<u64>,
    pub(super) print: fn(&ServerConfig) -> String,
    /// `None` if the text cannot be read.
    pub(super) set: fn(&mut ServerConfig, &str) -> Option<()>,
}

macro_rules! row {
    ($key:literal, $meaning:expr, $type:ty, $range:expr, $($field:ident).+) => {
        Row {
            key: $key,
            meaning: $meaning,
            kind: <$type>::KIND,
            expected: <$type>::EXPECTED,
            range: $range,
            number: |config| config.$($field).+.number(),
            print: |config| config.$($field).+.print(),
            set: |config, text| {
                config.$($field).+ = <$type>::parse(text)?;
                Some(())
            },
        }
    };
}

macro_rules! range {
    () => {
        0..=u64::MAX
    };
    (least $least:literal) => {
        $least..=u64::MAX
    };
    (least $least:literal greatest $greatest:literal) => {
        $least..=$greatest
    };
}

macro_rules! settings {
    (
        $(#[$about:meta])*
        struct ServerConfig;
        $(
            $(#[doc = $meaning:literal])+
            $key:literal $field:ident: $type:ty = $default:expr
                $(, least $least:literal)? $(, greatest $greatest:literal)?;
        )+
        $($group:ident: struct $Group:ident $group_about:literal {
            $(
                $(#[doc = $inner_meaning:literal])+
                $inner_key:literal $inner:ident: $inner_type:ty = $inner_default:expr
                    $(, least $inner_least:literal)? $(, greatest $inner_greatest:literal)?;
            )+
            $(no setting $beside_about:literal $beside:ident: $beside_type:ty = $beside_default:expr;)?
        })+
    ) => {
        $(#[$about])*
        #[derive(Debug, Clone)]
        #[non_exhaustive]
        pub struct ServerConfig {
            $(
                #[doc = concat!("`", $key, "`:")]
                $(#[doc = $meaning])+
                #[doc = concat!("\nDefault: `", stringify!($default), "`.")]
                pub $field: $type,
            )+
            $(
                #[doc = concat!("`", stringify!($group), ".*`")]
                pub $group: $Group,
            )+
        }

        impl Default for ServerConfig {
            fn default() -> Self {
                Self { $($field: $default,)+ $($group: $Group::default(),)+ }
            }
        }

        $(
            #[doc = $group_about]
            #[derive(Debug, Clone)]
            #[non_exhaustive]
            pub struct $Group {
                $(
                    #[doc = concat!("`", $inner_key, "`:")]
                    $(#[doc = $inner_meaning])+
                    #[doc = concat!("\nDefault: `", stringify!($inner_default), "`.")]
                    pub $inner: $inner_type,
                )+
                $(#[doc = $beside_about] pub $beside: $beside_type,)?
            }

            impl Default for $Group {
                fn default() -> Self {
                    Self { $($inner: $inner_default,)+ $($beside: $beside_default,)? }
                }
            }
        )+

        /// Every setting there is.
        pub(super) const SETTINGS: &[Row] = &[
            $(row!($key, concat!($($meaning),+), $type, range!($(least $least)? $(greatest $greatest)?), $field),)+
            $($(
                row!(
                    $inner_key, concat!($($inner_meaning),+), $inner_type,
                    range!($(least $inner_least)? $(greatest $inner_greatest)?), $group.$inner
                ),
            )+)+
        ];
    };
}

settings! {
    /// Everything that can be set. `Default` gives a server for one person on one machine.
    struct ServerConfig;

    /// Address and port to accept connections on; port 0 takes a free one, which is printed. Another address than
    /// loopback needs `insecure_public`.
    "listen" listen: SocketAddr = SocketAddr::from(([127, 0, 0, 1], 8081));

    /// Where schemas are kept: `sqlite://PATH`, or `postgres://USER:PASSWORD@HOST:PORT/NAME`. The flag `--ephemeral`
    /// keeps them in memory.
    "database" database: Database = Database::Url("sqlite://schema-registry.db".to_owned());

    /// Global compatibility level of a new database; later the level is changed with `PUT /config`.
    "compatibility" compatibility: Level = Level::Backward;

    /// `error_code` of a register that breaks compatibility: 40901, or 409 for tools that look for it. The HTTP status
    /// is 409 in both cases.
    "incompatible_code" incompatible_code: u32 = 40901;

    /// Allows an address that other machines can reach although there is no authentication.
    "insecure_public" insecure_public: bool = false;

    mode: struct Mode "What clients may do with modes." {
        /// Whether modes can be set and deleted; if not, each try is 42205.
        "mode.mutability" mutability: bool = true;
    }

    limits: struct Limits "Bounds on what clients send. All are on by default." {
        /// Bytes of a request body, also after decompression; more is 413.
        "limits.body_bytes" body_bytes: usize = 1 << 20, least 1;

        /// Bytes that the bodies of all requests take in memory together, each from its first byte to the answer; a
        /// request whose body finds no room is 503. One body has its `limits.body_bytes`, whatever is set.
        "limits.bodies_bytes" bodies_bytes: usize = 256 << 20, least 1;

        /// Bytes of path and query together; more is 414.
        "limits.url_bytes" url_bytes: usize = 8 << 10, least 1;

        /// Bytes of the names and values of all headers together; more is 431.
        "limits.header_bytes" header_bytes: usize = 8 << 10, least 1;

        /// Headers of a request; more is 431. 96 is also the most that can be set: it is what the HTTP library reads.
        /// A head of more than 128 KiB is 431 as well, whatever is set.
        "limits.header_count" header_count: usize = 96, least 1, greatest 96;

        /// Objects and arrays in each other in the JSON of a request body; deeper is 400. 127 is also the most that
        /// can be set: it is what the JSON library reads. A schema in a string has `limits.schema_nesting`.
        "limits.json_nesting" json_nesting: usize = 127, least 1, greatest 127;

        /// How deep types may nest in a schema; deeper is 42201.
        "limits.schema_nesting" schema_nesting: usize = SchemaLimits::default().schema_nesting, least 1;

        /// Fields of one schema, all its records together; more is 42201.
        "limits.schema_fields" schema_fields: usize = SchemaLimits::default().schema_fields, least 1;

        /// Branches of one union; more is 42201.
        "limits.union_branches" union_branches: usize = SchemaLimits::default().union_branches, least 1;

        /// References of one schema, those of its references included, one name counted once; more is 42201.
        "limits.references" references: usize = 100, least 1;

        /// How deep references may lead to further ones; deeper is 42201.
        "limits.reference_depth" reference_depth: usize = 20, least 1;

        /// Bytes of a schema's text together with everything that it refers to; more is 42201.
        "limits.expanded_bytes" expanded_bytes: usize = SchemaLimits::default().expanded_bytes, least 1;

        /// Versions that a transitive check compares with; a subject with more is 42201.
        "limits.versions_compared" versions_compared: usize = 1000, least 1;

        /// Steps that a register, a lookup or a check may take to read what is stored and to compare with it, some
        /// 25,000 of which take a millisecond; a request that takes more is 42201. To read a text takes one for two of
        /// its bytes, those of its references included, and three in normal form; to see whether it is like the one
        /// that was sent, one for eight, after it has been read if it has references. Soft-deleted versions are looked
        /// through as well. What is in the caches counts, too: the answer does not depend on them.
        "limits.comparison_steps" comparison_steps: u32 = STEPS_DEFAULT, least 1;

        /// Schemas in one answer of `GET /schemas`; the answer links to where the list goes on (header `Link`).
        "limits.page_items" page_items: usize = 1000, least 1;

        /// Open connections; further ones wait for one of them to end, and are answered 503 after a second, whatever
        /// they ask, `/health/live` and `/metrics` included. So wait some 32; 128 more wait in the backlog of the
        /// operating system until these are gone, and who comes behind those cannot connect yet. Connections that idle
        /// are closed after `http.keep_alive_timeout_ms`. Each takes an open file, and so does what else the server
        /// needs: its limit of those is raised at the start. Where the hard limit (`ulimit -Hn`) is too low for all,
        /// there are as many connections as fit, and a warning says so.
        "limits.connections" connections: usize = 10_000, least 1;
    }

    http: struct Http "Deadlines of the HTTP side." {
        /// From the opening of a connection to the end of the head of its first request; then 408, or nothing where
        /// none was begun.
        /// A later request has this, `http.body_timeout_ms` and `http.request_timeout_ms` together, from its first byte
        /// to that of its answer.
        "http.header_timeout_ms" header_timeout: Duration = Duration::from_secs(10), least 1;

        /// From the end of the head to the end of the body; then 408.
        "http.body_timeout_ms" body_timeout: Duration = Duration::from_secs(30), least 1;

        /// From the end of the body to the answer; then 503.
        "http.request_timeout_ms" request_timeout: Duration = Duration::from_secs(30), least 1;

        /// Within this a client has to read 16 KiB of an answer that waits for it; one that reads less, or nothing,
        /// is cut off.
        "http.write_timeout_ms" write_timeout: Duration = Duration::from_secs(30), least 1;

        /// How long a connection is kept behind an answer without a byte of a next request.
        "http.keep_alive_timeout_ms" keep_alive_timeout: Duration = Duration::from_secs(15);

        no setting "Threads that serve; 0 (default) takes one per core. For servers inside another process."
        workers: usize = 0;
    }

    cache: struct Cache "The caches' budget." {
        /// Memory of all caches together, about; 0 switches caching off.
        "cache.bytes" bytes: u64 = 64 << 20;
    }

    log: struct Log "What is logged, and how." {
        /// `error`, `warn`, `info`, `debug`, `trace`, or a filter such as `info,registry_server=debug`.
        "log.level" level: String = "info".to_owned();

        /// `text`, `json`, or `auto`: text on a terminal, else JSON.
        "log.format" format: LogFormat = LogFormat::Auto;
    }

    shutdown: struct Shutdown "How the server goes down." {
        /// How long running requests may take after SIGTERM before they are cut off.
        "shutdown.grace_ms" grace: Duration = Duration::from_secs(30);
    }
}
