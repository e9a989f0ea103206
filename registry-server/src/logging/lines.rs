//! Lines on their way out, without a wait.
//!
//! Whoever reads standard error may stop: then a pipe is full after 64 KiB, and who writes to it waits until it is read
//! or closed. Nobody who serves requests waits for that: a line is written at once where it is taken at once, and else
//! by a thread of its own. Lines that find no room are lost and counted, and the count is told once there is room.

use std::fmt;
use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};
use std::time::Duration;

/// Lines that may wait, besides those that are being written: some thousands, what a busy server logs in a second.
const WAITING_BYTES_MAX: usize = 1 << 20;

/// A line that is no longer is taken whole by whatever says that it is ready: POSIX's least for a pipe.
const AT_ONCE_BYTES_MAX: usize = 512;

/// Where lines wait; a writer that takes a whole line at a time and never waits.
#[derive(Clone)]
pub(super) struct Lines {
    shared: Arc<Shared>,
    /// The one that writes them.
    thread: ThreadId,
}

struct Shared {
    state: Mutex<State>,
    /// Something waits, or nothing does any more, or the end has come.
    moved: Condvar,
}

/// Writes a line, or nothing of it where that would be a wait; whether it did.
type AtOnce = Box<dyn FnMut(&[u8]) -> bool + Send>;

struct State {
    at_once: AtOnce,
    /// Where lines go; `None` while the thread writes.
    out: Option<Box<dyn Write + Send>>,
    waiting: Vec<u8>,
    /// Lines since this was last told.
    lost: u64,
    is_ended: bool,
}

impl Lines {
    /// Starts the thread. `at_once` writes a line to where `out` does, or nothing of it where that would be a wait, and
    /// says whether it did. `tell_lost` is called on the thread, may log, and is given a number of lines.
    pub(super) fn start(
        out: impl Write + Send + 'static,
        at_once: impl FnMut(&[u8]) -> bool + Send + 'static,
        tell_lost: fn(u64),
    ) -> io::Result<Self> {
        let (at_once, out): (AtOnce, Box<dyn Write + Send>) = (Box::new(at_once), Box::new(out));
        let state = State { at_once, out: Some(out), waiting: Vec::new(), lost: 0, is_ended: false };
        let shared = Arc::new(Shared { state: Mutex::new(state), moved: Condvar::new() });
        let taken_from = Arc::clone(&shared);
        let thread = thread::Builder::new().name("log".to_owned()).spawn(move || write_all(&taken_from, tell_lost))?;
        Ok(Self { shared, thread: thread.thread().id() })
    }

    /// Waits until everything is written, for as long as `patience` at most.
    pub(super) fn wait_written(&self, patience: Duration) {
        let is_busy = |state: &mut State| !state.waiting.is_empty() || state.out.is_none();
        // Whether it was in time makes no difference.
        let _ = self.shared.moved.wait_timeout_while(self.shared.lock(), patience, is_busy);
    }

    /// Takes no more lines, and waits until the last is written, for as long as `patience` at most.
    pub(super) fn end(&self, patience: Duration) {
        self.shared.lock().is_ended = true;
        self.shared.moved.notify_all();
        self.wait_written(patience);
    }
}

impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut state = self.shared.lock();
        let is_first = state.waiting.is_empty() && state.out.is_some() && state.lost == 0 && !state.is_ended;
        if is_first && line.len() <= AT_ONCE_BYTES_MAX && (state.at_once)(line) {
            return Ok(line.len());
        }
        let has_room = !state.is_ended && state.waiting.len() + line.len() <= WAITING_BYTES_MAX;
        // What is lost has to be told: one line each time that something could be written.
        if has_room || thread::current().id() == self.thread {
            state.waiting.extend_from_slice(line);
            self.shared.moved.notify_all();
        } else {
            state.lost += 1;
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl fmt::Debug for Lines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lines").finish_non_exhaustive()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for lines and takes all there are, with where they go; `None` after the last.
    fn take(&self) -> Option<(Vec<u8>, Box<dyn Write + Send>)> {
        let is_idle = |state: &mut State| state.waiting.is_empty() && !state.is_ended;
        let mut state = self.moved.wait_while(self.lock(), is_idle).unwrap_or_else(PoisonError::into_inner);
        if state.waiting.is_empty() {
            return None;
        }
        Some((std::mem::take(&mut state.waiting), state.out.take()?))
    }
}

/// The thread: writes what waits until the end.
fn write_all(shared: &Shared, tell_lost: fn(u64)) {
    while let Some((lines, mut out)) = shared.take() {
        let lost = match out.write_all(&lines) {
            Ok(()) => std::mem::take(&mut shared.lock().lost),
            // Some may be written. It is told after the next that can be.
            Err(_) => {
                let count = lines.iter().filter(|byte| **byte == b'\n').count();
                shared.lock().lost += u64::try_from(count).unwrap_or(u64::MAX);
                0
            }
        };
        if lost > 0 {
            tell_lost(lost);
        }
        shared.lock().out = Some(out);
        shared.moved.notify_all();
    }
    shared.moved.notify_all();
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
    use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

    use super::*;

    const DEADLINE: Duration = Duration::from_secs(30);

    /// Takes each piece once that is allowed, or fails as it is told to.
    struct Reader {
        begun: SyncSender<()>,
        allowed: Receiver<io::Result<()>>,
        read: SyncSender<Vec<u8>>,
    }

    impl Write for Reader {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            // Most tests do not ask.
            let _ = self.begun.try_send(());
            self.allowed.recv_timeout(DEADLINE).map_err(io::Error::other)??;
            self.read.send(bytes.to_owned()).map_err(io::Error::other)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What a reader obeys and shows: that it was given something, what to do with it, what it has read.
    struct Test {
        has_begun: Receiver<()>,
        allow: SyncSender<io::Result<()>>,
        pieces: Receiver<Vec<u8>>,
    }

    fn reader() -> (Reader, Test) {
        let ((begun, has_begun), (allow, allowed), (read, pieces)) =
            (sync_channel(1), sync_channel(16), sync_channel(16));
        (Reader { begun, allowed, read }, Test { has_begun, allow, pieces })
    }

    #[test]
    fn what_finds_no_room_is_lost_without_a_wait_and_told_once() {
        static TOLD: AtomicU64 = AtomicU64::new(0);
        let (reader, Test { has_begun, allow, pieces }) = reader();
        let mut lines = Lines::start(reader, |_| false, |lost| _ = TOLD.fetch_add(lost, Ordering::Relaxed)).unwrap();
        let line = [b"x".repeat(1023), b"\n".to_vec()].concat();

        lines.write_all(b"first\n").unwrap();
        has_begun.recv_timeout(DEADLINE).unwrap();
        for _ in 0..1024 + 3 {
            lines.write_all(&line).unwrap();
        }
        assert_eq!(lines.shared.lock().waiting.len(), WAITING_BYTES_MAX);
        (0..4).for_each(|_| allow.send(Ok(())).unwrap());

        assert_eq!(pieces.recv_timeout(DEADLINE).unwrap(), b"first\n");
        assert_eq!(pieces.recv_timeout(DEADLINE).unwrap().len(), WAITING_BYTES_MAX);
        lines.wait_written(DEADLINE);
        lines.write_all(b"next\n").unwrap();
        lines.end(DEADLINE);
        assert_eq!(pieces.recv_timeout(DEADLINE).unwrap(), b"next\n");
        assert_eq!(TOLD.load(Ordering::Relaxed), 3);
    }

    #[test]
    fn lines_that_cannot_be_written_are_told_once_others_can() {
        static TOLD: AtomicU64 = AtomicU64::new(0);
        let (reader, Test { allow, pieces, .. }) = reader();
        let mut lines = Lines::start(reader, |_| false, |lost| _ = TOLD.fetch_add(lost, Ordering::Relaxed)).unwrap();

        allow.send(Err(io::ErrorKind::StorageFull.into())).unwrap();
        lines.write_all(b"one\ntwo\n").unwrap();
        lines.wait_written(DEADLINE);
        assert_eq!(TOLD.load(Ordering::Relaxed), 0, "it could not be told");
        allow.send(Ok(())).unwrap();
        lines.write_all(b"three\n").unwrap();
        lines.end(DEADLINE);

        assert_eq!(pieces.recv_timeout(DEADLINE).unwrap(), b"three\n");
        assert_eq!(TOLD.load(Ordering::Relaxed), 2);
    }

    #[test]
    fn a_line_is_written_at_once_where_it_is_taken_and_none_before_it_waits() {
        static IS_READY: AtomicBool = AtomicBool::new(true);
        let (reader, Test { allow, pieces, .. }) = reader();
        let read = reader.read.clone();
        let at_once = move |line: &[u8]| IS_READY.load(Ordering::Relaxed) && read.send(line.to_owned()).is_ok();
        let mut lines = Lines::start(reader, at_once, |_| {}).unwrap();
        (0..4).for_each(|_| allow.send(Ok(())).unwrap());

        lines.write_all(b"at once\n").unwrap();
        assert_eq!(pieces.try_recv().unwrap(), b"at once\n");
        let long = [b"x".repeat(AT_ONCE_BYTES_MAX), b"\n".to_vec()].concat();
        lines.write_all(&long).unwrap();
        lines.write_all(b"behind it\n").unwrap();
        lines.wait_written(DEADLINE);
        assert_eq!(pieces.try_iter().collect::<Vec<_>>().concat(), [&long[..], b"behind it\n"].concat());

        IS_READY.store(false, Ordering::Relaxed);
        lines.write_all(b"later\n").unwrap();
        lines.end(DEADLINE);
        assert_eq!(pieces.try_recv().unwrap(), b"later\n");
    }

    #[test]
    fn the_end_waits_for_no_reader_that_has_stopped() {
        let (reader, _never_allows) = reader();
        let mut lines = Lines::start(reader, |_| false, |_| {}).unwrap();
        lines.write_all(b"never read\n").unwrap();

        lines.end(Duration::from_millis(1));

        assert!(lines.shared.lock().is_ended);
    }
}
