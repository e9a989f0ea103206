//! The environment: `SCHEMA_REGISTRY_*`, minus what Kubernetes makes, plus what Confluent's image takes.

use super::draft::Draft;
use super::settings::SETTINGS;

/// Every name of ours begins so.
const PREFIX: &str = "SCHEMA_REGISTRY_";

/// Names of Confluent's image that mean something here, with the setting they stand for.
const MAPPED: &[(&str, &str)] = &[
    ("LISTENERS", "listen"),
    ("SCHEMA_COMPATIBILITY_LEVEL", "compatibility"),
    ("AVRO_COMPATIBILITY_LEVEL", "compatibility"),
    ("LOG4J_ROOT_LOGLEVEL", "log.level"),
];

/// Names of Confluent's image that mean nothing here: a prefix (or the whole name) and the reason.
const WITHOUT_MEANING: &[(&str, &str)] = &[
    ("KAFKASTORE_", "schemas are kept in the database that `SCHEMA_REGISTRY_DATABASE` names, not in Kafka"),
    ("KAFKA_", "the registry does not talk to Kafka"),
    ("HOST_NAME", "there is no leader that others must reach by name"),
    ("GROUP_ID", "there is no leader election"),
    ("SCHEMA_REGISTRY_GROUP_ID", "there is no leader election"),
    ("LEADER_", "there is no leader election"),
    ("MASTER_", "there is no leader election"),
    ("INTER_INSTANCE_", "there is no leader that requests are forwarded to"),
    ("SCHEMA_REGISTRY_INTER_INSTANCE_", "there is no leader that requests are forwarded to"),
    ("OPTS", "it sets options of the Java machine"),
    ("HEAP_OPTS", "it sets options of the Java machine"),
    ("JVM_", "it sets options of the Java machine"),
    ("JMX_", "it sets options of the Java machine"),
    ("LOG4J_", "logging is set by `SCHEMA_REGISTRY_LOG_LEVEL`"),
    ("TOOLS_LOG4J_", "logging is set by `SCHEMA_REGISTRY_LOG_LEVEL`"),
    ("CUB_", "it sets the start-up checks of another image"),
    ("DEBUG", "logging is set by `SCHEMA_REGISTRY_LOG_LEVEL`"),
    ("METRIC", "there are no JMX metrics"),
    ("CONFLUENT_", "it belongs to another product"),
    ("RESOURCE_EXTENSION_", "there are no Java extensions"),
    ("AUTHENTICATION_", "there is no authentication yet; keep the server on loopback or behind a proxy"),
    ("SSL_", "there is no TLS yet; keep the server on loopback or behind a proxy"),
    ("ACCESS_CONTROL_", "there is no CORS yet"),
];

/// The variables of ours, without the prefix.
pub(super) struct Environment {
    vars: Vec<(String, String)>,
}

impl Environment {
    /// Keeps what has the prefix, in the order of names, so that messages do not jump about.
    pub(super) fn from_vars(vars: impl IntoIterator<Item = (String, String)>) -> Self {
        let mut vars: Vec<_> = vars
            .into_iter()
            .filter_map(|(name, value)| name.strip_prefix(PREFIX).map(|rest| (rest.to_owned(), value)))
            .filter(|(rest, value)| !is_made_by_kubernetes(rest, value))
            // No setting: it plants a fault for tests, in builds that have some.
            .filter(|(rest, _)| !(cfg!(feature = "mutants") && rest == "MUTANT"))
            .collect();
        vars.sort();
        Self { vars }
    }

    /// The file that the environment names.
    pub(super) fn config_path(&self) -> Option<&str> {
        self.vars.iter().find(|(name, _)| name == "CONFIG").map(|(_, path)| path.as_str())
    }

    /// Takes every variable. A name of Confluent's image stands back behind ours.
    pub(super) fn apply(&self, draft: &mut Draft) {
        let (own, foreign): (Vec<_>, Vec<_>) =
            self.vars.iter().filter(|(name, _)| name != "CONFIG").partition(|(name, _)| key_of(name).is_some());
        for (name, value) in foreign {
            apply_foreign(name, value, draft);
        }
        for (name, value) in own {
            if let Some(key) = key_of(name) {
                draft.set(&format!("{PREFIX}{name}"), key, value);
            }
        }
    }
}

/// The key behind a name of ours: dots and underscores are the same in the environment.
fn key_of(name: &str) -> Option<&'static str> {
    SETTINGS.iter().map(|setting| setting.key).find(|key| env_name(key) == name)
}

/// The whole name of a setting's variable.
pub(super) fn variable(key: &str) -> String {
    format!("{PREFIX}{}", env_name(key))
}

/// What is taken of Confluent's image: its variable and ours.
pub(super) fn mapped() -> impl Iterator<Item = (String, String)> {
    MAPPED.iter().map(|(name, key)| (format!("{PREFIX}{name}"), variable(key)))
}

fn env_name(key: &str) -> String {
    key.to_ascii_uppercase().replace('.', "_")
}

fn apply_foreign(name: &str, value: &str, draft: &mut Draft) {
    let full = format!("{PREFIX}{name}");
    if let Some((_, key)) = MAPPED.iter().find(|(mapped, _)| *mapped == name) {
        let (value, dropped) = if name == "LISTENERS" { one_listener(value) } else { (value.to_owned(), Vec::new()) };
        let value = if name == "LOG4J_ROOT_LOGLEVEL" { value.to_ascii_lowercase() } else { value };
        draft.warnings.push(format!("`{full}` is taken as `{PREFIX}{}`", env_name(key)));
        if !dropped.is_empty() {
            let (dropped, kept) = (dropped.join("`, `"), &value);
            draft.warnings.push(format!(
                "`{dropped}` in `{full}` is ignored: this server listens on one address, here `{kept}`, without TLS"
            ));
        }
        draft.set(&full, key, &value);
        return;
    }
    let reason = WITHOUT_MEANING.iter().find(|(start, _)| match start.strip_suffix('_') {
        Some(_) => name.starts_with(start),
        None => name == *start || (*start == "METRIC" && name.starts_with("METRIC")),
    });
    match reason {
        Some((_, reason)) => draft.warnings.push(format!("`{full}` is ignored: {reason}")),
        None => draft.unknown(&full, name, |key| (env_name(key), variable(key))),
    }
}

/// `http://0.0.0.0:8081,https://...` names where to listen; the first plain one counts, and the others are given, too.
fn one_listener(listeners: &str) -> (String, Vec<&str>) {
    let mut others: Vec<&str> = listeners.split(',').map(str::trim).collect();
    let plain = others.iter().position(|listener| !listener.starts_with("https:"));
    let first = others.remove(plain.unwrap_or_default());
    let bare = first.split_once("://").map_or(first, |(_, rest)| rest).trim_end_matches('/');
    // Java takes an empty host for every address.
    let one = if bare.starts_with(':') { format!("0.0.0.0{bare}") } else { bare.to_owned() };
    (one, others)
}

/// For a Service called `schema-registry`, Kubernetes puts these into every pod of its namespace.
fn is_made_by_kubernetes(name: &str, value: &str) -> bool {
    (name == "PORT" && value.contains("://"))
        || name == "SERVICE_HOST"
        || name.starts_with("SERVICE_PORT")
        || name.strip_prefix("PORT_").is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
}
