//! Our settings are those of Java's client: its names, its defaults, and none of them forgotten.

use std::collections::BTreeMap;
use std::time::Duration;

use end_to_end_tests::services::java::Java;

/// Settings with a text of their own.
const APART: [&str; 3] = ["partitioner.class", "security.protocol", "transactional.id"];

/// Settings that Java's client gets after the release that is tested, with the defaults of their KIPs (1123, 1242).
const LATER: [(&str, &str); 3] =
    [("client.rack", ""), ("metadata.cluster.check.enable", "true"), ("partitioner.rack.aware", "false")];

#[test]
fn every_setting_of_java_is_there_with_its_default_or_said_to_be_without_effect() {
    let printed =
        Java::find().unwrap().run_source("java/ProducerSettings.java", &[], Duration::from_secs(120)).unwrap();
    let mut java: BTreeMap<&str, &str> = printed.lines().filter_map(|line| line.split_once('\t')).collect();
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

    for (name, default) in &ours {
        assert_eq!(java.get(name), Some(default), "`{name}`: Java's default, and ours");
    }
    let is_group_of = |group: &str, name: &str| group.strip_suffix('*').is_some_and(|group| name.starts_with(group));
    for name in java.keys() {
        let is_there = ours.contains_key(name) || APART.contains(name);
        let is_told = without_effect.iter().any(|known| known == name || is_group_of(known, name));
        assert!(is_there != is_told, "`{name}` of Java is here: {is_there}, said to be without effect: {is_told}");
    }
}

/// The cells of the rows of a table that begin with a name, without the quotes.
fn rows(text: &str) -> impl Iterator<Item = Vec<&str>> {
    let lines = text.lines().filter(|line| line.starts_with("| `"));
    lines.map(|line| line.trim_matches('|').split('|').map(|cell| cell.trim().trim_matches('`')).collect())
}
