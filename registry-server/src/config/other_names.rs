//! What other servers call our settings. Nothing is read by these names: who tries one is told ours.

/// The key of a setting, and what is tried in its place: in lower case, `-` between words.
const OTHER_NAMES: &[(&str, &str)] = &[
    (
        "listen",
        "addr address bind bind-addr bind-address host hostname http-port ip listen-address listener listeners p port",
    ),
    ("database", "database-url db db-path db-url dsn postgres postgresql sqlite storage store"),
    ("compatibility", "compatibility-level schema-compatibility-level"),
    ("log.level", "debug loglevel v verbose"),
];

/// The key of the setting that is meant by a name, whose words may stand behind dashes, dots or underscores; of one in
/// a table also by its last word.
pub(super) fn meant_by(name: &str) -> Option<&'static str> {
    let name = name.trim_start_matches('-').to_lowercase();
    let in_table = name.rsplit('.').next().unwrap_or_default();
    let tried = [&name, in_table].map(|name| name.replace(['_', '.'], "-"));
    let is_tried = |other: &str| tried.iter().any(|tried| tried == other);
    OTHER_NAMES.iter().find(|(_, others)| others.split(' ').any(is_tried)).map(|(key, _)| *key)
}
