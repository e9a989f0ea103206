//! What the workspace depends on: licences, known holes, crates that must be there once, and which of
//! our own crates may see which. `deny.toml` says the same to cargo-deny.

mod graph;
mod licence;

use std::collections::BTreeSet;

use end_to_end_tests::binaries::workspace;

use self::graph::Graph;

/// Licences that what we ship may have; GPL and MPL are not among them.
const LICENCES: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// Crates that never enter.
const BANNED: &[&str] = &["native-tls", "openssl", "openssl-sys", "ring", "actix-governor", "rsa", "rustls-pemfile"];

/// Crates that must be there in one version: two of them mean two runtimes, two databases or two types of one name.
const SINGLE: &[&str] = &["apache-avro", "bytes", "hyper", "libsqlite3-sys", "prost", "rustls", "tokio"];

/// The oldest version of a crate without a published hole.
const FLOORS: &[(&str, &str)] = &[
    ("sqlx", "0.8.1"),
    ("h2", "0.4.16"),
    ("rustls", "0.23.18"),
    ("rustls-webpki", "0.103.13"),
    ("bytes", "1.11.1"),
    ("libsqlite3-sys", "0.37.0"), // SQLite 3.51.3: an older one can corrupt a database in WAL mode
    ("lz4_flex", "0.12.1"),
    ("protobuf", "3.7.2"),
    ("bcrypt", "0.19.2"),
    ("time", "0.3.47"),
    ("tracing-subscriber", "0.3.20"),
    ("tokio", "1.44.2"),
    ("crossbeam-channel", "0.5.15"),
    ("lru", "0.18.2"),
    ("slab", "0.4.11"),
    ("idna", "1.0.3"),
];

/// Which of our crates each of our crates may reach in what it ships.
const OURS: &[(&str, &[&str])] = &[
    ("schema-core", &[]),
    ("registry-server", &["schema-core"]),
    ("avro-serde", &["schema-core", "producer-core"]),
    ("producer-core", &[]),
    ("sr", &["schema-core", "registry-server", "avro-serde", "producer-core"]),
];

#[test]
fn everything_shipped_has_a_licence_on_the_list() {
    let graph = Graph::read();
    let shipped = graph.shipped(&OURS.iter().map(|(name, _)| *name).collect::<Vec<_>>());
    assert!(shipped.len() > 100, "only {} packages are shipped", shipped.len());

    let problems: Vec<String> = shipped.iter().filter_map(|package| licence_problem(package, LICENCES)).collect();

    assert_eq!(problems, [""; 0]);
}

#[test]
fn no_dependency_is_banned_or_has_a_known_hole() {
    let packages = Graph::read().packages;
    assert!(packages.len() > 100, "only {} packages are built", packages.len());

    assert_eq!(version_problems(&packages), [""; 0]);
}

#[test]
fn our_crates_reach_only_whom_they_may() {
    let graph = Graph::read();
    for (name, allowed) in OURS {
        let shipped = graph.shipped(&[name]);
        let reached: Vec<&str> = shipped.iter().map(|package| package.name.as_str()).collect();
        let ours = OURS.iter().map(|(other, _)| *other).filter(|other| other != name && reached.contains(other));
        let beyond: Vec<&str> = ours.filter(|other| !allowed.contains(other)).collect();

        assert_eq!(beyond, [""; 0], "`{name}` reaches what it must not know");
    }
}

#[test]
fn cargo_deny_is_told_the_same() {
    let deny = std::fs::read_to_string(workspace().join("deny.toml")).unwrap();

    assert_eq!(quoted_in(&deny, "allow = ["), as_set(LICENCES));
    let denied = quoted_in(&deny, "deny = [");
    assert_eq!(denied, as_set(&[BANNED, SINGLE].concat()));
}

/// A package as far as these rules care.
#[derive(Debug, Clone)]
struct Package {
    name: String,
    version: String,
    licence: Option<String>,
}

fn licence_problem(package: &Package, allowed: &[&str]) -> Option<String> {
    let Package { name, version, licence } = package;
    let Some(licence) = licence else { return Some(format!("{name} {version} names no licence")) };
    (!licence::is_allowed(licence, allowed)).then(|| format!("{name} {version}: `{licence}` is not on the list"))
}

fn version_problems(packages: &[Package]) -> Vec<String> {
    let mut problems = Vec::new();
    for Package { name, version, .. } in packages {
        if BANNED.contains(&name.as_str()) {
            problems.push(format!("`{name}` is banned"));
        }
        let floor = FLOORS.iter().find(|(floor_name, _)| floor_name == name);
        if let Some((_, floor)) = floor
            && numbers(version) < numbers(floor)
        {
            problems.push(format!("`{name}` {version} is older than {floor}"));
        }
    }
    for single in SINGLE {
        let versions: BTreeSet<&str> =
            packages.iter().filter(|package| package.name == *single).map(|package| &*package.version).collect();
        if versions.len() > 1 {
            problems.push(format!("`{single}` is there in {versions:?}"));
        }
    }
    problems
}

/// `1.2.3` as numbers; what follows a `-` or `+` does not count.
fn numbers(version: &str) -> Vec<u64> {
    let plain = version.split(['-', '+']).next().unwrap_or_default();
    plain.split('.').map(|part| part.parse().unwrap_or(0)).collect()
}

/// The quoted words between a line that is `start` and the line `]`.
fn quoted_in(text: &str, start: &str) -> BTreeSet<String> {
    let lines = text.lines().skip_while(|line| *line != start).skip(1).take_while(|line| *line != "]");
    let lines = lines.filter(|line| !line.trim_start().starts_with('#'));
    lines.filter_map(|line| line.split('"').nth(1)).map(str::to_owned).collect()
}

fn as_set(words: &[&str]) -> BTreeSet<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

#[test]
fn planted_dependencies_are_found() {
    let package = |name: &str, version: &str, licence: Option<&str>| Package {
        name: name.to_owned(),
        version: version.to_owned(),
        licence: licence.map(str::to_owned),
    };

    assert!(licence_problem(&package("a", "1.0.0", Some("GPL-3.0-only")), LICENCES).is_some());
    assert!(licence_problem(&package("a", "1.0.0", None), LICENCES).is_some());
    assert_eq!(version_problems(&[package("openssl", "0.10.0", None)]).len(), 1);
    assert_eq!(version_problems(&[package("h2", "0.3.27", None)]).len(), 1);
    assert_eq!(version_problems(&[package("bytes", "1.11.1", None), package("bytes", "2.0.0", None)]).len(), 1);
    assert_eq!(version_problems(&[package("tokio", "1.44.10", None)]), [""; 0]);
}
