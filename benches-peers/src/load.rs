//! What every producer of the comparison does alike: the flags that `compare.py` gives, the values and keys, the pace,
//! and the line of JSON at the end.

use std::error::Error;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;

/// `linger.ms` of all clients: Java's default.
pub const LINGER: Duration = Duration::from_millis(5);

/// Bytes that may wait, in every client that can be told: Java's `buffer.memory`.
pub const BUFFER_BYTES: usize = 32 * 1024 * 1024;

/// Of every topic that `compare.py` sends to; for the client that has to be told.
pub const PARTITIONS: i32 = 12;

/// Records whose answers are not awaited yet, where a task awaits them; more than [`BUFFER_BYTES`] hold.
pub const UNANSWERED_MAX: usize = 1 << 20;

/// What is to be sent.
#[derive(Debug)]
pub struct Load {
    /// `host:port`.
    pub servers: String,
    /// Topic.
    pub topic: String,
    /// How many records.
    pub records: u64,
    /// The value of all of them.
    pub value: Bytes,
    /// `none` or `lz4`.
    pub codec: String,
    /// Bytes of a batch at most.
    pub batch: String,
    keys: Vec<Bytes>,
    /// Records a second; 0 is as fast as possible.
    rate: u64,
}

impl Load {
    /// Reads the flags.
    ///
    /// # Errors
    /// One is missing, or is no number.
    pub fn from_arguments() -> Result<Self, Box<dyn Error>> {
        let arguments: Vec<String> = std::env::args().skip(1).collect();
        let value_of = |flag: &str| {
            let place = arguments.iter().position(|argument| argument == flag);
            let value = place.and_then(|place| arguments.get(place + 1));
            value.cloned().ok_or_else(|| format!("`{flag} VALUE` is missing"))
        };
        let keys: u64 = value_of("-keys")?.parse()?;
        Ok(Self {
            servers: value_of("-servers")?,
            topic: value_of("-topic")?,
            records: value_of("-records")?.parse()?,
            value: payload(value_of("-bytes")?.parse()?),
            keys: (0..keys).map(|key| format!("key-{key:08}").into()).collect(),
            codec: value_of("-codec")?,
            batch: value_of("-batch")?,
            rate: value_of("-rate")?.parse()?,
        })
    }

    /// The key of a record, if they have keys.
    #[must_use]
    pub fn key(&self, number: u64) -> Option<&Bytes> {
        let count = self.keys.len().max(1) as u64;
        self.keys.get((number % count) as usize)
    }

    /// Whether the codec is lz4.
    #[must_use]
    pub fn is_lz4(&self) -> bool {
        self.codec == "lz4"
    }

    /// Bytes of a batch at most.
    ///
    /// # Errors
    /// It is no number.
    pub fn batch_bytes(&self) -> Result<usize, Box<dyn Error>> {
        Ok(self.batch.parse()?)
    }
}

/// The same letters as the other clients.
fn payload(bytes: usize) -> Bytes {
    (0..bytes).map(|index| b'A' + ((index * 7 + index / 26) % 26) as u8).collect()
}

/// The settings of librdkafka that make it do what the others do. Its own bound of 100,000 records would be reached
/// before that of bytes.
#[must_use]
pub fn rdkafka_settings(load: &Load) -> [(String, String); 9] {
    [
        ("bootstrap.servers", load.servers.clone()),
        ("enable.idempotence", "true".to_owned()),
        ("acks", "all".to_owned()),
        ("linger.ms", LINGER.as_millis().to_string()),
        ("batch.size", load.batch.clone()),
        ("compression.codec", load.codec.clone()),
        ("queue.buffering.max.kbytes", (BUFFER_BYTES / 1024).to_string()),
        ("queue.buffering.max.messages", "0".to_owned()),
        ("partitioner", "murmur2_random".to_owned()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
}

/// Records of the first second of a run at a fixed rate have no latency: connections, metadata and the client's memory
/// are new.
const WARM_UP_MICROS: usize = 1_000_000;

/// The run that begins now: its pace, and what was delivered.
#[derive(Debug)]
pub struct Run {
    started: Instant,
    rate: u64,
    delivered: AtomicU64,
    micros: Mutex<Vec<u64>>,
}

/// When a record was handed over, by microseconds since the start; nothing at full speed, where no clock is read.
#[derive(Debug, Clone, Copy)]
pub struct SentAt(pub usize);

impl Run {
    /// Lives as long as the process, so that callbacks share it without counting.
    #[must_use]
    pub fn start(load: &Load) -> &'static Self {
        let run =
            Self { started: Instant::now(), rate: load.rate, delivered: AtomicU64::new(0), micros: Mutex::default() };
        Box::leak(Box::new(run))
    }

    /// How long to wait before a record is sent; at least a millisecond, since timers are no finer.
    #[must_use]
    pub fn early_by(&self, number: u64) -> Option<Duration> {
        if self.rate == 0 {
            return None;
        }
        let due = self.started + Duration::from_secs_f64(number as f64 / self.rate as f64);
        let early = due.saturating_duration_since(Instant::now());
        (!early.is_zero()).then(|| early.max(Duration::from_millis(1)))
    }

    /// Waits until a record is due.
    pub async fn pace(&self, number: u64) {
        if let Some(early) = self.early_by(number) {
            tokio::time::sleep(early).await;
        }
    }

    /// The moment at which a record is handed over.
    #[must_use]
    pub fn now(&self) -> SentAt {
        SentAt(if self.rate == 0 { 0 } else { self.started.elapsed().as_micros() as usize })
    }

    /// Counts a record that was acknowledged, and its latency, unless it was one of those that warm up.
    pub fn acknowledged(&self, sent_at: SentAt) {
        self.delivered.fetch_add(1, Ordering::Relaxed);
        if self.rate > 0 && sent_at.0 >= WARM_UP_MICROS {
            let took = self.now().0.saturating_sub(sent_at.0) as u64;
            self.micros.lock().unwrap_or_else(PoisonError::into_inner).push(took);
        }
    }

    /// How long it has taken so far.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// Prints what `compare.py` reads.
    pub fn report(&self, elapsed: Duration) {
        let mut micros = std::mem::take(&mut *self.micros.lock().unwrap_or_else(PoisonError::into_inner));
        micros.sort_unstable();
        let at = |percent: usize| micros.get(micros.len() * percent / 100).map(|micros| *micros as f64 / 1e3);
        let (records, elapsed_s) = (self.delivered.load(Ordering::Relaxed), elapsed.as_secs_f64());
        let line = serde_json::json!({"records": records, "elapsed_s": elapsed_s, "p50_ms": at(50), "p99_ms": at(99)});
        println!("{line}");
    }
}
