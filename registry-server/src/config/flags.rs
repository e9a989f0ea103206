//! The command line, by clap. Flags win over every other source.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Parser;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::draft::Draft;
use super::settings::SETTINGS;
use super::{Database, other_names};

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

/// Flags that take the text of a setting: the flag, the setting's key, and where clap puts the text.
type TextFlag = (&'static str, &'static str, fn(&Flags) -> &Option<String>);

const TEXT_FLAGS: &[TextFlag] = &[
    ("--listen", "listen", |flags| &flags.listen),
    ("--database", "database", |flags| &flags.database),
    ("--compatibility", "compatibility", |flags| &flags.compatibility),
    ("--log-level", "log.level", |flags| &flags.log_level),
];

/// The flag without a value that stands for a setting.
const INSECURE_PUBLIC: (&str, &str) = ("--insecure-public", "insecure_public");

impl Flags {
    /// Those of this process. If they are wrong, or ask for help, it says so and ends.
    #[must_use]
    pub fn read() -> Self {
        Self::read_from(std::env::args_os()).unwrap_or_else(|error| error.exit())
    }

    /// Reads a command line, the name of the program first.
    pub(super) fn read_from(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, clap::Error> {
        Self::try_parse_from(arguments).map_err(|mut error| {
            let tip = match (error.kind(), error.get(ContextKind::InvalidArg)) {
                (ErrorKind::UnknownArgument, Some(ContextValue::String(argument))) => tip(argument),
                _ => None,
            };
            if let Some(tip) = tip {
                // What only looks alike.
                error.remove(ContextKind::SuggestedArg);
                error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip.into()]));
            }
            error
        })
    }

    /// Takes every flag that was given.
    pub(super) fn apply(&self, draft: &mut Draft) {
        for (flag, key, value) in TEXT_FLAGS {
            if let Some(value) = value(self) {
                draft.set(flag, key, value);
            }
        }
        if self.insecure_public {
            draft.set(INSECURE_PUBLIC.0, INSECURE_PUBLIC.1, "true");
        }
        if self.ephemeral {
            draft.config.database = Database::Ephemeral;
        }
    }

    /// The flag of a setting.
    pub(super) fn of(key: &str) -> Option<&'static str> {
        let flags = TEXT_FLAGS.iter().map(|(flag, key, _)| (*flag, *key)).chain([INSECURE_PUBLIC]);
        flags.into_iter().find(|(_, own)| *own == key).map(|(flag, _)| flag)
    }
}

/// What to write in place of an argument that there is not.
fn tip(argument: &str) -> Option<String> {
    let name = argument.trim_start_matches('-');
    let is_path = |word: &str| word.contains('/') || word.ends_with(".toml") || word.ends_with(".properties");
    if name == argument && !is_path(argument) {
        return None;
    }
    if name == argument || matches!(name, "c" | "config-file" | "properties" | "props") {
        return Some("'--config PATH' names a file with settings, in TOML".to_owned());
    }
    if matches!(name, "in-memory" | "memory") {
        return Some("'--ephemeral' keeps schemas in memory".to_owned());
    }
    if name.starts_with("kafka") || name.starts_with("bootstrap") {
        return Some("schemas are kept in the database that '--database' names, not in Kafka".to_owned());
    }
    let key = other_names::meant_by(name)?;
    let row = SETTINGS.iter().find(|row| row.key == key)?;
    Some(format!("'{}' takes {}", Flags::of(key)?, row.expected))
}
