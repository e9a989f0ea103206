//! The task that owns a socket: one loop writes, one reads, one watches the clock; the first to fail
//! poisons the connection.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::{Notify, Semaphore, mpsc, oneshot};
use tokio::time::Instant;

use super::{Answer, CallError, ConnectionError, ConnectionErrorKind, ConnectionOptions, Patience, Sent, Stream};

/// Read at once; also the step in which the buffer of a long reply grows, so that a length on the wire
/// alone reserves no more than this.
const READ_BYTES: usize = 64 * 1024;

/// The headers of some hundred requests.
const SPACE_BYTES: usize = 4 * 1024;

/// A request on its way to the socket.
pub(super) struct Outgoing {
    pub(super) api_key: i16,
    pub(super) version: i16,
    pub(super) header_version: i16,
    pub(super) body: Vec<Bytes>,
    pub(super) reply: ReplyTo,
}

/// Who waits for the answer.
#[derive(Debug)]
pub(super) struct ReplyTo {
    pub(super) answer: Answer,
    pub(super) sender: oneshot::Sender<Result<Bytes, CallError>>,
}

#[derive(Debug)]
struct Pending {
    correlation_id: i32,
    deadline: Instant,
    reply: ReplyTo,
}

/// Why the connection stopped; empty while it works.
#[derive(Debug, Clone, Default)]
pub(super) struct Failure(Arc<OnceLock<ConnectionErrorKind>>);

impl Failure {
    pub(super) fn has_happened(&self) -> bool {
        self.0.get().is_some()
    }

    pub(super) fn kind(&self) -> ConnectionErrorKind {
        self.0.get().cloned().unwrap_or(ConnectionErrorKind::Closed)
    }
}

/// Requests written, and who waits for them.
#[derive(Debug)]
pub(super) struct InFlight {
    requests: Mutex<Requests>,
    places: Semaphore,
    changed: Notify,
    muted: Notify,
    given_up: Notify,
}

#[derive(Debug, Default)]
struct Requests {
    /// Oldest first.
    pending: VecDeque<Pending>,
    /// Until then the broker reads nothing.
    muted_until: Option<Instant>,
}

impl InFlight {
    fn new(max: usize) -> Self {
        let places = Semaphore::new(max.max(1));
        Self {
            requests: Mutex::default(),
            places,
            changed: Notify::new(),
            muted: Notify::new(),
            given_up: Notify::new(),
        }
    }

    /// The broker reads nothing for this long (KIP-219): what is on its way to it is given so much more time.
    pub(super) fn mute(&self, pause: Duration) {
        let mut requests = self.lock();
        requests.muted_until = requests.muted_until.max(Some(Instant::now() + pause));
        for pending in &mut requests.pending {
            pending.deadline += pause;
        }
        drop(requests);
        self.muted.notify_one();
    }

    /// How much longer the broker reads nothing.
    fn muted_for(&self) -> Duration {
        self.lock().muted_until.map_or(Duration::ZERO, |until| until.saturating_duration_since(Instant::now()))
    }

    /// No answer is worth waiting for any more.
    pub(super) fn give_up(&self) {
        self.given_up.notify_one();
    }

    /// How many they are.
    pub(super) fn count(&self) -> usize {
        self.lock().pending.len()
    }

    fn is_empty(&self) -> bool {
        self.lock().pending.is_empty()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Requests> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A request that is to be answered within `timeout`, a pause of the broker not counted.
    fn push(&self, correlation_id: i32, timeout: Duration, reply: ReplyTo) {
        let mut requests = self.lock();
        let now = Instant::now();
        let deadline = requests.muted_until.map_or(now, |until| until.max(now)) + timeout;
        requests.pending.push_back(Pending { correlation_id, deadline, reply });
        drop(requests);
        self.changed.notify_one();
    }

    /// Takes the oldest if it is this one; replies come in order.
    fn take(&self, correlation_id: i32) -> Option<Pending> {
        let pending = &mut self.lock().pending;
        match pending.front() {
            Some(front) if front.correlation_id == correlation_id => pending.pop_front(),
            _ => None,
        }
    }

    /// The earliest deadline: that of the oldest, since all have the same timeout.
    fn deadline(&self) -> Option<Instant> {
        self.lock().pending.front().map(|pending| pending.deadline)
    }
}

pub(super) struct Driver {
    address: Arc<str>,
    options: ConnectionOptions,
    queue: mpsc::Receiver<Outgoing>,
    in_flight: Arc<InFlight>,
    failure: Failure,
}

impl Driver {
    pub(super) fn new(address: Arc<str>, options: ConnectionOptions, queue: mpsc::Receiver<Outgoing>) -> Self {
        let in_flight = Arc::new(InFlight::new(options.in_flight_max));
        Self { address, options, queue, in_flight, failure: Failure::default() }
    }

    pub(super) fn in_flight(&self) -> Arc<InFlight> {
        self.in_flight.clone()
    }

    pub(super) fn failure(&self) -> Failure {
        self.failure.clone()
    }

    /// Runs until the socket fails, a deadline passes, it is given up or the last handle is dropped.
    pub(super) async fn run(mut self, stream: Box<dyn Stream>) {
        // Also answers everyone if the runtime drops this task.
        let poison =
            Poison { address: self.address.clone(), in_flight: self.in_flight.clone(), failure: self.failure.clone() };
        let patience = stream.patience();
        let (reader, writer) = tokio::io::split(stream);
        let in_flight = self.in_flight.clone();
        let (timeout, reply_bytes_max) = (self.options.request_timeout, self.options.reply_bytes_max);

        let kind = tokio::select! {
            kind = read_replies(reader, &in_flight, reply_bytes_max) => kind,
            kind = self.write_requests(writer) => kind,
            kind = watch_deadlines(&in_flight, timeout) => kind,
            never = be_patient(&in_flight, patience) => match never {},
            () = in_flight.given_up.notified() => ConnectionErrorKind::Deposed,
        };
        poison.because(kind);
    }

    async fn write_requests(&mut self, mut writer: WriteHalf<Box<dyn Stream>>) -> ConnectionErrorKind {
        let in_flight = self.in_flight.clone();
        let (mut correlation_id, mut space) = (0_i32, BytesMut::with_capacity(SPACE_BYTES));
        while let Some(mut request) = self.next_request().await {
            let Ok(place) = in_flight.places.acquire().await else {
                return ConnectionErrorKind::Closed;
            };
            correlation_id = correlation_id.wrapping_add(1) & i32::MAX;
            let chunks = frame(&mut request, correlation_id, &self.options.client_id, &mut space);
            let answer = request.reply.answer;
            // Before the first byte: from here on the broker may have seen it.
            in_flight.push(correlation_id, self.options.request_timeout, request.reply);
            place.forget();

            if let Err(error) = write_all(&mut writer, chunks).await {
                return io_kind(error);
            }
            if answer == Answer::None {
                self.answer_unreplied(correlation_id);
            }
        }
        ConnectionErrorKind::Closed
    }

    /// The next request; nothing once the last handle is gone, or nobody has asked for anything for too long.
    async fn next_request(&mut self) -> Option<Outgoing> {
        let Some(idle_max) = self.options.idle_max else { return self.queue.recv().await };
        loop {
            match tokio::time::timeout(idle_max, self.queue.recv()).await {
                Ok(request) => return request,
                // Whoever asks from now on is told that nothing was sent; what is queued already still goes.
                Err(_) if self.in_flight.is_empty() => self.queue.close(),
                Err(_) => {}
            }
        }
    }

    /// Ends a request that the broker will not answer. Those before it may still wait, so it need not be the oldest.
    fn answer_unreplied(&self, correlation_id: i32) {
        let pending = &mut self.in_flight.lock().pending;
        let place = pending.iter().rposition(|pending| pending.correlation_id == correlation_id);
        if let Some(written) = place.and_then(|index| pending.remove(index)) {
            self.in_flight.places.add_permits(1);
            let _ = written.reply.sender.send(Ok(Bytes::new()));
        }
    }
}

/// Answers everyone who waits, when the driver ends in whatever way.
struct Poison {
    address: Arc<str>,
    in_flight: Arc<InFlight>,
    failure: Failure,
}

impl Poison {
    fn because(&self, kind: ConnectionErrorKind) {
        let _ = self.failure.0.set(kind);
        let waiting = std::mem::take(&mut self.in_flight.lock().pending);
        for pending in waiting {
            let error = ConnectionError { address: self.address.clone(), kind: self.failure.kind() };
            let _ = pending.reply.sender.send(Err(CallError { error, sent: Sent::Maybe }));
        }
    }
}

impl Drop for Poison {
    fn drop(&mut self) {
        self.because(ConnectionErrorKind::Closed);
    }
}

/// The frame: length, header, body; the body's chunks are not copied. The header takes its place from `space`, which
/// serves one request after the other.
///
/// ```text
/// length i32 | api_key i16 | version i16 | correlation_id i32 | client_id i16 length + bytes | [tags varint 0] | body
/// ```
fn frame(request: &mut Outgoing, correlation_id: i32, client_id: &str, space: &mut BytesMut) -> Chunks {
    let head = space;
    head.reserve(4 + 2 + 2 + 4 + 2 + client_id.len() + 1);
    head.put_i32(0);
    head.put_i16(request.api_key);
    head.put_i16(request.version);
    head.put_i32(correlation_id);
    // The configuration bounds the client id far below 32 KiB.
    head.put_i16(i16::try_from(client_id.len()).unwrap_or(0));
    head.put_slice(&client_id.as_bytes()[..usize::from(u16::try_from(client_id.len()).unwrap_or(0))]);
    if request.header_version >= 2 {
        head.put_u8(0);
    }
    let mut chunks = VecDeque::from(std::mem::take(&mut request.body));
    chunks.retain(|chunk| !chunk.is_empty());
    let body_bytes: usize = chunks.iter().map(Bytes::len).sum();
    let frame_bytes = i32::try_from(head.len() - 4 + body_bytes).unwrap_or(i32::MAX);
    head[..4].copy_from_slice(&frame_bytes.to_be_bytes());

    chunks.push_front(head.split().freeze());
    Chunks { chunks, remaining: 4 + frame_bytes as usize }
}

/// Byte slices that are written one after the other, by vectored writes.
struct Chunks {
    chunks: VecDeque<Bytes>,
    remaining: usize,
}

impl Buf for Chunks {
    fn remaining(&self) -> usize {
        self.remaining
    }

    fn chunk(&self) -> &[u8] {
        self.chunks.front().map_or(&[], |chunk| chunk)
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [io::IoSlice<'a>]) -> usize {
        let filled = slices.len().min(self.chunks.len());
        for (slice, chunk) in slices.iter_mut().zip(&self.chunks) {
            *slice = io::IoSlice::new(chunk);
        }
        filled
    }

    fn advance(&mut self, mut bytes: usize) {
        self.remaining -= bytes;
        while let Some(front) = self.chunks.front_mut() {
            if bytes < front.len() {
                front.advance(bytes);
                return;
            }
            bytes -= front.len();
            self.chunks.pop_front();
        }
    }
}

async fn write_all(writer: &mut WriteHalf<Box<dyn Stream>>, mut chunks: Chunks) -> io::Result<()> {
    // `write_all_buf` writes vectored where the stream can.
    writer.write_all_buf(&mut chunks).await?;
    writer.flush().await
}

async fn read_replies(
    mut reader: ReadHalf<Box<dyn Stream>>,
    in_flight: &InFlight,
    reply_bytes_max: usize,
) -> ConnectionErrorKind {
    let mut buffer = BytesMut::with_capacity(READ_BYTES);
    loop {
        let mut frame = match read_frame(&mut reader, &mut buffer, reply_bytes_max).await {
            Ok(frame) => frame,
            Err(kind) => return kind,
        };
        let correlation_id = frame.get_i32();
        let Some(pending) = in_flight.take(correlation_id) else {
            return ConnectionErrorKind::Protocol(format!(
                "a reply nobody waits for (correlation id {correlation_id})"
            ));
        };
        in_flight.places.add_permits(1);
        // The caller may have gone; its reply is then nobody's.
        let _ = pending.reply.sender.send(Ok(frame));
    }
}

/// Reads one frame without its length: at least the correlation id, at most `bytes_max`.
async fn read_frame(
    reader: &mut ReadHalf<Box<dyn Stream>>,
    buffer: &mut BytesMut,
    bytes_max: usize,
) -> Result<Bytes, ConnectionErrorKind> {
    fill(reader, buffer, 4).await?;
    let length = buffer.get_i32();
    let bytes = usize::try_from(length).ok().filter(|bytes| (4..=bytes_max).contains(bytes)).ok_or_else(|| {
        ConnectionErrorKind::Protocol(format!(
            "a reply of {length} bytes (4 to {bytes_max} are taken): is this a Kafka broker?"
        ))
    })?;
    fill(reader, buffer, bytes).await?;
    Ok(buffer.split_to(bytes).freeze())
}

/// Reads until the buffer holds so many bytes.
async fn fill(
    reader: &mut ReadHalf<Box<dyn Stream>>,
    buffer: &mut BytesMut,
    bytes: usize,
) -> Result<(), ConnectionErrorKind> {
    while buffer.len() < bytes {
        buffer.reserve((bytes - buffer.len()).min(READ_BYTES));
        if reader.read_buf(buffer).await.map_err(io_kind)? == 0 {
            return Err(ConnectionErrorKind::Closed);
        }
    }
    Ok(())
}

async fn watch_deadlines(in_flight: &InFlight, timeout: Duration) -> ConnectionErrorKind {
    loop {
        match in_flight.deadline() {
            None => in_flight.changed.notified().await,
            Some(deadline) if deadline <= Instant::now() => return ConnectionErrorKind::TimedOut(timeout),
            Some(deadline) => tokio::time::sleep_until(deadline).await,
        }
    }
}

/// Has the system bear with a broker for as long as it has asked for: what is on its way to one that reads nothing
/// fills the buffers between the two, and the system counts that against it.
async fn be_patient(in_flight: &InFlight, patience: Option<Patience>) -> Infallible {
    let Some(patience) = patience else { return std::future::pending().await };
    loop {
        in_flight.muted.notified().await;
        patience(in_flight.muted_for());
    }
}

fn io_kind(error: io::Error) -> ConnectionErrorKind {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => ConnectionErrorKind::Closed,
        _ => ConnectionErrorKind::Io(Arc::new(error)),
    }
}

/// Skips the tagged section of a reply header.
pub(super) fn skip_tags(frame: &mut Bytes) -> Result<(), ConnectionErrorKind> {
    let before = frame.len();
    let rest = super::reply_shape::after_tags(frame)
        .ok_or_else(|| ConnectionErrorKind::Protocol("a reply whose header is cut short".to_owned()))?;
    frame.advance(before - rest);
    Ok(())
}
