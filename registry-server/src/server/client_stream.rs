//! The connection to a client. actix waits for a client that does not read its answers as long as it likes; this does
//! not.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_web::rt::net::TcpStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

/// What a client has to take of a waiting answer within the limit: about 0.5 KB/s at the default, less than any line in
/// use has. Whoever takes less holds the answer's memory for as long as it pleases.
const TAKEN_BYTES_MIN: usize = 16 * 1024;

/// What the operating system takes of an answer before the client has asked for it. Left to itself it takes megabytes,
/// and then wants a third of them read before it takes more: a client would be asked for far more than
/// [`TAKEN_BYTES_MIN`].
#[cfg(target_os = "linux")]
const UNSENT_BYTES_MAX: u32 = 64 * 1024;

/// A stream whose writes fail when the other side takes too little of what waits for it.
///
/// What waits is what one write could not put down at once. So an answer that the operating system takes whole is never
/// late, and a connection without an answer has no limit here.
#[derive(Debug)]
pub(super) struct ClientStream<S> {
    stream: S,
    limit: Duration,
    /// `Some` while something waits.
    waiting: Option<Waiting>,
}

#[derive(Debug)]
struct Waiting {
    until: Pin<Box<Sleep>>,
    taken_bytes: usize,
}

impl ClientStream<TcpStream> {
    /// Of a connection that was just accepted.
    pub(super) fn accepted(stream: TcpStream, limit: Duration) -> Self {
        // The last piece of a long answer goes at once, not when the client has confirmed the one before, which it may
        // put off for 40 ms.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "long answers may end late");
        }
        #[cfg(target_os = "linux")]
        if let Err(error) = socket2::SockRef::from(&stream).set_tcp_notsent_lowat(UNSENT_BYTES_MAX) {
            tracing::debug!(%error, "more than `http.write_timeout_ms` promises is asked of a client");
        }
        Self::new(stream, limit)
    }
}

impl<S> ClientStream<S> {
    fn new(stream: S, limit: Duration) -> Self {
        Self { stream, limit, waiting: None }
    }

    /// Notes what was taken of `offered` bytes.
    fn note_taken(&mut self, taken_bytes: usize, offered_bytes: usize) {
        if taken_bytes == offered_bytes {
            self.waiting = None;
            return;
        }
        let Some(waiting) = &mut self.waiting else { return };
        waiting.taken_bytes += taken_bytes;
        if waiting.taken_bytes >= TAKEN_BYTES_MIN {
            waiting.taken_bytes = 0;
            waiting.until.as_mut().reset(Instant::now() + self.limit);
        }
    }

    /// Waits on, until the limit.
    fn poll_wait<T>(&mut self, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        let limit = self.limit;
        let waiting = self.waiting.get_or_insert_with(|| Waiting { until: Box::pin(sleep(limit)), taken_bytes: 0 });
        match waiting.until.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for ClientStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for ClientStream<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match Pin::new(&mut self.stream).poll_write(context, bytes) {
            Poll::Ready(Ok(taken_bytes)) => {
                self.note_taken(taken_bytes, bytes.len());
                Poll::Ready(Ok(taken_bytes))
            }
            Poll::Pending => self.poll_wait(context),
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
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
    use tokio::time::interval;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(10);

    const ANSWER_BYTES: usize = 10 * TAKEN_BYTES_MIN;

    /// Writes an answer to a client that reads `read_bytes` each second; how it ended, and after how long.
    async fn send(read_bytes: usize) -> (io::Result<()>, Duration) {
        let (server, client) = duplex(TAKEN_BYTES_MIN / 4);
        let reader = tokio::spawn(read(client, read_bytes));
        let started = Instant::now();

        let outcome = ClientStream::new(server, LIMIT).write_all(&[0; ANSWER_BYTES]).await;

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
        let mut stream = ClientStream::new(server, LIMIT);
        let mut piece = [0; 8];
        for _ in 0..3 {
            stream.write_all(&[1; 8]).await.unwrap();
            sleep(2 * LIMIT).await;
            client.read_exact(&mut piece).await.unwrap();
        }
    }
}
