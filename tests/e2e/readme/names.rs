//! The names in a cargo command (packages, binaries, benchmarks, features), against the workspace's manifests.

use std::collections::BTreeSet;
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};
use end_to_end_tests::binaries::workspace;
use serde_json::Value;

/// The subcommands that a reader may be told to type.
const SUBCOMMANDS: [&str; 7] = ["bench", "build", "check", "clippy", "fmt", "run", "test"];

/// What the manifests of the workspace name.
#[derive(Debug, Default)]
pub(super) struct Names {
    packages: BTreeSet<String>,
    /// As `kind name`: `bin sr`, `bench append`.
    targets: BTreeSet<String>,
    /// As `package feature`.
    features: BTreeSet<String>,
}

impl Names {
    /// Asks cargo.
    pub(super) fn of_the_workspace() -> Result<Self> {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let arguments = ["metadata", "--no-deps", "--offline", "--format-version", "1"];
        let output = Command::new(cargo).args(arguments).current_dir(workspace()).output()?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let metadata: Value = serde_json::from_slice(&output.stdout)?;

        let mut names = Self::default();
        for package in metadata["packages"].as_array().context("no packages")? {
            let name = package["name"].as_str().context("a package without a name")?;
            names.packages.insert(name.to_owned());
            for feature in package["features"].as_object().context("no features")?.keys() {
                names.features.insert(format!("{name} {feature}"));
            }
            for target in package["targets"].as_array().context("no targets")? {
                let kind = target["kind"][0].as_str().context("a target without a kind")?;
                let target = target["name"].as_str().context("a target without a name")?;
                names.targets.insert(format!("{kind} {target}"));
            }
        }
        Ok(names)
    }

    /// Fails on the first name of a command that is not there.
    pub(super) fn check(&self, command: &str) -> Result<()> {
        let command = command.split(" #").next().unwrap_or_default();
        // What stands behind `--` is for the program.
        let mut words = command.split_whitespace().take_while(|word| *word != "--");
        let program = words.next().context("an empty command")?;
        if program != "cargo" {
            ensure!(workspace().join(program).is_file(), "there is no `{program}`");
            return Ok(());
        }

        let subcommand = words.next().context("cargo without a subcommand")?;
        ensure!(SUBCOMMANDS.contains(&subcommand), "`cargo {subcommand}` is none of {SUBCOMMANDS:?}");
        let mut package = None;
        while let Some(word) = words.next() {
            match word {
                "-p" => package = Some(known(&self.packages, "package", words.next().context("`-p` of nothing")?)?),
                "--bin" | "--bench" | "--test" | "--example" => {
                    let target = format!("{} {}", &word[2..], words.next().context("a target without a name")?);
                    known(&self.targets, "target", &target)?;
                }
                "--features" => {
                    let package = package.context("features of no package")?;
                    for feature in words.next().context("no features")?.split(',') {
                        known(&self.features, "feature", &format!("{package} {feature}"))?;
                    }
                }
                "--all" | "--workspace" | "--all-targets" | "--all-features" | "--release" => {}
                other => bail!("`{other}` is not known here"),
            }
        }
        Ok(())
    }
}

fn known<'a>(names: &'a BTreeSet<String>, what: &str, name: &str) -> Result<&'a str> {
    names.get(name).map(String::as_str).with_context(|| format!("there is no {what} `{name}`"))
}
