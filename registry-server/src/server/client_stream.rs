//! The connection to a client. actix waits for a client that does not read its answers, or does not end the head of any
//! request but the first, as long as it likes; this does not. It also ends idle connections, and those whose first head
//! does not end: actix would look at its clock before it looks for a request, and leave one unread that came while the
//! process stood still. What actix refuses by itself, without a body, gets that of every error.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_web::rt::net::TcpStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

use crate::metrics::{Refusals, Unheard};

use super::refusal::{note_refused, of_library, refusal};

/// What a client has to take of a waiting answer within the limit: about 0.5 KB/s at the default, less than any line in
/// use has. Whoever takes less holds the answer's memory for as long as it pleases.
const TAKEN_BYTES_MIN: usize = 16 * 1024;

/// What the operating system takes of an answer before the client has asked for it. Left to itself it takes megabytes,
/// and then wants a third of them read before it takes more: a client would be asked for far more than
/// [`TAKEN_BYTES_MIN`].
#[cfg(target_os = "linux")]
const UNSENT_BYTES_MAX: u32 = 64 * 1024;

/// What asks a client for the body that it holds back (RFC 9110, 10.1.1), as actix writes it: no answer yet.
const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// How long an end is put off for a last look. The clock of a process that has just been set going again is ahead of
/// what the runtime knows of its sockets: what came meanwhile is told by the next question to the operating system.
const LAST_LOOK: Duration = Duration::from_millis(10);

/// How long a client is waited for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// For [`TAKEN_BYTES_MIN`] of an answer that waits.
    pub(super) write: Duration,
    /// From the opening of the connection to the end of the first head. More than 0.
    pub(super) head: Duration,
    /// From what was sent last to the next byte of the client, also for one that has sent the beginning of its next
    /// request with the one before. More than 0.
    pub(super) idle: Duration,
    /// From that byte on until something is sent again: at least what a request may take, from its first byte to that
    /// of its answer. More than 0.
    pub(super) request: Duration,
}

/// A stream whose writes fail when the other side takes too little of what waits for it. Its reads fail when nothing
/// could be sent for too long, and end when the other side has nothing to say any more. What has come by then is read
/// first, however late that is.
///
/// What waits is what one write could not put down at once. So an answer that the operating system takes whole is never
/// late. Reads have no limit while something waits.
#[derive(Debug)]
pub(super) struct ClientStream<S> {
    stream: S,
    limits: Limits,
    refusals: Refusals,
    /// `Some` while something waits.
    waiting: Option<Waiting>,
    /// `Some` until the first head has ended.
    first_head: Option<FirstHead>,
    turn: Turn,
    /// Whether the time of the turn at hand is over, but for [`LAST_LOOK`].
    is_turn_over: bool,
    /// `Some` from the first wait for the client on. It is moved towards the end of the turn at hand when it fires, not
    /// with each turn, which would cost every request a timer.
    turn_timer: Option<Pin<Box<Sleep>>>,
}

#[derive(Debug)]
struct Waiting {
    until: Pin<Box<Sleep>>,
    /// Whether the time is over, but for [`LAST_LOOK`].
    is_over: bool,
    taken_bytes: usize,
}

/// What has come of the first head.
#[derive(Debug, Default)]
struct FirstHead {
    has_begun: bool,
    /// Whether a line has come, and nothing of the next one.
    is_at_line: bool,
    /// Whether something has come but ends of lines, which may stand in front.
    has_text: bool,
}

impl FirstHead {
    /// Whether the head ends in these bytes, which come next: with an empty line.
    fn ends_in(&mut self, bytes: &[u8]) -> bool {
        self.has_begun |= !bytes.is_empty();
        for byte in bytes {
            match byte {
                b'\n' if self.is_at_line => return true,
                b'\n' => self.is_at_line = self.has_text,
                b'\r' => {}
                _ => (self.is_at_line, self.has_text) = (false, true),
            }
        }
        false
    }
}

impl Waiting {
    fn begin(limit: Duration) -> Self {
        Self { until: Box::pin(sleep(limit)), is_over: false, taken_bytes: 0 }
    }
}

/// Whose byte was the last, and since when.
#[derive(Debug, Clone, Copy)]
enum Turn {
    /// Sent at that time.
    Sent(Instant),
    /// The first byte behind what was sent came at that time, or the connection was opened.
    Received(Instant),
}

impl ClientStream<TcpStream> {
    /// Of a connection that was just accepted.
    pub(super) fn accepted(stream: TcpStream, limits: Limits, refusals: Refusals) -> Self {
        // The last piece of a long answer goes at once, not when the client has confirmed the one before, which it may
        // put off for 40 ms.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "long answers may end late");
        }
        #[cfg(target_os = "linux")]
        if let Err(error) = socket2::SockRef::from(&stream).set_tcp_notsent_lowat(UNSENT_BYTES_MAX) {
            tracing::debug!(%error, "more than `http.write_timeout_ms` promises is asked of a client");
        }
        Self::new(stream, limits, refusals)
    }
}

impl<S> ClientStream<S> {
    fn new(stream: S, limits: Limits, refusals: Refusals) -> Self {
        let turn = Turn::Received(Instant::now());
        let first_head = Some(FirstHead::default());
        Self { stream, limits, refusals, waiting: None, first_head, turn, is_turn_over: false, turn_timer: None }
    }

    /// Notes what was taken of the bytes that were offered.
    fn note_taken(&mut self, taken_bytes: usize, offered: &[u8]) {
        if offered != CONTINUE {
            self.begin(Turn::Sent);
        }
        if taken_bytes == offered.len() {
            self.waiting = None;
            return;
        }
        let Some(waiting) = &mut self.waiting else { return };
        waiting.taken_bytes += taken_bytes;
        if waiting.taken_bytes >= TAKEN_BYTES_MIN {
            *waiting = Waiting::begin(self.limits.write);
        }
    }

    /// Waits on for the client to take what waits, until the limit.
    fn poll_taken<T>(&mut self, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        let limit = self.limits.write;
        let waiting = self.waiting.get_or_insert_with(|| Waiting::begin(limit));
        while waiting.until.as_mut().poll(context).is_ready() {
            if waiting.is_over {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            waiting.is_over = true;
            waiting.until.as_mut().reset(Instant::now() + LAST_LOOK);
        }
        Poll::Pending
    }

    fn note_received(&mut self, bytes: &[u8]) {
        if self.first_head.as_mut().is_some_and(|head| head.ends_in(bytes)) {
            self.first_head = None;
            self.is_turn_over = false;
        }
        if let Turn::Sent(_) = self.turn {
            self.begin(Turn::Received);
        }
    }

    fn begin(&mut self, turn: fn(Instant) -> Turn) {
        self.turn = turn(Instant::now());
        self.is_turn_over = false;
    }
}

impl<S: AsyncWrite + Unpin> ClientStream<S> {
    /// Waits on for the client to send, until the end of the turn: an error in the midst of a request, and else the end
    /// of what is read.
    fn poll_received(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Limits { idle, request, head, .. } = self.limits;
        // The turn that begins next may be the shorter one.
        let shortest = idle.min(request);
        let timer = self.turn_timer.get_or_insert_with(|| Box::pin(sleep(shortest.min(head))));
        while timer.as_mut().poll(context).is_ready() {
            let mut left = match self.turn {
                _ if self.waiting.is_some() => shortest,
                Turn::Sent(since) => idle.saturating_sub(since.elapsed()),
                Turn::Received(since) if self.first_head.is_some() => head.saturating_sub(since.elapsed()),
                Turn::Received(since) => request.saturating_sub(since.elapsed()),
            };
            if left.is_zero() {
                if self.is_turn_over {
                    return Poll::Ready(match (&self.turn, &self.first_head) {
                        // Who has asked nothing is told nothing.
                        (Turn::Sent(_), _) | (_, Some(FirstHead { has_begun: false, .. })) => Ok(()),
                        (Turn::Received(_), head) => {
                            if head.is_some() {
                                note_refused(&self.refusals, Unheard::HeadTimeout);
                                // All that there is to lose is the word.
                                let _ = Pin::new(&mut self.stream).poll_write(context, &refusal(Unheard::HeadTimeout));
                            }
                            Err(io::ErrorKind::TimedOut.into())
                        }
                    });
                }
                self.is_turn_over = true;
                left = LAST_LOOK;
            }
            timer.as_mut().reset(Instant::now() + left.min(shortest));
        }
        Poll::Pending
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for ClientStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        match Pin::new(&mut self.stream).poll_read(context, buffer) {
            Poll::Ready(Ok(())) => {
                self.note_received(buffer.filled().get(before..).unwrap_or_default());
                Poll::Ready(Ok(()))
            }
            Poll::Pending => self.poll_received(context),
            failed => failed,
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for ClientStream<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let (bytes, written) = match of_library(bytes) {
            None => (bytes, Pin::new(&mut self.stream).poll_write(context, bytes)),
            // By itself, behind what was answered before.
            Some((at @ 1.., _)) => (&bytes[..at], Pin::new(&mut self.stream).poll_write(context, &bytes[..at])),
            Some((0, reason)) => {
                let written = Pin::new(&mut self.stream).poll_write(context, &refusal(reason));
                if written.is_ready() {
                    note_refused(&self.refusals, reason);
                }
                // Where a part is not taken at once, all that there is to lose is the word.
                (bytes, written.map_ok(|_| bytes.len()))
            }
        };
        match written {
            Poll::Ready(Ok(taken_bytes)) => {
                self.note_taken(taken_bytes, bytes);
                Poll::Ready(Ok(taken_bytes))
            }
            Poll::Pending => self.poll_taken(context),
            failed => failed,
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::task::ready;

    use actix_web::http::header::HttpDate;
    use futures_util::future::join;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
    use tokio::time::{interval, timeout};

    use super::*;

    const LIMIT: Duration = Duration::from_secs(10);

    const LIMITS: Limits = Limits {
        write: LIMIT,
        head: Duration::from_secs(20),
        idle: Duration::from_secs(100),
        request: Duration::from_secs(30),
    };

    fn limited<S>(stream: S) -> ClientStream<S> {
        ClientStream::new(stream, LIMITS, Refusals::new())
    }

    /// The shortest head.
    const HEAD: &[u8] = b"G\n\n";

    const ANSWER_BYTES: usize = 10 * TAKEN_BYTES_MIN;

    /// Writes an answer to a client that reads `read_bytes` each second; how it ended, and after how long.
    async fn send(read_bytes: usize) -> (io::Result<()>, Duration) {
        let (server, client) = duplex(TAKEN_BYTES_MIN / 4);
        let reader = tokio::spawn(read(client, read_bytes));
        let started = Instant::now();

        let outcome = limited(server).write_all(&[0; ANSWER_BYTES]).await;

        reader.abort();
        (outcome, started.elapsed())
    }

    async fn read(mut client: DuplexStream, bytes: usize) {
        let mut second = interval(Duration::from_secs(1));
        let mut piece = vec![0; bytes];
        loop {
            second.tick().await;
            if client.read_exact(&mut piece).await.is_err() {
                return;
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_reads_a_little_now_and_then_is_cut_off() {
        for bytes in [1, TAKEN_BYTES_MIN / 20] {
            let (outcome, elapsed) = send(bytes).await;

            assert_eq!(outcome.unwrap_err().kind(), io::ErrorKind::TimedOut, "{bytes}");
            assert!(elapsed < 2 * LIMIT, "{bytes}: {elapsed:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_reads_enough_gets_all_however_long_it_takes() {
        let (outcome, elapsed) = send(TAKEN_BYTES_MIN / 8).await;

        outcome.unwrap();
        assert!(elapsed > 5 * LIMIT, "{elapsed:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_connection_is_not_late() {
        let (server, mut client) = duplex(8);
        let mut stream = limited(server);
        let mut piece = [0; 8];
        for _ in 0..3 {
            stream.write_all(&[1; 8]).await.unwrap();
            sleep(2 * LIMIT).await;
            client.read_exact(&mut piece).await.unwrap();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_does_not_end_is_cut_off_and_each_answer_starts_anew() {
        let (server, mut client) = duplex(8);
        let mut stream = limited(server);
        client.write_all(HEAD).await.unwrap();
        stream.read_exact(&mut [0; HEAD.len()]).await.unwrap();
        for _ in 0..3 {
            client.write_all(b"GE").await.unwrap();
            assert_eq!(stream.read_u8().await.unwrap(), b'G');
            sleep(LIMITS.request - Duration::from_secs(1)).await;
            assert_eq!(stream.read_u8().await.unwrap(), b'E');
            stream.write_all(&[1; 8]).await.unwrap();
            client.read_exact(&mut [0; 8]).await.unwrap();
            sleep(LIMITS.idle / 2).await;
        }

        client.write_all(b"G").await.unwrap();
        stream.read_u8().await.unwrap();
        let dripping = tokio::spawn(async move {
            while client.write_all(b"E").await.is_ok() {
                sleep(Duration::from_secs(1)).await;
            }
        });

        let started = Instant::now();
        let ended = loop {
            if let Err(error) = stream.read_u8().await {
                break error.kind();
            }
        };
        assert_eq!((ended, started.elapsed().as_secs()), (io::ErrorKind::TimedOut, LIMITS.request.as_secs()));
        drop(stream);
        dripping.await.unwrap();
    }

    /// Reads to the end; how it came, after how long.
    async fn end_of(stream: &mut ClientStream<DuplexStream>) -> (io::Result<usize>, Duration) {
        let started = Instant::now();
        loop {
            match stream.read(&mut [0; 8]).await {
                Ok(1..) => {}
                end => return (end, started.elapsed()),
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_first_head_has_its_own_time_however_often_a_byte_comes() {
        let (server, mut client) = duplex(8);
        let dripping = tokio::spawn(async move {
            // Empty lines in front are no head.
            let mut next: &[u8] = b"\r\n\n\n";
            while client.write_all(next).await.is_ok() {
                sleep(Duration::from_secs(1)).await;
                next = b"G\r\n";
            }
        });
        let mut stream = limited(server);

        let (end, elapsed) = end_of(&mut stream).await;

        assert_eq!((end.unwrap_err().kind(), elapsed.as_secs()), (io::ErrorKind::TimedOut, LIMITS.head.as_secs()));
        drop(stream);
        dripping.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_whose_first_head_does_not_end_is_told_so_as_of_any_error() {
        let (server, mut client) = duplex(1024);
        client.write_all(b"GET / HTTP/1.1\r\nHost:").await.unwrap();

        let mut stream = limited(server);
        let _ = end_of(&mut stream).await;
        drop(stream);

        let mut told = String::new();
        client.read_to_string(&mut told).await.unwrap();
        let (head, body) = told.split_once("\r\n\r\n").unwrap();
        let error = schema_core::error_code::ApiError::request_timeout();
        assert_eq!(body, format!(r#"{{"error_code":{},"message":"{}"}}"#, error.code.status(), error.message));
        assert!(head.contains(&format!("\r\ncontent-length: {}\r\n", body.len())), "{head}");
        let (_, date) = head.split_once("\r\ndate: ").unwrap();
        date.parse::<HttpDate>().unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_opens_a_connection_and_says_nothing_is_told_nothing() {
        let (server, _client) = duplex(8);

        let (end, elapsed) = end_of(&mut limited(server)).await;

        assert_eq!((end.unwrap(), elapsed.as_secs()), (0, LIMITS.head.as_secs()));
    }

    #[tokio::test(start_paused = true)]
    async fn what_follows_a_first_head_has_the_time_of_a_request() {
        // Where the head ends in several ways, and in pieces that are cut anywhere.
        for pieces in [&["G\r\n\r\n"][..], &["G\r", "\n", "\r", "\n"], &["G\n", "a\n\nbody"], &["G\r\n", "\n"]] {
            let (server, mut client) = duplex(8);
            let mut stream = limited(server);
            for piece in pieces {
                client.write_all(piece.as_bytes()).await.unwrap();
                stream.read_exact(&mut vec![0; piece.len()]).await.unwrap();
            }

            let (end, elapsed) = end_of(&mut stream).await;

            let expected = (io::ErrorKind::TimedOut, LIMITS.request.as_secs());
            assert_eq!((end.unwrap_err().kind(), elapsed.as_secs()), expected, "{pieces:?}");
        }
    }

    /// A connection on which a request was answered, and its client.
    async fn used() -> (ClientStream<DuplexStream>, DuplexStream) {
        let (server, mut client) = duplex(32);
        let mut stream = limited(server);
        client.write_all(HEAD).await.unwrap();
        stream.read_exact(&mut [0; HEAD.len()]).await.unwrap();
        stream.write_all(&[1; 8]).await.unwrap();
        (stream, client)
    }

    #[tokio::test(start_paused = true)]
    async fn silence_behind_an_answer_is_the_end() {
        let (mut stream, _client) = used().await;

        let started = Instant::now();
        let read = stream.read(&mut [0; 8]).await;

        assert_eq!((read.unwrap(), started.elapsed().as_secs()), (0, LIMITS.idle.as_secs()));
    }

    #[tokio::test(start_paused = true)]
    async fn silence_behind_an_answer_that_had_to_wait_is_the_end_too() {
        let (mut stream, mut client) = used().await;
        stream.limits.write = LIMITS.idle;
        let mut offered = &[1; 64][..];
        // As actix does it: one task that reads, then writes.
        let served = poll_fn(|context| {
            let mut byte = [0];
            let mut buffer = ReadBuf::new(&mut byte);
            if let Poll::Ready(read) = Pin::new(&mut stream).poll_read(context, &mut buffer) {
                return Poll::Ready(read.map(|()| buffer.filled().len()));
            }
            while !offered.is_empty() {
                let Poll::Ready(taken) = Pin::new(&mut stream).poll_write(context, offered) else { break };
                offered = &offered[taken.unwrap()..];
            }
            Poll::Pending
        });
        let taken = async {
            // Meanwhile the read is woken in vain.
            sleep(2 * LIMITS.request).await;
            client.read_exact(&mut [0; 8 + 64]).await.unwrap();
            Instant::now()
        };

        let (read, taken) = timeout(10 * LIMITS.idle, join(served, taken)).await.unwrap();

        assert_eq!((read.unwrap(), taken.elapsed().as_secs()), (0, LIMITS.idle.as_secs()));
    }

    /// A socket of a process that stood still: the runtime hears that it is ready behind the timers, once they have
    /// woken who waits for it.
    #[derive(Default)]
    struct HeardLate {
        looks: usize,
    }

    impl HeardLate {
        /// The first look is before the pause, the second when a timer fires behind it.
        fn poll_ready(&mut self) -> Poll<()> {
            self.looks += 1;
            if self.looks > 2 { Poll::Ready(()) } else { Poll::Pending }
        }
    }

    impl AsyncRead for HeardLate {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _context: &mut Context<'_>,
            buffer: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            ready!(self.poll_ready());
            buffer.put_slice(b"G");
            Poll::Ready(Ok(()))
        }
    }

    impl AsyncWrite for HeardLate {
        fn poll_write(mut self: Pin<&mut Self>, _context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
            ready!(self.poll_ready());
            Poll::Ready(Ok(bytes.len()))
        }

        fn poll_flush(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_came_while_the_process_stood_still_is_read() {
        let mut stream = limited(HeardLate::default());

        assert_eq!(stream.read_u8().await.unwrap(), b'G');
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_client_took_while_the_process_stood_still_counts() {
        let mut stream = limited(HeardLate::default());

        stream.write_all(b"answer").await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_is_asked_for_a_body_has_the_time_of_a_request() {
        let (mut stream, mut client) = used().await;
        client.write_all(b"POST").await.unwrap();
        stream.read_exact(&mut [0; 4]).await.unwrap();
        client.read_exact(&mut [0; 8]).await.unwrap();
        stream.write_all(CONTINUE).await.unwrap();

        let started = Instant::now();
        let ended = stream.read_u8().await.unwrap_err().kind();

        assert_eq!((ended, started.elapsed().as_secs()), (io::ErrorKind::TimedOut, LIMITS.request.as_secs()));
    }
}
