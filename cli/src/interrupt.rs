//! Ctrl-C and SIGTERM: a command that would have gone on ends in order, and says so by its exit code.

use std::process::ExitCode;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Exit codes of a process that a signal has ended, as shells know them: 128 and the signal's number.
const AFTER_SIGINT: u8 = 130;
const AFTER_SIGTERM: u8 = 143;

/// Hears both signals from the time it is made; until then they end the process at once.
#[derive(Debug)]
pub(crate) struct Interrupt {
    sigint: Signal,
    sigterm: Signal,
}

/// A signal has ended the command before its time.
#[derive(Debug, thiserror::Error)]
#[error("interrupted{}", .after.as_ref().map_or_else(String::new, |after| format!(" {after}")))]
pub(crate) struct Interrupted {
    code: u8,
    /// How far it came, as in `after line 3`.
    after: Option<String>,
}

impl Interrupt {
    pub(crate) fn listen() -> std::io::Result<Self> {
        Ok(Self { sigint: signal(SignalKind::interrupt())?, sigterm: signal(SignalKind::terminate())? })
    }

    /// Waits for the next one. Dropping the future loses none.
    pub(crate) async fn wait(&mut self) -> Interrupted {
        let code = tokio::select! {
            _ = self.sigint.recv() => AFTER_SIGINT,
            _ = self.sigterm.recv() => AFTER_SIGTERM,
        };
        Interrupted { code, after: None }
    }
}

impl Interrupted {
    /// Says how far the command came.
    pub(crate) fn after(self, after: String) -> Self {
        Self { after: Some(after), ..self }
    }

    pub(crate) fn exit_code(&self) -> ExitCode {
        self.code.into()
    }
}
