//! `ProducerConfig`: Java's property names, units and defaults, and the rules that tie them together.
//!
//! The settings stand in one table, `config/settings.rs`; what must hold between them stands here.
#![doc = ""]
#![doc = include_str!("config/in_rust.md")]

mod choice;
mod elsewhere;
mod properties;
mod providers;
mod reference;
mod settings;
mod value;

use std::fmt;
use std::time::Duration;

pub use self::choice::{Acks, Compression, DnsLookup, MetadataRecovery};
pub use self::settings::ProducerConfig;
pub(crate) use self::value::Named;

use self::settings::KEYS;
use self::value::{INT, Setting as _};
use crate::connection::Endpoint;

/// Brokers remember this many batches of a producer per partition, so no more may be in flight with idempotence.
pub(crate) const IDEMPOTENT_IN_FLIGHT_MAX: usize = 5;

/// `client.id` travels in every request header behind a 16-bit length.
const CLIENT_ID_BYTES_MAX: usize = 1024;

/// Everything that is wrong with a [`ProducerConfig`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// One sentence per problem, each naming the property and what would do.
    pub problems: Vec<String>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the producer's settings do not work: ")?;
        f.write_str(&self.problems.join("; "))
    }
}

impl std::error::Error for ConfigError {}

/// The reference of all settings, in Markdown: what `docs/producer-config.md` holds.
#[must_use]
pub fn reference() -> String {
    reference::page()
}

impl ProducerConfig {
    /// The defaults with these brokers, comma-separated `host:port`.
    #[must_use]
    pub fn new(bootstrap_servers: &str) -> Self {
        Self { bootstrap_servers: Vec::parse(bootstrap_servers).unwrap_or_default(), ..Self::default() }
    }

    /// Reads Java's properties. What works, but perhaps not as its writer thinks, is warned about in the log: an
    /// unknown key, with the nearest known one (one file often serves several clients), an old name, with the
    /// name it stands for today, a setting without effect here, with the reason.
    ///
    /// A value may stand elsewhere, as `${env:NAME}`, where `config.providers` names the providers: see
    /// [`reference`](crate::config::reference()).
    ///
    /// What depends on whether something is set follows Java: `acks` other than all, or no `retries`, turn an
    /// unset idempotence off; an unset `delivery.timeout.ms` grows to fit; an unset `reconnect.backoff.max.ms` is
    /// a set `reconnect.backoff.ms`.
    ///
    /// # Errors
    /// Every value that cannot be read, here or where it stands, and everything [`validate`](Self::validate) finds.
    pub fn from_properties<'a>(properties: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, ConfigError> {
        let read = properties::read(properties);
        read.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
        read.config
    }

    /// Checks every setting, alone and together.
    ///
    /// # Errors
    /// All problems at once.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let mut problems = Vec::new();
        self.check_addresses(&mut problems);
        for row in KEYS {
            if let Some(number) = (row.number)(self).filter(|number| !row.values.allows(*number)) {
                problems.push(format!("`{}` is {number}: expected {}", row.name, row.values));
            }
        }
        self.check_together(&mut problems);
        self.check_idempotence(&mut problems);
        if problems.is_empty() { Ok(()) } else { Err(ConfigError { problems }) }
    }

    fn check_addresses(&self, problems: &mut Vec<String>) {
        if self.bootstrap_servers.is_empty() {
            problems.push("`bootstrap.servers` is empty: expected at least one `host:port`".to_owned());
        }
        let unreadable = self.bootstrap_servers.iter().filter_map(|server| server.parse::<Endpoint>().err());
        problems.extend(unreadable.map(|error| format!("`bootstrap.servers`: {error}")));
        if self.client_id.len() > CLIENT_ID_BYTES_MAX {
            problems.push(format!(
                "`client.id` has {} bytes: expected at most {CLIENT_ID_BYTES_MAX}",
                self.client_id.len()
            ));
        }
    }

    fn check_together(&self, problems: &mut Vec<String>) {
        if let Some(feature) = self.compression.missing_feature() {
            problems.push(format!("`compression.type` is `{feature}`, but this build lacks the feature `{feature}`"));
        }
        if self.batch_bytes > self.buffer_bytes {
            problems.push(format!(
                "`batch.size` ({}) is larger than `buffer.memory` ({}): no batch would ever fit",
                self.batch_bytes, self.buffer_bytes
            ));
        }
        let shortest = self.shortest_delivery();
        if self.delivery_timeout < shortest {
            problems.push(format!(
                "`delivery.timeout.ms` is {}: expected at least `linger.ms` + `request.timeout.ms`, {}",
                self.delivery_timeout.as_millis(),
                shortest.as_millis()
            ));
        }
    }

    /// `linger.ms` + `request.timeout.ms`, as far as Java's `int` goes: what `delivery.timeout.ms` has to be at least.
    fn shortest_delivery(&self) -> Duration {
        self.linger.saturating_add(self.request_timeout).min(Duration::from_millis(INT.unsigned_abs()))
    }

    fn check_idempotence(&self, problems: &mut Vec<String>) {
        if !self.enable_idempotence {
            return;
        }
        if self.acks != Acks::All {
            problems.push("`enable.idempotence` needs `acks=all`: set it, or turn idempotence off".to_owned());
        }
        if self.retries == 0 {
            problems.push("`enable.idempotence` needs `retries` above 0".to_owned());
        }
        if self.in_flight_max > IDEMPOTENT_IN_FLIGHT_MAX {
            problems.push(format!(
                "`enable.idempotence` needs `max.in.flight.requests.per.connection` of at most {IDEMPOTENT_IN_FLIGHT_MAX}, found {}",
                self.in_flight_max
            ));
        }
    }

    /// The level of the chosen codec; 0 for one without levels.
    pub(crate) fn compression_level(&self) -> i32 {
        match self.compression {
            Compression::None | Compression::Snappy => 0,
            Compression::Gzip => self.gzip_level,
            Compression::Lz4 => self.lz4_level,
            Compression::Zstd => self.zstd_level,
        }
    }

    /// The brokers of `bootstrap.servers` that can be read.
    pub(crate) fn bootstrap_endpoints(&self) -> Vec<Endpoint> {
        self.bootstrap_servers.iter().filter_map(|server| server.parse().ok()).collect()
    }
}

#[cfg(test)]
mod tests;
