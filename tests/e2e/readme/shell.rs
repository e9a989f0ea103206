//! A folder in which commands run one after the other, and the servers that some of them start.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use end_to_end_tests::process::Process;
use end_to_end_tests::services::ports::free_port;
use end_to_end_tests::{binaries, wait_for};
use tempfile::TempDir;

/// How long a command may take with the binaries at hand.
const DEADLINE: Duration = Duration::from_secs(300);

/// How long one may take in a fresh clone, where it builds everything or runs all tests.
const FRESH_CLONE_DEADLINE: Duration = Duration::from_secs(2 * 3600);

/// Commands that stay until they are interrupted, by what they contain, with what they print when they are ready.
const SERVERS: &[(&[&str], &str)] =
    &[(&["cargo run ", "--bin registry-server"], "listening on "), (&[" demo ", "--keep"], "Ctrl-C")];

/// Stands in for `cargo run`: the built binary, with the arguments unchanged. And for `cargo build`, which leaves
/// binaries where cargo would.
const CARGO: &str = r#"#!/usr/bin/env bash
set -e
command=$1 names=()
case $command in
run | build) shift ;;
*) echo "no command of cargo but \`run\` and \`build\` is known here" >&2 && exit 64 ;;
esac
while [ $# -gt 0 ]; do
    case $1 in
    --release | --quiet | -q) shift ;;
    --bin) names+=("$2") && shift 2 ;;
    --) shift && break ;;
    *) echo "\`$1\` is not known here" >&2 && exit 64 ;;
    esac
done
[ "$command" = build ] || exec "$README_BINARIES/${names[0]:?}" "$@"
mkdir -p target/release
for name in "${names[@]:?}"; do
    test -x "$README_BINARIES/$name"
    ln -s "$README_BINARIES/$name" target/release
done
"#;

/// Stands in for curl: asks the server of this test where the README says port 8081, which may be taken.
const CURL: &str = r#"#!/usr/bin/env bash
arguments=()
for argument in "$@"; do
    argument=${argument//localhost:8081/127.0.0.1:$README_PORT}
    arguments+=("${argument//127.0.0.1:8081/127.0.0.1:$README_PORT}")
done
PATH=$README_PATH exec curl --max-time 30 "${arguments[@]}"
"#;

/// Runs commands in a folder of its own; the servers they started are stopped when it is dropped.
pub(super) struct Shell {
    // Before the folder, so that the servers are stopped first.
    servers: Vec<Process>,
    work: PathBuf,
    variables: Vec<(String, String)>,
    deadline: Duration,
    folder: TempDir,
}

impl Shell {
    /// A shell in an empty folder, in which `cargo run` is the built binary.
    pub(super) fn with_built_binaries() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let (work, programs) = (folder.path().join("work"), folder.path().join("bin"));
        std::fs::create_dir(&work)?;
        std::fs::create_dir(&programs)?;
        write_program(&programs.join("cargo"), CARGO)?;
        write_program(&programs.join("curl"), CURL)?;
        if is_program(&binaries::workspace().join("test")) {
            write_program(&work.join("test"), "#!/bin/sh\n")?;
        }

        let path = std::env::var("PATH").context("no `PATH`")?;
        let port = free_port()?;
        let built = binaries::path("registry-server")?.with_file_name("");
        let variables = [
            ("PATH", format!("{}:{path}", programs.display())),
            ("README_PATH", path),
            ("README_PORT", port.to_string()),
            ("README_BINARIES", built.display().to_string()),
            ("SCHEMA_REGISTRY_LISTEN", format!("127.0.0.1:{port}")),
        ];
        let variables = variables.map(|(name, value)| (name.to_owned(), value)).to_vec();
        Ok(Self { servers: Vec::new(), work, variables, deadline: DEADLINE, folder })
    }

    /// A shell in a fresh clone of the last commit, in which nothing is replaced.
    pub(super) fn in_a_fresh_clone() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let work = folder.path().join("clone");
        let cloned = Command::new("git").arg("clone").arg("--quiet").arg(binaries::workspace()).arg(&work).status()?;
        ensure!(cloned.success(), "`git clone` ended with {cloned}");
        Ok(Self { servers: Vec::new(), work, variables: Vec::new(), deadline: FRESH_CLONE_DEADLINE, folder })
    }

    /// Runs a command to its end, or starts a server and waits until it is ready; what it has printed by then. What it
    /// exports stays for those after it.
    pub(super) fn run(&mut self, command: &str) -> Result<String> {
        let server = SERVERS.iter().find(|(parts, _)| parts.iter().all(|part| command.contains(part)));
        let command = command.trim_end().trim_end_matches('&');
        let exported = command.strip_prefix("export ").and_then(|rest| rest.split('=').next());
        let line = exported.map_or_else(|| command.to_owned(), |name| format!("{command}\nprintenv {name}"));
        let log = self.folder.path().join(format!("log-{}", self.servers.len()));
        std::fs::write(&log, "")?;
        let mut bash = Command::new("bash");
        bash.args(["-c", &line]).current_dir(&self.work).envs(self.variables.iter().map(|(name, value)| (name, value)));
        // What cargo and `./test` tell their tests is not for a command that a person types.
        for inherited in ["SR_LONG", "SR_BINARIES_BUILT", "SR_REQUIRE_ALL", "CARGO_TARGET_DIR", "CARGO_MANIFEST_DIR"] {
            bash.env_remove(inherited);
        }
        let mut process = Process::start(command, &mut bash, &log, None)?;
        let Some((_, ready)) = server else {
            process.succeed(self.deadline)?;
            let printed = process.log();
            self.variables.extend(exported.map(|name| (name.to_owned(), printed.trim_end().to_owned())));
            return Ok(printed);
        };

        wait_for("the server to be ready", self.deadline, || {
            process.check_running().map_or_else(
                |ended| Ok(Err(ended)),
                |()| process.log().contains(ready).then_some(Ok(())).context("it has not said so"),
            )
        })??;
        let printed = process.log();
        self.servers.push(process);
        Ok(printed)
    }
}

fn write_program(path: &Path, text: &str) -> Result<()> {
    std::fs::write(path, text)?;
    Ok(std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755))?)
}

fn is_program(path: &Path) -> bool {
    path.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}
