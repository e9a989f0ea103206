//! Our settings are those of Java's client: its names, its defaults, its ranges or a word where they are narrower, and
//! none of them forgotten.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use end_to_end_tests::services::java::Java;

const PATIENCE: Duration = Duration::from_secs(120);

/// Settings with a text of their own.
const APART: [&str; 4] = ["config.providers", "partitioner.class", "security.protocol", "transactional.id"];

/// Settings that Java's client does not have.
const OURS_ALONE: [&str; 1] = ["linger.adaptive"];

/// Settings that Java's client gets after the release that is tested, with the defaults of their KIPs (1123, 1242).
const LATER: [(&str, &str); 3] =
    [("client.rack", ""), ("metadata.cluster.check.enable", "true"), ("partitioner.rack.aware", "false")];

#[test]
fn every_setting_of_java_is_there_with_its_default_or_said_to_be_without_effect() {
    let printed = settings_of_java();
    let mut java: BTreeMap<&str, &str> = lines(&printed).map(|[name, default, ..]| (name, default)).collect();
    assert!(java.len() > 100, "{printed}");
    for (name, default) in LATER {
        assert_eq!(java.insert(name, default), None, "`{name}` has come; take it off the list");
    }

    let reference = producer_core::config::reference();
    let (settings, rest) = reference.split_once("## Partitioners").unwrap();
    let (_, rest) = rest.split_once("## Settings without effect").unwrap();
    let (without_effect, _) = rest.split_once("## Old names").unwrap();
    let ours: BTreeMap<&str, &str> = rows(settings).map(|row| (row[0], row[1])).collect();
    let without_effect: Vec<&str> = rows(without_effect).map(|row| row[0]).collect();

    for (name, default) in ours.iter().filter(|(name, _)| !OURS_ALONE.contains(name)) {
        assert_eq!(java.get(name), Some(default), "`{name}`: Java's default, and ours");
    }
    let is_group_of = |group: &str, name: &str| group.strip_suffix('*').is_some_and(|group| name.starts_with(group));
    for name in java.keys() {
        let is_there = ours.contains_key(name) || APART.contains(name);
        let is_told = without_effect.iter().any(|known| known == name || is_group_of(known, name));
        assert!(is_there != is_told, "`{name}` of Java is here: {is_there}, said to be without effect: {is_told}");
    }
}

#[test]
fn ranges_that_are_narrower_than_those_of_java_are_named() {
    let printed = settings_of_java();
    let reference = producer_core::config::reference();
    let (settings, _) = reference.split_once("## Partitioners").unwrap();
    let (introduction, table) = settings.split_once("| key |").unwrap();
    let (_, refused) = introduction.split_once("Refused here").unwrap();
    let ours: BTreeMap<&str, &str> = rows(table).map(|row| (row[0], row[2])).collect();

    let (mut narrower, mut named) = (BTreeSet::new(), BTreeSet::new());
    for [name, _, of_type, range] in lines(&printed) {
        let largest = match of_type {
            "INT" => i64::from(i32::MAX),
            "LONG" => i64::MAX,
            _ => continue,
        };
        let Some(values) = ours.get(name) else { continue };
        let (java, ours) = (ends(range, largest), ends(values, i64::MAX));
        if ours.0 > java.0 || ours.1 < java.1 {
            narrower.insert(name);
        }
        if refused.contains(&format!("`{name}`")) {
            named.insert(name);
        }
    }
    assert_eq!(named, narrower);
}

/// One value that refers to everything, read by Java's client and by ours.
#[test]
fn values_that_stand_elsewhere_are_read_as_by_java() {
    const PROVIDER: &str = "org.apache.kafka.common.config.provider";
    let folder = tempfile::tempdir().unwrap();
    let (path, properties) = (folder.path().to_str().unwrap(), folder.path().join("some.properties"));
    std::fs::write(folder.path().join("text"), "<text of a file>").unwrap();
    std::fs::write(&properties, "# A comment\nplain=one\n  spaced key\t: two \\\n    lines\nescaped=\\u00e9 \\= 3\n")
        .unwrap();
    let file = format!("${{file:{}:", properties.display());
    let values = format!(
        "${{env:PATH}}|{file}plain}}|{file}escaped}}|{file}spaced}}|${{dir:{path}:text}}|${{none:a:b}}|${{}}|$ {{env:PATH}}|{file}plain"
    );
    let given = [
        ("config.providers", "env,file,dir".to_owned()),
        ("config.providers.env.class", format!("{PROVIDER}.EnvVarConfigProvider")),
        ("config.providers.file.class", format!("{PROVIDER}.FileConfigProvider")),
        ("config.providers.file.param.allowed.paths", path.to_owned()),
        ("config.providers.dir.class", format!("{PROVIDER}.DirectoryConfigProvider")),
        ("client.id", values),
    ];

    let arguments: Vec<String> = given.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let java = Java::find().unwrap().run_source("java/ProviderValues.java", &arguments, PATIENCE).unwrap();
    let servers = ("bootstrap.servers", "localhost:9092");
    let given = given.iter().map(|(key, value)| (*key, value.as_str())).chain([servers]);
    let ours = producer_core::ProducerConfig::from_properties(given).unwrap().client_id;

    assert_eq!(ours, java.trim_end_matches('\n'));
    assert!(ours.contains("|one|\u{e9} = 3|") && ours.contains("|<text of a file>|${none:a:b}|${}|"), "{ours}");
}

/// The smallest and the largest number of a range, ours or Java's, as `[0,...]`, `1 to 9, or -1` and the like.
fn ends(range: &str, largest: i64) -> (i64, i64) {
    let numbers = |text: &str| -> Vec<i64> {
        text.split(|part: char| !part.is_ascii_digit() && part != '-').filter_map(|part| part.parse().ok()).collect()
    };
    let (range, besides) = range.split_once(" or ").unwrap_or((range, ""));
    let range = numbers(range);
    let smallest = range.first().into_iter().chain(&numbers(besides)).copied().min();
    (smallest.unwrap_or(i64::MIN), range.get(1).copied().unwrap_or(largest))
}

fn settings_of_java() -> String {
    Java::find().unwrap().run_source("java/ProducerSettings.java", &[], PATIENCE).unwrap()
}

/// Name, default, type and range of each setting.
fn lines(printed: &str) -> impl Iterator<Item = [&str; 4]> {
    printed.lines().map(|line| line.split('\t').collect::<Vec<_>>().try_into().unwrap())
}

/// The cells of the rows of a table that begin with a name, without the quotes.
fn rows(text: &str) -> impl Iterator<Item = Vec<&str>> {
    let lines = text.lines().filter(|line| line.starts_with("| `"));
    lines.map(|line| line.trim_matches('|').split('|').map(|cell| cell.trim().trim_matches('`')).collect())
}
