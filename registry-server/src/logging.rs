//! Structured logs on standard error: text for people, JSON for machines.

use std::fs::{File, OpenOptions};
use std::io::{IsTerminal, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::time::Duration;

use nix::libc::O_NONBLOCK;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::writer::BoxMakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt, registry};

use self::lines::Lines;
use crate::config::{Log, LogFormat};

mod lines;

/// How long the process waits for its last lines to be taken: a pipe that somebody reads takes them in milliseconds.
const LAST_LINES_PATIENCE: Duration = Duration::from_secs(2);

/// Lines are on their way to standard error as long as this lives; its end waits for them, two seconds at most.
#[derive(Debug)]
#[must_use = "lines that are on their way when it is dropped are the last"]
pub struct Logging {
    /// `None` where each line is written at once.
    lines: Option<Lines>,
}

impl Logging {
    /// Waits until all lines so far are written, two seconds at most.
    pub fn flush(&self) {
        if let Some(lines) = &self.lines {
            lines.wait_written(LAST_LINES_PATIENCE);
        }
    }
}

impl Drop for Logging {
    fn drop(&mut self) {
        if let Some(lines) = &self.lines {
            lines.end(LAST_LINES_PATIENCE);
        }
    }
}

/// Starts logging for the process. A second call changes nothing.
pub fn start(log: &Log) -> Logging {
    let filter = filter(&log.level);
    let is_terminal = std::io::stderr().is_terminal();
    let as_text = match log.format {
        LogFormat::Auto => is_terminal,
        LogFormat::Text => true,
        LogFormat::Json => false,
    };
    // A system that has no thread to give is told of by those lines that still can be written.
    let lines = Lines::start(std::io::stderr(), at_once(std::io::stderr()), tell_lost).ok();
    let writer = match lines.clone() {
        Some(lines) => BoxMakeWriter::new(move || lines.clone()),
        None => BoxMakeWriter::new(std::io::stderr),
    };
    let layer = if as_text {
        fmt::layer().with_writer(writer).with_ansi(is_terminal).with_target(false).boxed()
    } else {
        fmt::layer().json().flatten_event(true).with_writer(writer).boxed()
    };
    // A filter of all layers, not of this one: whoever asks whether an event would be logged, as sqlx does, and then
    // logs none, makes a layer's own filter swallow the thread's next event.
    // Only a subscriber that is there already makes this fail, and then it stays.
    let _ = registry().with(filter).with(layer).try_init();
    Logging { lines }
}

/// Writes a line to `out`, or nothing of it where that would be a wait; whether it did.
fn at_once(mut out: impl AsFd + Write) -> impl FnMut(&[u8]) -> bool {
    let mut pipe = own_end(&out);
    move |line| match &mut pipe {
        // It takes a line that is as short as these whole or not at all.
        Some(pipe) => pipe.write(line).is_ok(),
        None => is_ready(&out) && out.write_all(line).is_ok(),
    }
}

/// Another end of the pipe that `out` is one of, if it is one: it does not wait. Other processes can fill the pipe at
/// any time; `out` they may share, and it goes on to wait. None where the system does not let it be opened: a pipe of
/// another user's, or no `/proc`.
fn own_end(out: &impl AsFd) -> Option<File> {
    let path = format!("/proc/self/fd/{}", out.as_fd().as_raw_fd());
    let is_pipe = std::fs::metadata(&path).is_ok_and(|out| out.file_type().is_fifo());
    is_pipe.then(|| OpenOptions::new().write(true).custom_flags(O_NONBLOCK).open(path).ok())?
}

/// Whether something takes a line without a wait.
fn is_ready(out: &impl AsFd) -> bool {
    let mut asked = [PollFd::new(out.as_fd(), PollFlags::POLLOUT)];
    poll(&mut asked, PollTimeout::ZERO).is_ok_and(|ready| ready > 0)
}

fn tell_lost(lost: u64) {
    tracing::warn!(lost, "{lost} lines of the log are lost: standard error was not read, or could not be written to");
}

/// The filter that was set, by which [`tell_lost`] is heard whatever it is: else nobody would know of lines that are
/// missing.
fn filter(level: &str) -> Targets {
    set_filter(level).with_target(module_path!(), LevelFilter::WARN)
}

/// The filter that was set. What the libraries below say at `info` is of use to nobody who runs a registry, and to
/// actix's dispatcher a client that hangs up, or speaks no HTTP, is an error.
fn set_filter(level: &str) -> Targets {
    let filter = level.parse::<Targets>().unwrap_or_else(|_| Targets::new().with_default(tracing::Level::INFO));
    if filter.default_level() == Some(LevelFilter::INFO) && filter.iter().next().is_none() {
        return filter.with_targets([
            ("actix_server", LevelFilter::WARN),
            ("actix_http::h1::dispatcher", LevelFilter::OFF),
            ("sqlx", LevelFilter::WARN),
        ]);
    }
    filter
}

#[cfg(test)]
mod tests {
    use std::io::{ErrorKind, PipeWriter};
    use std::sync::mpsc::sync_channel;
    use std::thread::spawn;

    use tracing::Level;

    use super::*;

    const DEADLINE: Duration = Duration::from_secs(30);

    /// How an end was opened, as the system tells it.
    fn flags(end: &PipeWriter) -> i32 {
        let told = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", end.as_raw_fd())).unwrap();
        let flags = told.lines().find_map(|line| line.strip_prefix("flags:")).unwrap();
        i32::from_str_radix(flags.trim(), 8).unwrap()
    }

    #[test]
    fn a_pipe_that_others_fill_is_not_waited_for_and_they_may_wait() {
        let (read, shared) = std::io::pipe().unwrap();
        let before = flags(&shared);
        let mut end = own_end(&shared).unwrap();
        let mut write = at_once(shared.try_clone().unwrap());
        assert!(write(b"first\n"));

        let (told, full) = sync_channel(1);
        spawn(move || {
            let full = loop {
                if let Err(error) = end.write(b"x") {
                    break error.kind();
                }
            };
            told.send((full, write(b"second\n"))).unwrap();
        });

        assert_eq!(full.recv_timeout(DEADLINE), Ok((ErrorKind::WouldBlock, false)), "it waits for a reader");
        assert_eq!(flags(&shared), before);
        drop(read);
    }

    #[test]
    fn lines_that_are_lost_are_told_whatever_the_level_is() {
        for level in ["info", "error", "off", "sqlx=debug", "registry_server=error"] {
            assert!(filter(level).would_enable(module_path!().trim_end_matches("::tests"), &Level::WARN), "{level}");
        }
        assert!(!filter("error").would_enable("registry_server::http", &Level::WARN));
    }
}
