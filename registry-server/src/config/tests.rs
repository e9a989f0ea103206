//! Tables over the sources of settings.

use super::draft::Draft;
use super::settings::SETTINGS;
use super::{Database, Flags, LogFormat, ServerConfig, file};

fn flags(args: &[&str]) -> Result<Flags, clap::Error> {
    Flags::read_from(std::iter::once(&"registry-server").chain(args).map(Into::into))
}

fn load(args: &[&str], environment: &[(&str, &str)]) -> Result<super::Loaded, super::LoadError> {
    let flags = flags(args).expect("flags are well-formed");
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
    let mut draft = Draft::default();

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
    let mut draft = Draft::default();

    file::apply_text("x.toml", "[limits]\nbody_byte = 10\n", &mut draft);

    assert_eq!(draft.problems, ["`limits.body_byte` in `x.toml` is no setting; did you mean `limits.body_bytes`?"]);
    assert_eq!(
        problems(&[], &[("SCHEMA_REGISTRY_DATABSE", "x")]),
        ["`SCHEMA_REGISTRY_DATABSE` is no setting; did you mean `SCHEMA_REGISTRY_DATABASE`?"]
    );
}

#[test]
fn what_others_call_a_setting_leads_to_ours() {
    let mut draft = Draft::default();
    file::apply_text(
        "x.toml",
        "port = 8082\n[database]\nurl = \"sqlite://a.db\"\n[server]\nhost = \"::1\"\n",
        &mut draft,
    );

    let mut told = draft.problems;
    told.sort();
    assert_eq!(
        told,
        [("database.url", "database"), ("port", "listen"), ("server.host", "listen")]
            .map(|(written, meant)| format!("`{written}` in `x.toml` is no setting; did you mean `{meant}`?"))
    );
    for (variable, meant) in [("HOST", "LISTEN"), ("PORT", "LISTEN"), ("DB_URL", "DATABASE"), ("VERBOSE", "LOG_LEVEL")]
    {
        let [variable, meant] = [variable, meant].map(|name| format!("SCHEMA_REGISTRY_{name}"));
        assert_eq!(
            problems(&[], &[(&*variable, "x")]),
            [format!("`{variable}` is no setting; did you mean `{meant}`?")]
        );
    }
}

#[test]
fn a_flag_that_others_have_leads_to_ours() {
    let listen = "'--listen' takes an address with a port, for instance `127.0.0.1:8081`";
    let database = "'--database' takes `sqlite://PATH` or `postgres://";
    for (args, tip) in [
        (&["--port", "8082"][..], listen),
        (&["--port=8082"], listen),
        (&["-p", "8082"], listen),
        (&["--host", "0.0.0.0"], listen),
        (&["--listeners", "http://0.0.0.0:8081"], listen),
        (&["--db", "registry.db"], database),
        (&["--database-url", "sqlite://registry.db"], database),
        (&["--verbose"], "'--log-level' takes `error`, "),
        (&["--compatibility-level", "FULL"], "'--compatibility' takes NONE, BACKWARD, "),
        (&["--in-memory"], "'--ephemeral' keeps schemas in memory"),
        (&["--bootstrap-servers", "kafka:9092"], "schemas are kept in the database that '--database' names, not in "),
        (&["/etc/schema-registry/schema-registry.properties"], "'--config PATH' names a file with settings, in TOML"),
        // By the library.
        (&["--lisen", "127.0.0.1:1"], "a similar argument exists: '--listen'"),
    ] {
        let told = flags(args).unwrap_err().to_string();
        assert_eq!(told.matches("tip: ").count(), 1, "{told}");
        assert!(told.contains(&format!("unexpected argument '{}", args[0].split('=').next().unwrap())), "{told}");
        assert!(told.contains(&format!("tip: {tip}")), "{told}");
    }
    for odd in ["--colour", "start"] {
        let told = flags(&[odd]).unwrap_err().to_string();
        assert!(!told.contains("tip: "), "{told}");
    }
}

#[test]
fn a_setting_below_the_table_of_another_is_told_with_where_it_belongs() {
    for (text, setting) in [
        ("[limits]\ncache.bytes = 3\n", "cache.bytes"),
        ("[limits]\nbody_bytes = 10\nlisten = \"[::1]:9\"\n", "listen"),
    ] {
        let mut draft = Draft::default();

        file::apply_text("x.toml", text, &mut draft);

        assert_eq!(
            draft.problems,
            [format!(
                "`limits.{setting}` in `x.toml` is no setting: `{setting}` is one, and belongs above the first table \
                 (the first line in brackets)"
            )]
        );
    }
}

#[test]
fn a_text_without_quotes_is_told_by_its_place_and_not_shown() {
    let mut draft = Draft::default();

    file::apply_text("x.toml", "# A comment.\ndatabase = postgres://sr:secret@host/registry\n", &mut draft);

    let [problem] = &draft.problems[..] else { panic!("{:#?}", draft.problems) };
    assert!(problem.starts_with("`x.toml` is not TOML, line 2, column 12: "), "{problem}");
    assert!(problem.contains("a text stands in quotes, as in `listen = ") && !problem.contains("secret"), "{problem}");
}

#[test]
fn a_file_that_is_no_toml_is_told_with_the_place_and_what_to_do() {
    let twice = "stands there for the second time; keep one of the two";
    let no_value = "a key has no value; write it behind the `=`, as in `listen = \"127.0.0.1:8081\"`, or leave";
    for (text, problem) in [
        ("listen = \"[::1]:1\"\nlisten = \"[::1]:2\"\n", format!("line 2, column 1: `listen` {twice}")),
        (
            "[limits]\nreferences = 1\n[cache]\nbytes = 1\n  [limits]\nbody_bytes = 1\n",
            format!("line 5, column 4: `limits` {twice}"),
        ),
        ("# A comment.\nlisten =\n[cache]\nbytes = 1\n", format!("line 2, column 9: {no_value}")),
        ("listen = # Where?\n", format!("line 1, column 10: {no_value}")),
        ("database", format!("line 1, column 9: {no_value}")),
        ("listen: \"[::1]:1\"", format!("line 1, column 9: {no_value}")),
        ("compatibility = \"FULL\"\nlisten\ndatabase = \"sqlite://a.db\"", format!("line 2, column 7: {no_value}")),
    ] {
        let mut draft = Draft::default();

        file::apply_bytes("x.toml", text.as_bytes(), &mut draft);

        let [found] = &draft.problems[..] else { panic!("{:#?}", draft.problems) };
        assert!(found.starts_with(&format!("`x.toml` is not TOML, {problem}")), "{found}");
    }
}

#[test]
fn a_file_that_is_not_in_utf_8_is_told_with_the_place() {
    let mut draft = Draft::default();

    file::apply_bytes("x.toml", b"# Stra\xc3\x9fe\ndatabase = \"sqlite://Stra\xdfe.db\"\n", &mut draft);

    let [problem] = &draft.problems[..] else { panic!("{:#?}", draft.problems) };
    assert!(problem.starts_with("`x.toml` is not in UTF-8, line 2, column 26: save it as UTF-8"), "{problem}");
}

#[test]
fn a_file_that_cannot_be_read_is_told_with_what_names_it() {
    let variable = ("SCHEMA_REGISTRY_CONFIG", "/nowhere/of-variable.toml");

    let by_variable = problems(&[], &[variable]).remove(0);
    let by_flag = problems(&["--config", "/nowhere/of-flag.toml"], &[variable]).remove(0);

    let told = "`/nowhere/of-variable.toml`, which `SCHEMA_REGISTRY_CONFIG` names, cannot be read: ";
    assert!(by_variable.starts_with(told), "{by_variable}");
    assert!(by_flag.starts_with("`/nowhere/of-flag.toml`, which `--config` names, cannot be read: "), "{by_flag}");
    assert!(by_flag.ends_with(
        "; name a file that is there, or do without `--config`: every setting has a default (docs/config.md)"
    ));
    let folder = tempfile::tempdir().unwrap();
    let by_folder = problems(&["--config", folder.path().to_str().unwrap()], &[]).remove(0);
    assert!(by_folder.ends_with("; name a file in it, such as `schema-registry.toml`"), "{by_folder}");
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
            ("SCHEMA_REGISTRY_LISTENERS", "https://0.0.0.0:9001, http://0.0.0.0:9000,http://[::1]:9002"),
            ("SCHEMA_REGISTRY_HOST_NAME", "sr"),
            ("SCHEMA_REGISTRY_KAFKASTORE_BOOTSTRAP_SERVERS", "b:9092"),
        ],
    )
    .unwrap();

    assert_eq!(loaded.config.listen.to_string(), "0.0.0.0:9000");
    assert_eq!(loaded.warnings.len(), 4, "{:#?}", loaded.warnings);
    let dropped = "`https://0.0.0.0:9001`, `http://[::1]:9002` in `SCHEMA_REGISTRY_LISTENERS` is ignored";
    assert!(loaded.warnings.iter().any(|warning| warning.starts_with(dropped)), "{:#?}", loaded.warnings);
    assert!(loaded.warnings.iter().any(|warning| warning.contains("not in Kafka")));
}

#[test]
fn a_setting_without_its_table_is_told_with_it_and_what_is_a_flag_with_the_flag() {
    let mut draft = Draft::default();
    file::apply_text("x.toml", "body_bytes = 3\nephemeral = true", &mut draft);

    assert_eq!(
        draft.problems,
        [
            "`body_bytes` in `x.toml` is no setting; did you mean `limits.body_bytes`?",
            "`ephemeral` in `x.toml` is no setting; the flag `--ephemeral` keeps schemas in memory",
        ]
    );
    assert_eq!(
        problems(&[], &[("SCHEMA_REGISTRY_EPHEMERAL", "true")]),
        ["`SCHEMA_REGISTRY_EPHEMERAL` is no setting; the flag `--ephemeral` keeps schemas in memory"]
    );
}

#[test]
fn the_url_of_a_database_in_memory_is_the_flag() {
    let loaded = load(&["--database", "sqlite::memory:"], &[]).unwrap();

    assert_eq!(loaded.config.database, Database::Ephemeral);
}

#[test]
fn the_defaults_are_fine() {
    assert_eq!(ServerConfig::default().validate(), Ok(()));
    assert_eq!(ServerConfig::ephemeral().validate(), Ok(()));
}

#[test]
fn numbers_out_of_their_range_are_refused_with_its_ends() {
    let limit = |name: &str, value: &str| problems(&["--ephemeral"], &[(name, value)]);

    for (name, greatest) in [("SCHEMA_REGISTRY_LIMITS_HEADER_COUNT", 96), ("SCHEMA_REGISTRY_LIMITS_JSON_NESTING", 127)]
    {
        let over =
            format!("`{name}` is {}, more than the libraries can read: expected at most {greatest}", greatest + 1);
        assert_eq!(limit(name, &(greatest + 1).to_string()), [over]);
        let under = format!("`{name}` is 0, which would refuse everything: expected at least 1");
        assert_eq!(limit(name, "0"), [under]);
        for fine in [1, greatest] {
            assert!(load(&["--ephemeral"], &[(name, &fine.to_string())]).is_ok(), "{name}: {fine}");
        }
    }
}

#[test]
fn a_value_that_cannot_be_used_is_told_with_what_gave_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("x.toml");
    std::fs::write(
        &file,
        "listen = \"0.0.0.0:1\"\ndatabase = \"foo.db\"\n[cache]\nbytes = 0\n[limits]\nurl_bytes = 0\n",
    )
    .unwrap();
    let file = file.to_str().unwrap();
    let told = |args: &[&str], environment: &[(&str, &str)]| -> Vec<String> {
        let names = problems(args, environment).into_iter();
        names.map(|problem| problem.split_once(" is ").expect("a name").0.to_owned()).collect()
    };

    let in_file = ["listen", "database", "limits.url_bytes"].map(|key| format!("`{key}` in `{file}`"));
    assert_eq!(told(&["--config", file], &[]), in_file);
    for (name, value) in [
        ("SCHEMA_REGISTRY_LISTEN", "0.0.0.0:2"),
        ("SCHEMA_REGISTRY_LISTENERS", "http://0.0.0.0:2"),
        ("SCHEMA_REGISTRY_DATABASE", "postgres"),
        ("SCHEMA_REGISTRY_INCOMPATIBLE_CODE", "404"),
        ("SCHEMA_REGISTRY_HTTP_BODY_TIMEOUT_MS", "0"),
    ] {
        assert_eq!(told(&[], &[(name, value)]), [format!("`{name}`")]);
    }
    let flags = ["--listen", "0.0.0.0:3", "--database", "foo.db"];
    assert_eq!(told(&flags, &[("SCHEMA_REGISTRY_LISTENERS", "http://0.0.0.0:2")]), ["`--listen`", "`--database`"]);
}

#[test]
fn a_mistyped_variable_of_postgresql_stops_a_start_that_would_read_it() {
    let vars = [("PGSSLMODE", "requird")];
    let told = "`PGSSLMODE` is `requird`: expected `disable`, `allow`, `prefer`, `require`, `verify-ca` or \
                `verify-full`, or no such variable";

    assert_eq!(problems(&["--database", "postgres:///registry"], &vars), [told]);
    assert!(load(&["--database", "postgres:///registry?sslmode=require"], &vars).is_ok());
    assert!(load(&["--ephemeral"], &vars).is_ok());
}

#[test]
fn every_setting_reads_what_it_prints() {
    let (mut draft, defaults) =
        (Draft { config: ServerConfig::ephemeral(), ..Draft::default() }, ServerConfig::default());

    for row in SETTINGS {
        draft.set(row.key, row.key, &(row.print)(&defaults));
    }

    assert_eq!(draft.problems, Vec::<String>::new());
    assert_eq!(format!("{:#?}", draft.config), format!("{defaults:#?}"));
}

#[test]
fn a_file_writes_numbers_without_quotes_and_texts_with() {
    for (text, problem) in [
        (
            "[limits]\nbody_bytes = \"1\"",
            "`limits.body_bytes` in `x.toml` is of the type string: expected a whole number, 0 or more, \
          without quotes",
        ),
        (
            "[http]\nbody_timeout_ms = 1.5",
            "`http.body_timeout_ms` in `x.toml` is of the type float: expected a whole number of \
          milliseconds, without quotes",
        ),
        (
            "insecure_public = \"true\"",
            "`insecure_public` in `x.toml` is of the type string: expected `true` or `false`, without quotes",
        ),
        (
            "[log]\nlevel = 1",
            "`log.level` in `x.toml` is of the type integer: expected `error`, `warn`, `info`, `debug`, `trace`, `off`, \
          or a list such as `info,sqlx=warn`, in quotes",
        ),
        (
            "database = [\"postgres://sr:secret@host/registry\"]",
            "`database` in `x.toml` is of the type array: expected `sqlite://PATH` \
          or `postgres://USER:PASSWORD@HOST:PORT/DATABASE`, in quotes",
        ),
        ("[limits]\nbody_bytes = -1", "`limits.body_bytes` in `x.toml` is `-1`: expected a whole number, 0 or more"),
    ] {
        let mut draft = Draft::default();

        file::apply_text("x.toml", text, &mut draft);

        assert_eq!(draft.problems, [problem], "{text}");
    }
    // Variables are texts: there a number has no quotes to lose.
    let loaded = load(&["--ephemeral"], &[("SCHEMA_REGISTRY_LIMITS_BODY_BYTES", "1")]).unwrap();
    assert_eq!(loaded.config.limits.body_bytes, 1);
}

#[test]
fn a_word_that_would_switch_logging_off_is_refused_with_the_levels() {
    for level in ["loud", "warning", "", "info,loud", "info,", "info, sqlx=warn", "registry", "sqlx=loud"] {
        let expected = "expected `error`, `warn`, `info`, `debug`, `trace`, `off`, or a list such as `info,sqlx=warn`";
        assert_eq!(problems(&["--log-level", level], &[]), [format!("`--log-level` is `{level}`: {expected}")]);
    }
    for level in ["warn", "DEBUG", "off", "info,sqlx=off", "warn,registry_server::store", "hyper=trace,error"] {
        assert_eq!(load(&["--log-level", level], &[]).unwrap().config.log.level, level);
    }
}

#[test]
fn what_names_the_database_is_known() {
    let origin = |args: &[&str], environment: &[(&str, &str)]| load(args, environment).unwrap().database_origin;
    let variable = ("SCHEMA_REGISTRY_DATABASE", "sqlite://a.db");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("x.toml");
    std::fs::write(&file, "database = \"sqlite://b.db\"\n").unwrap();
    let file = file.to_str().unwrap();

    assert_eq!(origin(&[], &[]), None);
    assert_eq!(origin(&["--config", file], &[]), Some(format!("`database` in `{file}`")));
    assert_eq!(origin(&["--config", file], &[variable]), Some("`SCHEMA_REGISTRY_DATABASE`".to_owned()));
    assert_eq!(origin(&["--database", "sqlite://c.db"], &[variable]), Some("`--database`".to_owned()));
}

#[test]
fn a_sqlite_url_without_slashes_is_refused_at_once() {
    let found = problems(&["--database", "sqlite:registry.db"], &[]);

    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(found[0].contains("`sqlite:`") && found[0].contains("`sqlite://PATH`"), "{found:#?}");
}
