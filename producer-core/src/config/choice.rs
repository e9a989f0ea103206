//! Settings that are one of a few words.

use super::value::Named;

/// Whose word makes a record acknowledged; Java's `acks`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Acks {
    /// Nobody's: a record counts as sent when it is written to the socket. Losses go unseen, but for one: the first
    /// batch of a partition over each connection asks for an answer, so that a leader which is not ready yet, as
    /// right after the topic's creation, does not swallow records.
    None,
    /// The leader's: acknowledged records are lost if it fails before others copied them.
    Leader,
    /// Every in-sync replica's.
    #[default]
    All,
}

impl Acks {
    pub(crate) fn wire(self) -> i16 {
        match self {
            Self::None => 0,
            Self::Leader => 1,
            Self::All => -1,
        }
    }
}

impl Named for Acks {
    const NAMES: &'static [(&'static str, Self)] =
        &[("all", Self::All), ("-1", Self::All), ("0", Self::None), ("1", Self::Leader)];
}

/// How batches are compressed; Java's `compression.type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Compression {
    /// Not at all.
    #[default]
    None,
    /// Gzip: small, slow. Feature `gzip`, as all four on by default.
    Gzip,
    /// Snappy: fast. Feature `snappy`.
    Snappy,
    /// LZ4: fast. Feature `lz4`.
    Lz4,
    /// Zstandard: smaller than gzip and faster. Feature `zstd`, the only one that needs a C compiler.
    Zstd,
}

impl Compression {
    /// The feature that this build would need for it.
    pub(super) fn missing_feature(self) -> Option<&'static str> {
        let (feature, is_built) = match self {
            Self::None => return None,
            Self::Gzip => ("gzip", cfg!(feature = "gzip")),
            Self::Snappy => ("snappy", cfg!(feature = "snappy")),
            Self::Lz4 => ("lz4", cfg!(feature = "lz4")),
            Self::Zstd => ("zstd", cfg!(feature = "zstd")),
        };
        (!is_built).then_some(feature)
    }
}

impl Named for Compression {
    const NAMES: &'static [(&'static str, Self)] = &[
        ("none", Self::None),
        ("gzip", Self::Gzip),
        ("snappy", Self::Snappy),
        ("lz4", Self::Lz4),
        ("zstd", Self::Zstd),
    ];
}

/// What is done with a name that has several addresses; Java's `client.dns.lookup`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DnsLookup {
    /// One connection stands for all of them: the addresses are tried in turn until one can be connected to.
    #[default]
    UseAllDnsIps,
    /// Each address of a name in `bootstrap.servers` is a server of its own, so that the next one is asked if one can
    /// be connected to and does not answer. By its number: Java goes on to ask for its canonical name, which only TLS
    /// and Kerberos need. Other names as with `UseAllDnsIps`.
    ResolveCanonicalBootstrapServersOnly,
}

impl Named for DnsLookup {
    const NAMES: &'static [(&'static str, Self)] = &[
        ("use_all_dns_ips", Self::UseAllDnsIps),
        ("resolve_canonical_bootstrap_servers_only", Self::ResolveCanonicalBootstrapServersOnly),
    ];
}

/// What is done when no known broker answers; Java's `metadata.recovery.strategy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MetadataRecovery {
    /// `bootstrap.servers` are asked again.
    #[default]
    Rebootstrap,
    /// Only the brokers that are known are asked.
    None,
}

impl Named for MetadataRecovery {
    const NAMES: &'static [(&'static str, Self)] = &[("rebootstrap", Self::Rebootstrap), ("none", Self::None)];
}
