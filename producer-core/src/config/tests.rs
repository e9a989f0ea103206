use std::time::Duration;

use super::elsewhere::{OLD_NAMES, WITHOUT_EFFECT};
use super::properties::{self, Read};
use super::settings::KEYS;
use super::value::FOREVER_MS;
use super::*;

fn read(properties: &[(&'static str, &'static str)]) -> Read {
    properties::read([("bootstrap.servers", "a:1")].into_iter().chain(properties.iter().copied()))
}

/// Properties that work and are not worth a word.
fn config(properties: &[(&'static str, &'static str)]) -> ProducerConfig {
    let Read { config, warnings } = read(properties);
    assert_eq!(warnings, [""; 0], "{properties:?}");
    config.unwrap()
}

/// The one warning that these properties are worth, and what they mean.
fn warned(properties: &[(&'static str, &'static str)]) -> (ProducerConfig, String) {
    let Read { config, warnings } = read(properties);
    assert_eq!(warnings.len(), 1, "{properties:?}: {warnings:?}");
    (config.unwrap(), warnings[0].clone())
}

/// The one thing that is wrong with these properties.
fn problem(properties: &[(&'static str, &'static str)]) -> String {
    let problems = read(properties).config.unwrap_err().problems;
    assert_eq!(problems.len(), 1, "{properties:?}: {problems:?}");
    problems[0].clone()
}

#[test]
fn properties_are_javas() {
    let config = ProducerConfig::from_properties([
        ("bootstrap.servers", "a:9092, b:9093"),
        ("linger.ms", " 20 "),
        ("batch.size", "100000"),
        ("compression.type", "lz4"),
        ("connections.max.idle.ms", "-1"),
        ("send.buffer.bytes", "-1"),
        ("metadata.recovery.strategy", "NONE"),
        ("client.dns.lookup", "resolve_canonical_bootstrap_servers_only"),
        ("max.block.ms", "9223372036854775807"),
        ("key.serializer", "org.apache.kafka.common.serialization.StringSerializer"),
        ("security.protocol", "plaintext"),
        ("no.such.key", "is only warned about"),
    ])
    .unwrap();

    assert_eq!(config.bootstrap_servers, ["a:9092", "b:9093"]);
    assert_eq!((config.linger, config.batch_bytes), (Duration::from_millis(20), 100_000));
    assert_eq!(config.compression, Compression::Lz4);
    assert_eq!((config.connection_idle_max, config.send_buffer_bytes), (None, None));
    assert_eq!(config.metadata_recovery, MetadataRecovery::None);
    assert_eq!(config.dns_lookup, DnsLookup::ResolveCanonicalBootstrapServersOnly);
    assert_eq!(config.max_block.as_millis(), u128::from(FOREVER_MS.unsigned_abs()));
    assert!(config.enable_idempotence);
}

#[test]
fn every_key_reads_what_it_prints() {
    let defaults = ProducerConfig::new("a:1");
    for row in KEYS {
        let printed = (row.print)(&defaults);
        let mut config = ProducerConfig::new("b:2");

        assert!((row.set)(&mut config, &printed).is_some(), "`{}` = `{printed}`", row.name);
        assert_eq!((row.print)(&config), printed, "`{}`", row.name);
    }
}

#[test]
fn every_range_ends_where_it_says() {
    for row in KEYS {
        let super::value::Values::Range { from, to, besides, .. } = row.values else { continue };
        let allowed = [Some(from), Some(to), besides];
        assert!(allowed.into_iter().flatten().all(|number| row.values.allows(number)), "`{}`", row.name);
        for number in [from - 1, to + 1] {
            let mut config = ProducerConfig::new("a:1");
            let is_read = (row.set)(&mut config, &number.to_string()).is_some();
            // Times beyond a hundred years are read as a hundred years.
            let is_refused = !is_read || config.validate().is_err() || to == FOREVER_MS && number > to;
            assert!(is_refused || besides == Some(number), "`{}` = {number}", row.name);
        }
    }
}

#[test]
fn a_value_that_cannot_be_read_is_told_with_what_would_do() {
    let rows = [
        ("acks", "2", "expected `all`, `-1`, `0` or `1`"),
        ("linger.ms", "-1", "expected milliseconds from 0"),
        ("request.timeout.ms", "2147483648", "expected milliseconds, 1 to 2147483647"),
        ("enable.idempotence", "yes", "expected `true` or `false`"),
        ("compression.type", "brotli", "expected `none`, `gzip`, `snappy`, `lz4` or `zstd`"),
        ("compression.gzip.level", "0", "expected 1 to 9, or -1"),
        ("compression.lz4.level", "18", "expected 1 to 17"),
        ("compression.zstd.level", "23", "expected -131072 to 22"),
        ("metadata.max.idle.ms", "4999", "expected milliseconds from 5000"),
        ("block.on.buffer.full", "perhaps", "expected `true` or `false`"),
        ("security.protocol", "SASL_SSL", "expected `PLAINTEXT`"),
        ("transactional.id", "t", "there are no transactions here"),
    ];
    for (key, value, expected) in rows {
        // A timeout is out of bounds for another reason too.
        let problems = read(&[(key, value)]).config.unwrap_err().problems;
        let found = problems.iter().find(|problem| problem.starts_with(&format!("`{key}` is ")));
        assert!(found.is_some_and(|problem| problem.contains(expected)), "{problems:?}");
    }
}

#[test]
fn partitioners_are_set_by_the_names_that_others_know() {
    for name in crate::partitioner::NAMES {
        for key in ["partitioner.class", "partitioner"] {
            assert!(config(&[(key, name)]).partitioner.is_some(), "{name}");
        }
        assert!(reference().contains(&format!("\n| `{name}` |")), "{name}");
    }
    let refused = problem(&[("partitioner.class", "com.example.Mine")]);
    assert!(refused.contains("expected one of `org.apache") && refused.contains("set in code"), "{refused}");
}

#[test]
fn every_problem_is_reported_at_once() {
    let found = ProducerConfig::from_properties([
        ("bootstrap.servers", "nonsense"),
        ("linger.ms", "-1"),
        ("compression.type", "brotli"),
        ("delivery.timeout.ms", "10"),
        ("max.in.flight.requests.per.connection", "6"),
        ("enable.idempotence", "true"),
    ])
    .unwrap_err();

    let names = ["bootstrap.servers", "linger.ms", "compression.type", "delivery.timeout.ms", "max.in.flight"];
    for name in names {
        assert!(found.problems.iter().any(|problem| problem.contains(name)), "{name}: {found}");
    }
    assert_eq!(found.problems.len(), names.len(), "{found}");
}

#[test]
fn settings_that_idempotence_cannot_have_turn_it_off_unless_it_is_set() {
    for (key, value) in [("acks", "1"), ("acks", "0"), ("retries", "0")] {
        let (implied, warning) = warned(&[(key, value)]);
        assert!(!implied.enable_idempotence && warning.contains("idempotence is off"), "{warning}");

        let refused = problem(&[(key, value), ("enable.idempotence", "true")]);
        assert!(refused.contains("`enable.idempotence` needs"), "{refused}");
    }
    // As Java 4: more requests in flight are refused even if idempotence is only the default.
    let too_many = ("max.in.flight.requests.per.connection", "6");
    assert!(problem(&[too_many]).contains("at most 5"));
    assert_eq!(config(&[too_many, ("enable.idempotence", "false")]).in_flight_max, 6);
}

#[test]
fn a_delivery_timeout_that_is_not_set_grows_and_one_that_is_set_is_refused() {
    let (grown, warning) = warned(&[("request.timeout.ms", "200000")]);
    assert_eq!(grown.delivery_timeout, Duration::from_millis(200_005));
    assert!(warning.contains("raised to 200005"), "{warning}");

    let refused = problem(&[("request.timeout.ms", "200000"), ("delivery.timeout.ms", "120000")]);
    assert!(refused.contains("expected at least `linger.ms` + `request.timeout.ms`, 200005"), "{refused}");
}

#[test]
fn a_linger_for_ever_needs_no_longer_delivery_timeout_than_java_can_say() {
    let (grown, warning) = warned(&[("linger.ms", "9223372036854775807")]);

    assert_eq!(grown.delivery_timeout.as_millis(), 2_147_483_647);
    assert!(warning.contains("raised to 2147483647"), "{warning}");
    config(&[("linger.ms", "9223372036854775807"), ("delivery.timeout.ms", "2147483647")]);
}

#[test]
fn a_pause_above_its_maximum_is_constant_and_warned_about() {
    for key in ["retry.backoff.ms", "socket.connection.setup.timeout.ms"] {
        let (_, warning) = warned(&[(key, "60000")]);
        assert!(warning.contains(&format!("`{key}` is above `{}`", key.replace(".ms", ".max.ms"))), "{warning}");
    }
    let (_, warning) = warned(&[("reconnect.backoff.ms", "200"), ("reconnect.backoff.max.ms", "100")]);
    assert!(warning.contains("100 ms each time"), "{warning}");
}

#[test]
fn a_reconnect_backoff_alone_is_constant() {
    assert_eq!(config(&[("reconnect.backoff.ms", "5000")]).reconnect_backoff_max, Duration::from_secs(5));
    let both = [("reconnect.backoff.ms", "5000"), ("reconnect.backoff.max.ms", "9000")];
    assert_eq!(config(&both).reconnect_backoff_max, Duration::from_secs(9));
}

#[test]
fn old_names_set_todays_and_say_so() {
    for old in OLD_NAMES {
        let row = KEYS.iter().find(|row| row.name == old.now).unwrap_or_else(|| panic!("{} leads nowhere", old.name));
        assert!(KEYS.iter().all(|row| row.name != old.name), "{} is a name of today", old.name);
        let value = match old.now {
            "bootstrap.servers" => "old:1",
            "acks" => "all",
            "compression.type" => "gzip",
            "max.in.flight.requests.per.connection" => "2",
            _ => "70000",
        };
        let brokers = [("bootstrap.servers", "a:1")].into_iter().filter(|(name, _)| *name != old.now);

        let Read { config, warnings } = properties::read(brokers.chain([(old.name, value)]));

        assert_eq!((row.print)(&config.unwrap()), value, "{}", old.name);
        assert_eq!(warnings, [format!("`{}` is an old name: it sets `{}`", old.name, old.now)]);
    }
}

#[test]
fn todays_name_wins_over_the_old_one() {
    let (config, warning) = warned(&[("timeout.ms", "1000"), ("request.timeout.ms", "2000")]);

    assert_eq!(config.request_timeout, Duration::from_secs(2));
    assert!(warning.contains("`timeout.ms` is ignored"), "{warning}");
}

#[test]
fn blocking_on_a_full_buffer_is_max_block_ms() {
    let (waiting, warning) = warned(&[("block.on.buffer.full", "true")]);
    assert_eq!(waiting.max_block.as_millis(), u128::from(FOREVER_MS.unsigned_abs()));
    assert!(warning.contains(&format!("`true` sets `max.block.ms` to {FOREVER_MS}")), "{warning}");

    let (brief, warning) = warned(&[("block.on.buffer.full", "false")]);
    assert_eq!(brief.max_block, Duration::from_secs(1));
    assert!(warning.contains("`false` sets `max.block.ms` to 1000"), "{warning}");

    for value in ["true", "false"] {
        let (given, warning) = warned(&[("block.on.buffer.full", value), ("max.block.ms", "7")]);
        assert_eq!(given.max_block, Duration::from_millis(7));
        assert!(warning.contains("`block.on.buffer.full` is ignored"), "{warning}");
        let old = [("bootstrap.servers", "a:1"), ("block.on.buffer.full", value), ("metadata.fetch.timeout.ms", "7")];
        let Read { config, warnings } = properties::read(old);
        assert_eq!(config.unwrap().max_block, Duration::from_millis(7));
        assert!(warnings.iter().any(|warning| warning.contains("`block.on.buffer.full` is ignored")), "{warnings:?}");
    }
}

#[test]
fn unknown_keys_are_named_with_the_nearest_known_one() {
    let rows = [
        ("linger.ns", Some("`linger.ms`")),
        ("linger", Some("`linger.ms`")),
        ("compression", Some("`compression.type`")),
        ("", None),
        ("Batch.Size", Some("`batch.size`")),
        ("buffer.memroy", Some("`buffer.memory`")),
        ("max.in.flight.request.per.connection", Some("`max.in.flight.requests.per.connection`")),
        ("schema.registry.url", None),
        ("x", None),
    ];
    for (key, near) in rows {
        let (_, warning) = warned(&[(key, "1")]);
        assert!(warning.contains(&format!("`{key}` is ignored")), "{warning}");
        match near {
            Some(near) => assert!(warning.ends_with(&format!("did you mean {near}?")), "{warning}"),
            None => assert!(!warning.contains("did you mean"), "{warning}"),
        }
    }
}

#[test]
fn settings_without_effect_say_why() {
    for known in WITHOUT_EFFECT.iter().filter(|known| !known.is_silent && !known.name.ends_with('.')) {
        let (_, warning) = warned(&[(known.name, "x")]);
        assert!(warning.contains("has no effect here") && warning.ends_with(known.reason), "{warning}");
    }
    assert!(warned(&[("ssl.truststore.location", "x")]).1.contains("connections are plaintext"));
    config(&[("value.serializer", "x")]);
}

#[test]
fn the_reference_names_every_setting_with_its_default() {
    let page = reference();
    let defaults = ProducerConfig::default();
    for row in KEYS {
        let line = page.lines().find(|line| line.starts_with(&format!("| `{}` |", row.name)));
        let line = line.unwrap_or_else(|| panic!("no line for `{}`", row.name));
        assert!(line.contains(&(row.print)(&defaults)) && line.contains(row.meaning.trim()), "{line}");
    }
}

#[test]
fn a_value_that_stands_elsewhere_is_read_there_and_not_told() {
    let env = [
        ("config.providers", "env"),
        ("config.providers.env.class", "org.apache.kafka.common.config.provider.EnvVarConfigProvider"),
    ];
    let with = |property: (&'static str, &'static str)| [env[0], env[1], property];

    assert_eq!(config(&with(("client.id", "${env:CARGO_PKG_NAME}-1"))).client_id, "producer-core-1");
    assert_eq!(config(&[("client.id", "${env:CARGO_PKG_NAME}")]).client_id, "${env:CARGO_PKG_NAME}");
    let refused = problem(&with(("linger.ms", "${env:CARGO_PKG_NAME}")));
    assert_eq!(refused, "`linger.ms` is `${env:CARGO_PKG_NAME}`: expected milliseconds from 0");
    let missing = problem(&with(("linger.ms", "${env:CARGO_NO_SUCH}")));
    assert!(missing.starts_with("`linger.ms`: `${env:CARGO_NO_SUCH}`: environment variable not found"), "{missing}");
    for key in ["security.protocol", "transactional.id", "partitioner.class", "block.on.buffer.full"] {
        let problem = problem(&with((key, "${env:CARGO_PKG_NAME}")));
        assert!(problem.starts_with(&format!("`{key}` is `${{env:CARGO_PKG_NAME}}`: ")), "{problem}");
    }
    let servers = read(&with(("bootstrap.servers", "a:1,${env:CARGO_PKG_NAME}"))).config.unwrap_err().to_string();
    assert!(!servers.contains("producer-core"), "{servers}");
    let (_, warning) = warned(&with(("my.app.key", "${env:CARGO_NO_SUCH}")));
    assert!(warning.contains("environment variable not found"), "{warning}");
    let (_, warning) = warned(&with(("config.providers.env.param.allowed.path", "/x")));
    assert!(warning.contains("unknown producer property"), "{warning}");
}
