//! `docs/producer-config.md`, made from the tables.

use std::fmt::Write as _;

use super::elsewhere::{BLOCK_ON_BUFFER_FULL, BRIEF_BLOCK_MS, JAVA_0_9, OLD_NAMES, WITHOUT_EFFECT};
use super::settings::{KEYS, ProducerConfig};

const TITLE: &str = "\
# Settings of the producer

";

/// Compiled and run as documentation of [`config`](super).
const IN_RUST: &str = include_str!("in_rust.md");

const INTRODUCTION: &str = "
This page is made from the table in `producer-core/src/config/settings.rs`, which is the only source; a test
compares the two.

Names, units and defaults are those of Java's client 4.x, so that one properties file serves both; `linger.adaptive`
is ours alone, and Java's client warns of it. All settings are
checked together when a producer is made, and every problem is told at once. A key that is not known is warned about
through `tracing`, with the known one that is nearest to it.

Refused here, and taken by Java's client:

- 0, or less where Java knows no range: `buffer.memory`, `max.request.size`, `request.timeout.ms`,
  `metadata.max.age.ms`, `metrics.sample.window.ms`, `socket.connection.setup.timeout.ms` and
  `socket.connection.setup.timeout.max.ms` are at least 1;
- less than -1: `connections.max.idle.ms`;
- more than 1 GiB: `batch.size` and `max.request.size`; more than 1 EiB: `buffer.memory`; more than 1000:
  `max.in.flight.requests.per.connection`; more than 1024 bytes: `client.id`;
- a `batch.size` above `buffer.memory`, with which Java's client refuses each record.

";

const NO_EFFECT: &str = "
## Settings without effect

Keys of Java's client, or of librdkafka, that may stand in a file and do nothing here. All but the serializers are
warned about.

| key | why |
|---|---|
";

const PARTITIONERS: &str = "
## Partitioners

`partitioner.class`, or librdkafka's `partitioner`, takes these names; without one, keys are hashed as Java does and
records without a key stick to a partition for a batch. Partitioners of your own are set in code, by
`ProducerConfig::partitioner`, and so is `LeastBackupPartitioner`, which sends records without a key where the fewest
batches wait.

| name | keys | without a key |
|---|---|---|
| `org.apache.kafka.clients.producer.RoundRobinPartitioner` | one partition after the other | the same |
| `random` | random | random |
| `consistent` | CRC-32 | as an empty key |
| `consistent_random` | CRC-32; random if empty | random |
| `murmur2` | as Java | as an empty key |
| `murmur2_random` | as Java | random |
| `fnv1a` | FNV-1a | as an empty key |
| `fnv1a_random` | FNV-1a | random |
";

const ELSEWHERE: &str = "
## Values that stand elsewhere

`${provider:key}`, or `${provider:path:key}`, in a value of a file is replaced by what the provider has, as in Java.
`config.providers` names the providers, comma-separated, and `config.providers.NAME.class` says what each is:

| class | `${NAME:...}` | `config.providers.NAME.param....` |
|---|---|---|
| `org.apache.kafka.common.config.provider.EnvVarConfigProvider` | `${NAME:VARIABLE}`: of the environment | `allowlist.pattern`: a regular expression, without lookaround, for the variables that may be read |
| `org.apache.kafka.common.config.provider.FileConfigProvider` | `${NAME:/path/of.properties:key}` | `allowed.paths`: files and folders, absolute and comma-separated, that may be read |
| `org.apache.kafka.common.config.provider.DirectoryConfigProvider` | `${NAME:/path/of/folder:file}`: the text of the file | `allowed.paths` |

Other than in Java, what a provider does not have is a problem, which names the reference and nothing that was read; so
is a name without a class. A path in `allowed.paths` need not exist yet. In a file of properties, a character beyond
U+FFFF is written as it is: two `\\u` escapes in a row do not stand for one.
";

const REFUSED: &str = "
## Settings that are refused

`security.protocol` other than `PLAINTEXT`, and any `transactional.id`: whoever sets them counts on what they promise.
";

const OLD: &str = "
## Old names

Each is warned about, with what it sets. If both are given, today's name counts.

| key | of | sets |
|---|---|---|
";

/// The page.
pub(super) fn page() -> String {
    let mut page = TITLE.to_owned();
    // As rustdoc shows it.
    IN_RUST.split_inclusive('\n').filter(|line| !line.starts_with("# ")).for_each(|line| page.push_str(line));
    page.push_str(INTRODUCTION);
    let defaults = ProducerConfig::default();
    page.push_str("| key | default | values | field | meaning |\n|---|---|---|---|---|\n");
    for row in KEYS {
        let default = Some((row.print)(&defaults)).filter(|default| !default.is_empty());
        let default = default.map(|default| format!("`{default}`")).unwrap_or_default();
        let (values, meaning) = (row.values.to_string(), row.meaning.trim());
        line(&mut page, &[&format!("`{}`", row.name), &default, &values, &format!("`{}`", row.field), meaning]);
    }
    page.push_str(PARTITIONERS);
    page.push_str(ELSEWHERE);
    page.push_str(NO_EFFECT);
    for known in WITHOUT_EFFECT {
        let group = if known.name.ends_with('.') { "*" } else { "" };
        line(&mut page, &[&format!("`{}{group}`", known.name), known.reason]);
    }
    page.push_str(REFUSED);
    page.push_str(OLD);
    for old in OLD_NAMES {
        line(&mut page, &[&format!("`{}`", old.name), old.origin, &format!("`{}`", old.now)]);
    }
    let waits = format!("`max.block.ms`: `true` to for ever, `false` to {BRIEF_BLOCK_MS}");
    line(&mut page, &[&format!("`{BLOCK_ON_BUFFER_FULL}`"), JAVA_0_9, &waits]);
    page
}

fn line(page: &mut String, cells: &[&str]) {
    // Writing to a string does not fail.
    let _ = writeln!(page, "| {} |", cells.join(" | "));
}
