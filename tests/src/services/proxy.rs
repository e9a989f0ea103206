//! A TCP proxy in front of one port of 127.0.0.1: it passes bytes on, holds them, or breaks connections.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};

use super::ports::free_port;

/// Bytes moved at a time.
const PIECE_BYTES: usize = 4096;

/// How long a whole piece takes over a slow line.
const SLOW_PIECE: Duration = Duration::from_millis(16);

/// What happens to bytes and connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// Bytes pass.
    Open,
    /// Bytes pass as over a slow line: about 256 KB a second.
    Slow,
    /// Connections stay and new ones are accepted, but nothing passes until the way is open again.
    Silent,
    /// Connections are closed, and new ones as soon as they come.
    Closed,
}

/// Where a stream of bytes comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum From {
    /// Requests.
    Client,
    /// Answers.
    Server,
}

/// What becomes of a connection whose answer is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Loss {
    /// Both sides hear of it at once.
    Reset,
    /// Neither side hears of the other again.
    Silence,
}

/// When the next connection is reset, or what is changed on it.
#[derive(Debug, Clone)]
enum Fuse {
    /// In the middle of the next message from one side, see [`Cut`].
    Within(From, Cut),
    /// When the server has answered to bytes that have this among them; or then it goes silent.
    AnswerTo(Vec<u8>, Loss),
    /// Never; these bytes of a client come out with another end.
    Garble(Vec<u8>),
}

/// A running proxy; it ends when it is dropped.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    way: watch::Sender<Way>,
    breaker: Arc<Breaker>,
    // Both are taken in `drop`.
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Proxy {
    /// Starts a proxy on a free port, leading to `target` of 127.0.0.1.
    ///
    /// # Errors
    /// No free port, or no thread to be had.
    pub fn start(target: u16) -> Result<Self> {
        let port = free_port()?;
        let (way, ways) = watch::channel(Way::Open);
        let (stop, stopped) = oneshot::channel();
        let breaker = Arc::new(Breaker::default());
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
        listener.set_nonblocking(true)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let serve = {
            let breaker = breaker.clone();
            move || {
                runtime.block_on(async {
                    tokio::select! {
                        failed = serve(listener, target, ways, breaker) => eprintln!("the proxy on {port}: {failed:?}"),
                        _ = stopped => {}
                    }
                });
            }
        };
        // A thread of its own, so that it outlives the runtime of whichever test started it.
        let thread = std::thread::Builder::new().name("proxy".to_owned()).spawn(serve).context("no thread")?;
        Ok(Self { port, way, breaker, stop: Some(stop), thread: Some(thread) })
    }

    /// The port that clients connect to.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Lets bytes pass; also those that were held, whether anybody still waits for them or not.
    pub fn open(&self) {
        self.way.send_replace(Way::Open);
    }

    /// Lets bytes pass as over a slow line, 256 KB a second each way of each connection.
    pub fn slow(&self) {
        self.way.send_replace(Way::Slow);
    }

    /// Holds all bytes, as a network that loses every packet.
    pub fn silence(&self) {
        self.way.send_replace(Way::Silent);
    }

    /// Closes all connections, and new ones at once.
    pub fn close(&self) {
        self.way.send_replace(Way::Closed);
    }

    /// Resets (RST) a connection in the middle of the next message of Kafka's protocol that begins on this side: lets
    /// its length pass and `bytes` behind it, modulo its length, so that at least one byte is left out.
    pub fn reset_within(&self, from: From, bytes: u64) {
        let number = self.breaker.cuts.fetch_add(1, Ordering::Relaxed);
        *self.breaker.lock() = Some(Fuse::Within(from, Cut { number, bytes }));
    }

    /// Lets the next bytes of a client that have `message` among them pass, and when they are answered resets (RST) the
    /// connection in place of passing the answer on.
    pub fn drop_answer_to(&self, message: &[u8]) {
        *self.breaker.lock() = Some(Fuse::AnswerTo(message.to_owned(), Loss::Reset));
    }

    /// As [`Self::drop_answer_to`], but the connection stays and nothing passes any more, as where a firewall has
    /// forgotten it. Others are made and used as before.
    pub fn lose_answer_to(&self, message: &[u8]) {
        *self.breaker.lock() = Some(Fuse::AnswerTo(message.to_owned(), Loss::Silence));
    }

    /// Changes the last byte of `message` where a client next sends it in one piece.
    pub fn garble(&self, message: &[u8]) {
        *self.breaker.lock() = Some(Fuse::Garble(message.to_owned()));
    }

    /// How many connections were reset so far.
    #[must_use]
    pub fn resets(&self) -> u64 {
        self.breaker.resets.load(Ordering::Acquire)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

#[derive(Debug, Default)]
struct Breaker {
    fuse: Mutex<Option<Fuse>>,
    /// How many cuts were asked for so far.
    cuts: AtomicU64,
    resets: AtomicU64,
}

impl Breaker {
    /// How many of these bytes may pass if the connection is to be reset behind them.
    fn burn(&self, from: From, piece: &[u8], messages: &mut Messages) -> Option<usize> {
        let mut fuse = self.lock();
        let cut = match &*fuse {
            Some(Fuse::Within(side, cut)) if *side == from => Some(*cut),
            _ => None,
        };
        let passing = messages.pass(piece, cut);
        if passing.is_some() {
            *fuse = None;
        }
        passing
    }

    /// Whether the answer to these bytes of a client is to be dropped, and how.
    fn loss(&self, bytes: &[u8]) -> Option<Loss> {
        let mut fuse = self.lock();
        let loss = match &*fuse {
            Some(Fuse::AnswerTo(message, loss)) if has(bytes, message) => Some(*loss),
            _ => None,
        };
        if loss.is_some() {
            *fuse = None;
        }
        loss
    }

    /// Changes bytes of a client if it is their turn.
    fn garble(&self, bytes: &mut [u8]) {
        let mut fuse = self.lock();
        let Some(Fuse::Garble(message)) = &*fuse else { return };
        let place = bytes.windows(message.len()).position(|window| window == message);
        if let Some(last) = place.and_then(|place| bytes.get_mut(place + message.len() - 1)) {
            *last ^= 1;
            *fuse = None;
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Fuse>> {
        self.fuse.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A message is to be cut so many bytes behind its length, modulo its length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Cut {
    /// Which it is of those that were asked for.
    number: u64,
    bytes: u64,
}

/// Where one side of a connection stands in the messages of Kafka's protocol: four bytes of length, then so many.
#[derive(Debug, Default)]
struct Messages {
    /// The length of the next one, as far as it has passed.
    next: Vec<u8>,
    /// How many bytes of the present one come behind its length, and how many of them have passed.
    length: u64,
    passed: u64,
    /// The cut that was asked for when it began.
    cut: Option<Cut>,
}

impl Messages {
    /// Goes on by these bytes; answers how many of them may pass if the first message that began when `cut` was asked
    /// for already is to be cut among them.
    fn pass(&mut self, piece: &[u8], cut: Option<Cut>) -> Option<usize> {
        for (place, byte) in piece.iter().enumerate() {
            if self.passed < self.length {
                if self.cut == cut && cut.is_some_and(|cut| cut.bytes % self.length == self.passed) {
                    return Some(place);
                }
                self.passed += 1;
                continue;
            }
            if self.next.is_empty() {
                self.cut = cut;
            }
            self.next.push(*byte);
            if let Ok(length) = <[u8; 4]>::try_from(&*self.next) {
                self.next.clear();
                (self.length, self.passed) = (u64::from(u32::from_be_bytes(length)), 0);
            }
        }
        None
    }
}

fn has(bytes: &[u8], message: &[u8]) -> bool {
    bytes.windows(message.len()).any(|window| window == message)
}

async fn serve(
    listener: std::net::TcpListener,
    target: u16,
    ways: watch::Receiver<Way>,
    breaker: Arc<Breaker>,
) -> Result<()> {
    let listener = TcpListener::from_std(listener)?;
    loop {
        let (client, _) = listener.accept().await?;
        let (ways, breaker) = (ways.clone(), breaker.clone());
        // Ended with the runtime, which lives as long as the proxy.
        tokio::spawn(async move { carry(client, target, ways, &breaker).await });
    }
}

/// Carries one connection until either side, or the proxy, ends it.
async fn carry(client: TcpStream, target: u16, mut ways: watch::Receiver<Way>, breaker: &Breaker) {
    if *ways.borrow() == Way::Closed {
        return;
    }
    let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, target)).await else { return };
    // A broken option only makes the tests slower.
    drop((client.set_nodelay(true), server.set_nodelay(true)));
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    // Set when nothing more of the server's may pass.
    let loss = OnceLock::new();
    let (mut requests, mut answers) = (ways.clone(), ways.clone());
    let is_reset = tokio::select! {
        is_reset = pump(&mut from_client, &mut to_server, &mut requests, From::Client, breaker, &loss) => is_reset,
        is_reset = pump(&mut from_server, &mut to_client, &mut answers, From::Server, breaker, &loss) => is_reset,
        _ = ways.wait_for(|way| *way == Way::Closed) => false,
    };
    if loss.get() == Some(&Loss::Silence) {
        // Nor does the end of one side pass.
        drop(ways.wait_for(|way| *way == Way::Closed).await);
    } else if is_reset {
        // Without lingering a close is an RST, unless a FIN went before it.
        drop((from_client.as_ref().set_zero_linger(), from_server.as_ref().set_zero_linger()));
        to_client.forget();
        to_server.forget();
        breaker.resets.fetch_add(1, Ordering::Release);
    }
}

/// Moves bytes one way; answers whether the connection is to be reset.
async fn pump(
    from: &mut OwnedReadHalf,
    to: &mut OwnedWriteHalf,
    ways: &mut watch::Receiver<Way>,
    side: From,
    breaker: &Breaker,
    loss: &OnceLock<Loss>,
) -> bool {
    let mut piece = [0; PIECE_BYTES];
    let mut messages = Messages::default();
    loop {
        let Ok(count @ 1..) = from.read(&mut piece).await else { return false };
        let Ok(way) = ways.wait_for(|way| *way != Way::Silent).await.map(|way| *way) else { return false };
        if way == Way::Slow {
            // What is short passes at once, as signs of life do beside a long answer.
            tokio::time::sleep(SLOW_PIECE.mul_f64(count as f64 / PIECE_BYTES as f64)).await;
        }
        if side == From::Client {
            breaker.garble(&mut piece[..count]);
        }
        if side == From::Server && loss.get().is_some() {
            return true;
        }
        if let Some(next) = (side == From::Client).then(|| breaker.loss(&piece[..count])).flatten() {
            loss.get_or_init(|| next);
        }
        let passing = breaker.burn(side, &piece[..count], &mut messages);
        if to.write_all(&piece[..passing.unwrap_or(count)]).await.is_err() {
            return false;
        }
        if passing.is_some() {
            return true;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{ErrorKind, Read as _, Write as _};
    use std::net::TcpStream as Stream;
    use std::time::Instant;

    use super::*;

    /// A proxy to a server that sends back what it gets.
    fn echo() -> Proxy {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let stream = stream.unwrap();
                std::thread::spawn(move || std::io::copy(&mut &stream, &mut &stream));
            }
        });
        Proxy::start(port).unwrap()
    }

    fn connect(proxy: &Proxy) -> Stream {
        let stream = Stream::connect((Ipv4Addr::LOCALHOST, proxy.port())).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        stream
    }

    #[test]
    fn silence_holds_bytes_and_an_open_way_delivers_them() {
        let proxy = echo();
        let mut stream = connect(&proxy);

        proxy.silence();
        stream.write_all(b"held").unwrap();
        stream.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        let early = stream.read(&mut [0; 4]).unwrap_err().kind();
        proxy.open();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let mut echoed = [0; 4];
        stream.read_exact(&mut echoed).unwrap();

        assert!(matches!(early, ErrorKind::WouldBlock | ErrorKind::TimedOut), "{early}");
        assert_eq!(&echoed, b"held");
    }

    #[test]
    fn over_a_slow_line_what_is_long_takes_its_time_and_what_is_short_does_not() {
        let proxy = echo();
        let mut stream = connect(&proxy);
        let mut long = vec![b'x'; 20 * PIECE_BYTES];
        proxy.slow();

        let since = Instant::now();
        stream.write_all(&long).unwrap();
        stream.read_exact(&mut long).unwrap();
        let of_long = since.elapsed();
        let since = Instant::now();
        for _ in 0..100 {
            stream.write_all(b"short").unwrap();
            stream.read_exact(&mut [0; 5]).unwrap();
        }
        let of_short = since.elapsed();

        assert!(of_long >= 20 * SLOW_PIECE, "{of_long:?}");
        // Less than a hundred pieces take, there and back.
        assert!(of_short < 200 * SLOW_PIECE, "{of_short:?}");
    }

    #[test]
    fn a_closed_way_ends_old_and_new_connections() {
        let proxy = echo();
        let mut old = connect(&proxy);
        old.write_all(b"x").unwrap();
        old.read_exact(&mut [0]).unwrap();

        proxy.close();

        assert_eq!(old.read(&mut [0]).unwrap(), 0);
        assert_eq!(connect(&proxy).read(&mut [0]).unwrap(), 0);
    }

    #[test]
    fn an_answer_is_dropped_when_it_comes() {
        let proxy = echo();
        let mut stream = connect(&proxy);

        proxy.drop_answer_to(b"COMMIT");
        stream.write_all(b"BEGIN").unwrap();
        let mut echoed = [0; 5];
        stream.read_exact(&mut echoed).unwrap();
        stream.write_all(b"a COMMIT, and more").unwrap();

        assert_eq!(&echoed, b"BEGIN");
        assert_eq!(stream.read(&mut [0; 8]).unwrap_err().kind(), ErrorKind::ConnectionReset);
        crate::wait_until("the count", Duration::from_secs(10), || proxy.resets() == 1).unwrap();
    }

    #[test]
    fn one_message_is_garbled() {
        let proxy = echo();
        let mut stream = connect(&proxy);
        let mut echoed = [0; 8];

        proxy.garble(b"be");
        for expected in [b"to bd me", b"to be me"] {
            stream.write_all(b"to be me").unwrap();
            stream.read_exact(&mut echoed).unwrap();
            assert_eq!(&echoed, expected);
        }
    }

    #[test]
    fn a_reset_comes_in_the_middle_of_the_next_message() {
        let proxy = echo();
        let mut stream = connect(&proxy);
        let mut half = [0; 5];

        stream.write_all(&[0, 0, 0, 3, b'a']).unwrap();
        stream.read_exact(&mut half).unwrap();
        // Eight bytes are two into the six of the message behind the one that has begun.
        proxy.reset_within(From::Server, 8);
        stream.write_all(b"bc\0\0\0\x06defghi").unwrap();
        let mut seen = Vec::new();
        let end = stream.read_to_end(&mut seen).unwrap_err().kind();

        assert_eq!(half, [0, 0, 0, 3, b'a']);
        // The kernel may drop what was not read when the RST comes.
        assert!(b"bc\0\0\0\x06de".starts_with(&seen), "{seen:?}");
        assert_eq!(end, ErrorKind::ConnectionReset);
        crate::wait_until("the count", Duration::from_secs(10), || proxy.resets() == 1).unwrap();
    }

    /// The first of two messages has begun when the cut is asked for, and the pieces may end anywhere.
    #[test]
    fn messages_are_cut_behind_their_length_and_before_their_end() {
        let stream = [[0, 0, 0, 3, 1, 2, 3]; 2].concat();
        for (bytes, passing) in [(0, 11), (1, 12), (2, 13), (3, 11), (7919, 13)] {
            for split in 2..stream.len() {
                let (mut messages, cut) = (Messages::default(), Some(Cut { number: 0, bytes }));
                assert_eq!(messages.pass(&stream[..2], None), None);
                let first = messages.pass(&stream[2..split], cut).map(|place| 2 + place);
                let second = || messages.pass(&stream[split..], cut).map(|place| split + place);
                assert_eq!(first.or_else(second), Some(passing), "{bytes}, {split}");
            }
        }
    }

    #[test]
    fn a_message_is_not_cut_for_what_was_asked_before_the_last() {
        let mut messages = Messages::default();
        let cut = |number| Some(Cut { number, bytes: 2 });

        assert_eq!(messages.pass(&[0, 0, 0, 3, 1], cut(0)), None);
        assert_eq!(messages.pass(&[2, 3], cut(1)), None, "it began before that");
        assert_eq!(messages.pass(&[0, 0, 0, 3, 1, 2, 3], cut(1)), Some(6));
    }

    #[test]
    fn a_message_without_a_body_is_not_cut() {
        let (mut messages, cut) = (Messages::default(), Some(Cut { number: 0, bytes: 9 }));

        assert_eq!(messages.pass(&[0; 4], cut), None);
        assert_eq!(messages.pass(&[0, 0, 0, 1, 5], cut), Some(4));
    }
}
