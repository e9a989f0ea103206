//! Reading Java's properties: what is given, what follows from it, what a user should be told.

use std::collections::{BTreeMap, BTreeSet};

use super::elsewhere::{BLOCK_ON_BUFFER_FULL, BRIEF_BLOCK_MS, OLD_NAMES, WITHOUT_EFFECT};
use super::providers::{CONFIG_PROVIDERS, Providers, is_about_providers, is_known};
use super::settings::{KEYS, Key, ProducerConfig};
use super::value::FOREVER_MS;
use super::{Acks, ConfigError};
use crate::nearest::nearest;
use crate::partitioner;

/// What came of reading a properties file.
pub(super) struct Read {
    pub(super) config: Result<ProducerConfig, ConfigError>,
    /// What works, but perhaps not as its writer thinks.
    pub(super) warnings: Vec<String>,
}

/// See [`ProducerConfig::from_properties`].
pub(super) fn read<'a>(properties: impl IntoIterator<Item = (&'a str, &'a str)>) -> Read {
    let given = properties.into_iter().map(|(key, value)| (key.trim(), value.trim())).collect();
    let mut reading = Reading { given, ..Reading::default() };
    let values = reading.resolve();
    reading.take_all(&values);
    reading.take_what_follows();
    if let Err(found) = reading.config.validate() {
        reading.problems.extend(found.problems);
    }
    reading.hide(&values);
    let Reading { config, problems, warnings, .. } = reading;
    Read { config: if problems.is_empty() { Ok(config) } else { Err(ConfigError { problems }) }, warnings }
}

#[derive(Default)]
struct Reading<'a> {
    given: BTreeMap<&'a str, &'a str>,
    /// Today's names of what was given.
    explicit: BTreeSet<&'static str>,
    config: ProducerConfig,
    problems: Vec<String>,
    warnings: Vec<String>,
}

impl<'a> Reading<'a> {
    /// The values, with those in place that stand elsewhere.
    fn resolve(&mut self) -> BTreeMap<&'a str, String> {
        let providers = Providers::of(&self.given, &mut self.problems);
        let mut values = BTreeMap::new();
        for (key, value) in self.given.iter().filter(|(key, _)| !is_about_providers(key)) {
            match providers.resolve(value) {
                Ok(value) => _ = values.insert(*key, value.trim().to_owned()),
                Err(problem) if is_taken(key) => self.problems.push(format!("`{key}`: {problem}")),
                // Of another client that the file serves.
                Err(problem) => self.warnings.push(format!("`{key}`: {problem}")),
            }
        }
        let about_providers = self.given.keys().filter(|key| is_about_providers(key) && !is_known(key));
        let unknown = about_providers.map(|key| format!("unknown producer property `{key}` is ignored"));
        self.warnings.extend(unknown);
        values
    }

    /// Puts references in the place of what they stand for, which may be a secret, in what is told.
    fn hide(&mut self, values: &BTreeMap<&'a str, String>) {
        for (key, value) in values {
            let Some(given) = self.given.get(key).filter(|given| *given != value) else { continue };
            let parts = [value.as_str()].into_iter().chain(value.split(',').map(str::trim));
            for part in parts.filter(|part| !part.is_empty()) {
                let (told, reference) = (format!("`{part}`"), format!("`{given}`"));
                let all = self.problems.iter_mut().chain(&mut self.warnings);
                all.for_each(|text| *text = text.replace(&told, &reference));
            }
        }
    }

    fn take_all(&mut self, values: &BTreeMap<&'a str, String>) {
        for (key, value) in values {
            if let Some(row) = row(key) {
                self.set(row, key, value);
            } else if let Some(old) = OLD_NAMES.iter().find(|old| old.name == *key) {
                self.take_old(key, value, old.now);
            } else {
                self.take_special(key, value);
            }
        }
    }

    fn set(&mut self, row: &'static Key, key: &str, value: &str) {
        self.explicit.insert(row.name);
        if (row.set)(&mut self.config, value).is_none() {
            self.problems.push(format!("`{key}` is `{value}`: expected {}", row.values));
        }
    }

    fn take_old(&mut self, key: &str, value: &str, now: &'static str) {
        if self.given.contains_key(now) {
            self.warnings.push(format!("`{key}` is an old name of `{now}`, which is set too: `{key}` is ignored"));
        } else if let Some(row) = row(now) {
            self.warnings.push(format!("`{key}` is an old name: it sets `{now}`"));
            self.set(row, key, value);
        }
    }

    fn take_special(&mut self, key: &str, value: &str) {
        match key {
            BLOCK_ON_BUFFER_FULL => self.take_block_on_buffer_full(value),
            "security.protocol" if value.eq_ignore_ascii_case("PLAINTEXT") => {}
            "security.protocol" => {
                self.problems.push(format!("`{key}` is `{value}`: expected `PLAINTEXT`, the only one supported"));
            }
            "transactional.id" => {
                self.problems.push(format!("`{key}` is `{value}`: there are no transactions here, leave it out"));
            }
            "partitioner.class" | "partitioner" => match partitioner::named(value) {
                Some(partitioner) => self.config.partitioner = Some(partitioner),
                None => self.problems.push(format!(
                    "`{key}` is `{value}`: expected one of {}; others are set in code, by `ProducerConfig::partitioner`",
                    partitioner::NAMES.map(|name| format!("`{name}`")).join(", ")
                )),
            },
            _ => self.warn_without_effect(key),
        }
    }

    fn take_block_on_buffer_full(&mut self, value: &str) {
        let (key, now) = (BLOCK_ON_BUFFER_FULL, "max.block.ms");
        let milliseconds = match &*value.to_ascii_lowercase() {
            "true" => FOREVER_MS,
            "false" => BRIEF_BLOCK_MS,
            _ => {
                self.problems.push(format!("`{key}` is `{value}`: expected `true` or `false`"));
                return;
            }
        };
        if [now, "metadata.fetch.timeout.ms"].iter().any(|name| self.given.contains_key(name)) {
            self.warnings.push(format!("`{key}` is an old setting, and `{now}` is set: `{key}` is ignored"));
        } else if let Some(row) = row(now) {
            self.warnings.push(format!("`{key}` is an old setting: `{value}` sets `{now}` to {milliseconds}"));
            self.set(row, key, &milliseconds.to_string());
        }
    }

    fn warn_without_effect(&mut self, key: &str) {
        let known = WITHOUT_EFFECT.iter().find(|known| known.covers(key));
        let warning = match known {
            Some(known) if known.is_silent => return,
            Some(known) => format!("producer property `{key}` has no effect here: {}", known.reason),
            None => match nearest(key, known_names()) {
                Some(near) => format!("unknown producer property `{key}` is ignored, did you mean `{near}`?"),
                None => format!("unknown producer property `{key}` is ignored"),
            },
        };
        self.warnings.push(warning);
    }

    /// What Java derives from settings that were left out.
    fn take_what_follows(&mut self) {
        let config = &mut self.config;
        if !self.explicit.contains("enable.idempotence") {
            let against = match (config.acks, config.retries) {
                (Acks::None | Acks::Leader, _) => Some("`acks` is not `all`"),
                (Acks::All, 0) => Some("`retries` is 0"),
                _ => None,
            };
            if let Some(against) = against {
                config.enable_idempotence = false;
                self.warnings.push(format!("idempotence is off because {against}: retries may write a record twice"));
            }
        }
        let shortest = config.shortest_delivery();
        if !self.explicit.contains("delivery.timeout.ms") && config.delivery_timeout < shortest {
            config.delivery_timeout = shortest;
            self.warnings.push(format!(
                "`delivery.timeout.ms` is raised to {}, `linger.ms` + `request.timeout.ms`",
                shortest.as_millis()
            ));
        }
        if self.explicit.contains("reconnect.backoff.ms") && !self.explicit.contains("reconnect.backoff.max.ms") {
            config.reconnect_backoff_max = config.reconnect_backoff;
        }
        for (key, first, max) in [
            ("retry.backoff", config.retry_backoff, config.retry_backoff_max),
            ("reconnect.backoff", config.reconnect_backoff, config.reconnect_backoff_max),
            ("socket.connection.setup.timeout", config.connection_setup_timeout, config.connection_setup_timeout_max),
        ] {
            if first > max {
                let max = max.as_millis();
                self.warnings.push(format!("`{key}.ms` is above `{key}.max.ms`: it is {max} ms each time"));
            }
        }
    }
}

/// Whether a key has an effect.
fn is_taken(key: &str) -> bool {
    let special = [BLOCK_ON_BUFFER_FULL, "security.protocol", "transactional.id", "partitioner.class", "partitioner"];
    row(key).is_some() || OLD_NAMES.iter().any(|old| old.name == key) || special.contains(&key)
}

fn row(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|row| row.name == name)
}

/// What a key can be, by today's names and by old ones.
fn known_names() -> impl Iterator<Item = &'static str> {
    KEYS.iter().map(|row| row.name).chain(OLD_NAMES.iter().map(|old| old.name)).chain([CONFIG_PROVIDERS])
}
