//! Tables over the sources of settings.

use clap::Parser;

use super::settings::{Draft, SETTINGS};
use super::{Database, Flags, LogFormat, ServerConfig, file};

fn load(args: &[&str], environment: &[(&str, &str)]) -> Result<super::Loaded, super::ConfigError> {
    let flags = Flags::try_parse_from(std::iter::once(&"registry-server").chain(args)).expect("flags are well-formed");
    ServerConfig::load(&flags, environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
}

fn problems(args: &[&str], environment: &[(&str, &str)]) -> Vec<String> {
    load(args, environment).expect_err("must be refused").problems
}

#[test]
fn later_sources_win() {
    let loaded = load(
        &["--listen", "127.0.0.1:3", "--ephemeral"],
        &[("SCHEMA_REGISTRY_LISTEN", "127.0.0.1:2"), ("SCHEMA_REGISTRY_CACHE_BYTES", "7")],
    )
    .unwrap();

    assert_eq!(loaded.config.listen.port(), 3);
    assert_eq!(loaded.config.cache.bytes, 7);
    assert_eq!(loaded.config.database, Database::Ephemeral);
}

#[test]
fn a_file_sets_values_in_tables() {
    let mut draft = Draft::new();

    file::apply_text(
        "x.toml",
        "listen = \"[::1]:9\"\n[limits]\nbody_bytes = 10\n[log]\nformat = \"json\"\n",
        &mut draft,
    );

    assert_eq!(draft.problems, Vec::<String>::new());
    assert_eq!(draft.config.listen.to_string(), "[::1]:9");
    assert_eq!(draft.config.limits.body_bytes, 10);
    assert_eq!(draft.config.log.format, LogFormat::Json);
}

#[test]
fn an_unknown_key_names_the_nearest_known_one() {
    let mut draft = Draft::new();

    file::apply_text("x.toml", "[limits]\nbody_byte = 10\n", &mut draft);

    assert_eq!(draft.problems, ["`limits.body_byte` is no setting; did you mean `limits.body_bytes`?"]);
    assert_eq!(
        problems(&[], &[("SCHEMA_REGISTRY_DATABSE", "x")]),
        ["`SCHEMA_REGISTRY_DATABSE` is no setting; did you mean `SCHEMA_REGISTRY_DATABASE`?"]
    );
}

#[test]
fn every_problem_is_reported_at_once() {
    let found = problems(
        &["--listen", "0.0.0.0:8081", "--compatibility", "sideways"],
        &[("SCHEMA_REGISTRY_INCOMPATIBLE_CODE", "404"), ("SCHEMA_REGISTRY_LIMITS_BODY_BYTES", "0")],
    );

    assert_eq!(found.len(), 4, "{found:#?}");
    assert!(found.iter().any(|problem| problem.contains("--insecure-public")), "{found:#?}");
}

#[test]
fn names_that_kubernetes_makes_are_ignored() {
    let loaded = load(
        &[],
        &[
            ("SCHEMA_REGISTRY_PORT", "tcp://10.0.0.1:8081"),
            ("SCHEMA_REGISTRY_SERVICE_HOST", "10.0.0.1"),
            ("SCHEMA_REGISTRY_SERVICE_PORT_HTTP", "8081"),
            ("SCHEMA_REGISTRY_PORT_8081_TCP_ADDR", "10.0.0.1"),
        ],
    )
    .unwrap();

    assert_eq!(loaded.warnings, Vec::<String>::new());
}

#[test]
fn names_of_confluents_image_are_mapped_or_warned_about() {
    let loaded = load(
        &["--insecure-public"],
        &[
            ("SCHEMA_REGISTRY_LISTENERS", "http://0.0.0.0:9000"),
            ("SCHEMA_REGISTRY_HOST_NAME", "sr"),
            ("SCHEMA_REGISTRY_KAFKASTORE_BOOTSTRAP_SERVERS", "b:9092"),
        ],
    )
    .unwrap();

    assert_eq!(loaded.config.listen.to_string(), "0.0.0.0:9000");
    assert_eq!(loaded.warnings.len(), 3, "{:#?}", loaded.warnings);
    assert!(loaded.warnings.iter().any(|warning| warning.contains("not in Kafka")));
}

#[test]
fn the_defaults_are_fine() {
    assert_eq!(ServerConfig::default().validate(), Ok(()));
    assert_eq!(ServerConfig::ephemeral().validate(), Ok(()));
}

#[test]
fn the_defaults_that_are_told_are_those_in_force() {
    let mut draft = Draft::new();
    // Away from its default, so that a row which does nothing shows.
    draft.config = ServerConfig::ephemeral();

    for setting in SETTINGS {
        draft.set(setting.key, setting.key, setting.default);
    }

    assert_eq!(draft.problems, Vec::<String>::new());
    assert_eq!(format!("{:#?}", draft.config), format!("{:#?}", ServerConfig::default()));
}
