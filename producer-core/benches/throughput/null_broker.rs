//! The `null-broker` binary as a child process, found beside this benchmark or named on the command line.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// A running null broker, which ends when its standard input is closed: with this value or this process.
pub(crate) struct NullBrokerProcess {
    child: Child,
    address: String,
}

impl NullBrokerProcess {
    pub(crate) fn start(partitions: u16) -> Self {
        let path = path();
        if !path.exists() {
            eprintln!(
                "`{}` is not built: `cargo build --release -p end-to-end-tests --bin null-broker`",
                path.display()
            );
            std::process::exit(2);
        }
        let mut child = Command::new(&path)
            .arg(partitions.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("`{}` does not start: {error}", path.display()));
        let mut address = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut address).unwrap();
        Self { child, address: address.trim().to_owned() }
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }
}

impl Drop for NullBrokerProcess {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// The first argument that is no flag (cargo passes `--bench`), else `target/release/null-broker`: this benchmark lies
/// in `target/release/deps`.
fn path() -> PathBuf {
    if let Some(path) = std::env::args().skip(1).find(|argument| !argument.starts_with('-')) {
        return path.into();
    }
    let own = std::env::current_exe().unwrap();
    own.parent().and_then(|deps| deps.parent()).unwrap().join("null-broker")
}
