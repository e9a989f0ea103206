//! The real binaries, built once per test process and found beside the test's own executable.
//!
//! `CARGO_BIN_EXE_*` exists only inside a binary's own package.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Context as _, Result, bail, ensure};

/// The path of one of the workspace's binaries: `registry-server`, `sr`.
///
/// Builds them first, unless `SR_BINARIES_BUILT` says that the caller has just done so, as `./test` does.
///
/// # Errors
/// The build failed or left no such binary.
pub fn path(name: &str) -> Result<PathBuf> {
    find(Path::new(name))
}

/// The path of an example program of one of the workspace's libraries: `producer`, `reader`.
///
/// # Errors
/// As [`path`].
pub fn example(name: &str) -> Result<PathBuf> {
    find(&Path::new("examples").join(name))
}

fn find(name: &Path) -> Result<PathBuf> {
    static BUILT: OnceLock<Result<(), String>> = OnceLock::new();
    let folder = folder()?;
    let built = BUILT.get_or_init(|| build(&folder).map_err(|error| format!("{error:#}")));
    if let Err(error) = built {
        bail!("cannot build the binaries: {error}");
    }
    let path = folder.join(name);
    ensure!(path.is_file(), "the build left no `{}`", path.display());
    Ok(path)
}

/// `target/debug` for a test at `target/debug/deps/e2e-0123456789abcdef`.
fn folder() -> Result<PathBuf> {
    let executable = std::env::current_exe()?;
    let folder = executable.ancestors().nth(2).context("the test executable lies in no target folder")?;
    Ok(folder.to_owned())
}

fn build(folder: &Path) -> Result<()> {
    if std::env::var_os("SR_BINARIES_BUILT").is_some() {
        return Ok(());
    }
    // The same selection as the `cargo test --workspace` that runs this, with `--all-features` or without, so that
    // the features of the dependencies come out the same and nothing is built a second time.
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(["build", "--workspace", "--bins", "--tests", "--examples", "--quiet"]).current_dir(workspace());
    if cfg!(feature = "services") {
        command.arg("--all-features");
    }
    if folder.file_name().is_some_and(|profile| profile == "release") {
        command.arg("--release");
    }
    let output = command.output().context("cannot start cargo")?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

/// The root folder of the workspace.
#[must_use]
pub fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."))
}
