//! The graph of packages, as `cargo metadata` prints it.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use end_to_end_tests::binaries::workspace;
use serde::Deserialize;

use super::Package;

/// Every package that a build of this machine's kind uses, and who uses whom.
pub(super) struct Graph {
    pub(super) packages: Vec<Package>,
    by_id: BTreeMap<String, Package>,
    uses: BTreeMap<String, Vec<String>>,
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<MetadataPackage>,
    resolve: Resolve,
}

#[derive(Deserialize)]
struct MetadataPackage {
    id: String,
    name: String,
    version: String,
    license: Option<String>,
}

#[derive(Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    id: String,
    deps: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    pkg: String,
    dep_kinds: Vec<Kind>,
}

#[derive(Deserialize)]
struct Kind {
    /// `dev`, `build`, or nothing for an ordinary dependency.
    kind: Option<String>,
}

impl Graph {
    /// Asks cargo. Only about the packages of this machine's target: cargo has fetched no others, and the
    /// question must be answered without a network.
    pub(super) fn read() -> Self {
        let target = format!("--filter-platform={}", host());
        let metadata = cargo(&["metadata", "--format-version=1", "--locked", "--offline", "--all-features", &target]);
        let mut graph = Self::new(serde_json::from_str(&metadata).expect("cargo prints what this file declares"));
        // The metadata has weak dependencies that no feature switches on; the tree has what is built.
        let tree = ["tree", "--workspace", "--locked", "--offline", "--all-features", "--edges=all", "--prefix=none"];
        let built = cargo(&tree);
        let built: BTreeSet<&str> = built.lines().map(|line| line.split(" (").next().unwrap_or(line)).collect();
        graph.packages.retain(|package| built.contains(&*format!("{} v{}", package.name, package.version)));
        graph
    }

    fn new(metadata: Metadata) -> Self {
        let by_id: BTreeMap<String, Package> = metadata
            .packages
            .into_iter()
            .map(|package| {
                let MetadataPackage { id, name, version, license } = package;
                (id, Package { name, version, licence: license })
            })
            .collect();
        let uses = metadata
            .resolve
            .nodes
            .into_iter()
            .map(|node| {
                // What only tests use is not shipped.
                let shipped = node
                    .deps
                    .into_iter()
                    .filter(|dependency| dependency.dep_kinds.iter().any(|kind| kind.kind.as_deref() != Some("dev")));
                (node.id, shipped.map(|dependency| dependency.pkg).collect())
            })
            .collect();
        Self { packages: by_id.values().cloned().collect(), by_id, uses }
    }

    /// What is built into the named packages: they themselves and all they depend on, at run or build time.
    pub(super) fn shipped(&self, roots: &[&str]) -> Vec<Package> {
        let mut waiting: Vec<&String> =
            self.by_id.iter().filter(|(_, package)| roots.contains(&&*package.name)).map(|(id, _)| id).collect();
        assert_eq!(waiting.len(), roots.len(), "not all of {roots:?} are in the graph");
        let mut seen = BTreeSet::new();
        while let Some(id) = waiting.pop() {
            if seen.insert(id) {
                waiting.extend(self.uses.get(id).into_iter().flatten());
            }
        }
        seen.into_iter().filter_map(|id| self.by_id.get(id)).cloned().collect()
    }
}

fn cargo(arguments: &[&str]) -> String {
    let output = Command::new("cargo").args(arguments).current_dir(workspace()).output().expect("cargo starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("cargo prints text")
}

fn host() -> String {
    let output = Command::new("rustc").arg("-vV").output().expect("rustc starts");
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().find_map(|line| line.strip_prefix("host: ")).expect("rustc names its host").to_owned()
}

#[test]
fn what_only_tests_use_is_not_shipped() {
    let text = r#"{
        "packages": [
            {"id": "a 1", "name": "a", "version": "1.0.0", "license": "MIT"},
            {"id": "b 1", "name": "b", "version": "1.0.0", "license": "MIT"},
            {"id": "c 1", "name": "c", "version": "1.0.0", "license": "GPL-3.0"},
            {"id": "d 1", "name": "d", "version": "1.0.0", "license": "MIT"}
        ],
        "resolve": {"nodes": [
            {"id": "a 1", "deps": [
                {"pkg": "b 1", "dep_kinds": [{"kind": null}, {"kind": "dev"}]},
                {"pkg": "c 1", "dep_kinds": [{"kind": "dev"}]}
            ]},
            {"id": "b 1", "deps": [{"pkg": "d 1", "dep_kinds": [{"kind": "build"}]}]}
        ]}
    }"#;

    let graph = Graph::new(serde_json::from_str(text).unwrap());

    let shipped: Vec<String> = graph.shipped(&["a"]).into_iter().map(|package| package.name).collect();
    assert_eq!(shipped, ["a", "b", "d"]);
}
