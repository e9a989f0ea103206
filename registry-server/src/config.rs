//! The server's settings: small structs with working defaults, made from the one table that names each.
//!
//! Sources, later ones win: defaults, TOML file, environment, flags. All of them go through the
//! table `settings::SETTINGS`, so a setting has one name, one parser and one error text. This is the only
//! place that reads the environment; everything below gets values.

use std::net::SocketAddr;

mod database;
mod draft;
mod environment;
mod file;
mod flags;
mod other_names;
mod pg_environment;
mod reference;
mod settings;
#[cfg(test)]
mod tests;
mod value;

pub use database::Database;
pub use flags::Flags;
pub use reference::reference;
pub use settings::{Cache, Http, Limits, Log, Mode, ServerConfig, Shutdown};

/// How the URL of a database begins.
const SCHEMES: [&str; 3] = ["sqlite://", "postgres://", "postgresql://"];

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

/// Settings that were read, and what a person should be told about them.
#[derive(Debug)]
pub struct Loaded {
    /// The settings.
    pub config: ServerConfig,
    /// Warnings, each a whole sentence; logged once logging is up.
    pub warnings: Vec<String>,
    /// What names the database, as a person calls it: a flag, a variable, or a key and its file. `None` when nothing
    /// does.
    pub database_origin: Option<String>,
    /// The same of the compatibility level.
    pub compatibility_origin: Option<String>,
}

/// Settings that cannot be used: what is wrong in all sources, and how to tell it.
#[derive(Debug, thiserror::Error)]
#[error("{}", problems.join("\n"))]
#[non_exhaustive]
pub struct LoadError {
    /// One problem each, naming the setting and the repair.
    pub problems: Vec<String>,
    /// Where logs go, as far as the sources say it.
    pub log: Log,
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
    /// `environment` is what `std::env::vars_os` gives. Of names without our prefix only those are looked at that a
    /// connection to PostgreSQL depends on.
    ///
    /// # Errors
    /// Every problem of every source at once; the settings are not usable then.
    pub fn load(flags: &Flags, environment: impl IntoIterator<Item = (String, String)>) -> Result<Loaded, LoadError> {
        let vars: Vec<(String, String)> = environment.into_iter().collect();
        let environment = environment::Environment::from_vars(vars.iter().cloned());
        let mut draft = draft::Draft::default();
        file::apply(flags.config.as_deref(), environment.config_path(), &mut draft);
        environment.apply(&mut draft);
        flags.apply(&mut draft);
        draft.problems.extend(pg_environment::problems(&draft.config.database, &vars));
        let draft::Draft { config, mut problems, warnings, mut origins } = draft;
        problems.extend(config.problems(|key| origins.get(key).cloned().unwrap_or_else(|| in_backticks(key))));
        if !problems.is_empty() {
            return Err(LoadError { problems, log: config.log });
        }
        let [database_origin, compatibility_origin] = ["database", "compatibility"].map(|key| origins.remove(key));
        Ok(Loaded { config, warnings, database_origin, compatibility_origin })
    }

    /// Checks values against each other and against their ranges.
    ///
    /// # Errors
    /// Every problem, each naming the setting and the repair.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let problems = self.problems(in_backticks);
        if problems.is_empty() { Ok(()) } else { Err(ConfigError { problems }) }
    }

    /// What is wrong with the values. `name` is what a person calls the setting with a key.
    fn problems(&self, name: impl Fn(&str) -> String) -> Vec<String> {
        let mut problems = Vec::new();
        let mut check = |is_fine: bool, problem: String| {
            if !is_fine {
                problems.push(problem);
            }
        };
        check(
            self.listen.ip().is_loopback() || self.insecure_public,
            format!(
                "{} is {}, which other machines can reach, and there is no authentication: \
                 listen on 127.0.0.1, or pass --insecure-public (SCHEMA_REGISTRY_INSECURE_PUBLIC=true)",
                name("listen"),
                self.listen
            ),
        );
        if let Database::Url(url) = &self.database {
            check(SCHEMES.iter().any(|scheme| url.starts_with(scheme)), database::unknown(&name("database"), url));
        }
        check(
            matches!(self.incompatible_code, 409 | 40901),
            format!("{} is {}: expected 40901 or 409", name("incompatible_code"), self.incompatible_code),
        );
        for row in settings::SETTINGS {
            let number = (row.number)(self);
            let (least, greatest) = (*row.range.start(), *row.range.end());
            check(
                number.is_none_or(|number| number >= least),
                format!(
                    "{} is {}, which would refuse everything: expected at least {least}",
                    name(row.key),
                    (row.print)(self)
                ),
            );
            check(
                number.is_none_or(|number| number <= greatest),
                format!(
                    "{} is {}, more than the libraries can read: expected at most {greatest}",
                    name(row.key),
                    (row.print)(self)
                ),
            );
        }
        problems
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

fn in_backticks(key: &str) -> String {
    format!("`{key}`")
}
