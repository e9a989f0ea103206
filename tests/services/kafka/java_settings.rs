//! Our settings are those of Java's client: its names, its defaults, its ranges or a word where they are narrower, and
//! none of them forgotten.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use end_to_end_tests::services::java::Java;

/// Settings with a text of their own.
const APART: [&str; 3] = ["partitioner.class", "security.protocol", "transactional.id"];

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
    Java::find().unwrap().run_source("java/ProducerSettings.java", &[], Duration::from_secs(120)).unwrap()
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
