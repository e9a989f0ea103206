//! nginx on a free port, as one process with its files in a temporary folder.

use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result};
use tempfile::TempDir;

use super::ports::free_port;
use crate::cache;
use crate::process::Process;
use crate::wait::wait_for;

/// The program, of Debian's package.
const PROGRAM: &str = "nginx/usr/sbin/nginx";

const START_DEADLINE: Duration = Duration::from_secs(30);

/// A running nginx; it ends when dropped.
#[derive(Debug)]
pub struct Nginx {
    url: String,
    // Before its folder goes.
    _process: Process,
    _folder: TempDir,
}

impl Nginx {
    /// Starts it with what `http` makes of its port for the section of that name, and waits until it listens.
    ///
    /// # Errors
    /// `./test` has not fetched it, or it does not take these settings; the message has the end of its log.
    pub fn start(http: impl FnOnce(u16) -> String) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("nginx-").tempdir()?;
        let port = free_port()?;
        let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
        let temporary: String = temporary.iter().map(|name| format!("{name}_temp_path {name};\n")).collect();
        let http = http(port);
        let settings = format!(
            "daemon off;\nmaster_process off;\npid pid;\nerror_log stderr;\nevents {{}}\n\
             http {{\naccess_log off;\n{temporary}{http}\n}}\n"
        );
        let file = folder.path().join("nginx.conf");
        std::fs::write(&file, settings)?;
        let mut command = Command::new(cache::entry(PROGRAM)?);
        command.arg("-p").arg(folder.path()).arg("-c").arg(&file).args(["-e", "stderr"]);
        let mut process = Process::start("nginx", &mut command, &folder.path().join("log"), Some(folder.path()))?;
        wait_for("nginx to listen", START_DEADLINE, || match process.check_running() {
            // An early end cannot turn into success: it is handed out of the wait as the answer.
            Err(ended) => Ok(Err(ended)),
            Ok(()) => Ok(Ok(TcpStream::connect(("127.0.0.1", port)).map(drop)?)),
        })
        .with_context(|| process.log_tail())??;
        Ok(Self { url: format!("http://127.0.0.1:{port}"), _process: process, _folder: folder })
    }

    /// `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }
}
