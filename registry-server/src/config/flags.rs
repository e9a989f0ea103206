//! The command line, by clap. Flags win over every other source.

use std::path::PathBuf;

use clap::Parser;

use super::Database;
use super::settings::Draft;

/// A schema registry with Confluent's REST API.
#[derive(Debug, Clone, Default, Parser)]
#[command(version, about, max_term_width = 100)]
pub struct Flags {
    /// TOML file with settings [default: ./schema-registry.toml, if there]
    #[arg(long, value_name = "PATH")]
    pub config: Option<PathBuf>,

    /// Address and port; port 0 takes a free one [default: 127.0.0.1:8081]
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub listen: Option<String>,

    /// Where schemas are kept: sqlite://PATH or postgres://... [default: sqlite://schema-registry.db]
    #[arg(long, value_name = "URL", conflicts_with = "ephemeral")]
    pub database: Option<String>,

    /// Keep schemas in memory only; they are gone when the process ends
    #[arg(long)]
    pub ephemeral: bool,

    /// Global compatibility level of a new database [default: BACKWARD]
    #[arg(long, value_name = "LEVEL")]
    pub compatibility: Option<String>,

    /// Allow an address that other machines can reach, without authentication
    #[arg(long)]
    pub insecure_public: bool,

    /// error, warn, info, debug, trace, or a filter [default: info]
    #[arg(long, value_name = "LEVEL")]
    pub log_level: Option<String>,
}

impl Flags {
    /// Takes every flag that was given.
    pub(super) fn apply(&self, draft: &mut Draft) {
        let given = [
            ("--listen", "listen", &self.listen),
            ("--database", "database", &self.database),
            ("--compatibility", "compatibility", &self.compatibility),
            ("--log-level", "log.level", &self.log_level),
        ];
        for (flag, key, value) in given {
            if let Some(value) = value {
                draft.set(flag, key, value);
            }
        }
        if self.insecure_public {
            draft.config.insecure_public = true;
        }
        if self.ephemeral {
            draft.config.database = Database::Ephemeral;
        }
    }
}
