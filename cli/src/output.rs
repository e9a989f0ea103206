//! Standard output and standard error, either of which may be closed by whoever reads it: `| head`.

use std::io::{ErrorKind, Write as _};

use anyhow::Context as _;

/// Whoever reads standard output has enough, as `head` has: nothing is left to be done, and nothing is wrong.
#[derive(Debug, thiserror::Error)]
#[error("standard output is closed")]
pub(crate) struct ReaderGone;

/// Writes to standard output; [`ReaderGone`] if nobody reads it any more.
pub(crate) fn write(bytes: &[u8]) -> anyhow::Result<()> {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Err(ReaderGone.into()),
        written => written.context("standard output cannot be written"),
    }
}

/// Writes lines to standard error. That it is closed nobody could be told.
pub(crate) fn tell(lines: &str) {
    let _ = writeln!(std::io::stderr(), "{lines}");
}

/// `println!` as a result, without its panic where standard output is closed.
macro_rules! say {
    ($($line:tt)*) => {
        $crate::output::write(format!("{}\n", format_args!($($line)*)).as_bytes())
    };
}
pub(crate) use say;
