//! Codecs for the records of a batch. The header stays plain; its attributes name the codec.
//!
//! Both directions of a codec stand in its file: the producer compresses, the reader, the fake broker and the
//! producer's splitting of a batch decompress. A decompressor trusts no length: what it puts out is bounded by its
//! caller, and what it needs beside that by its format: zstd a window of up to 128 MiB, lz4 a block of up to 4 MiB.

#[cfg(feature = "gzip")]
mod gzip;
#[cfg(feature = "lz4")]
mod lz4;
#[cfg(feature = "snappy")]
mod snappy;
#[cfg(feature = "zstd")]
mod zstd;

mod decompress;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use tokio::sync::Semaphore;

use crate::config::{Compression, Named as _, ProducerConfig};

#[cfg(any(feature = "reader", feature = "testing"))]
pub(crate) use self::decompress::DecompressError;
pub(crate) use self::decompress::decompress;

impl Compression {
    /// The codec's number in a batch's attributes.
    fn wire_id(self) -> i16 {
        match self {
            Self::None => 0,
            Self::Gzip => 1,
            Self::Snappy => 2,
            Self::Lz4 => 3,
            Self::Zstd => 4,
        }
    }

    /// The codec with this number, if there is one.
    fn from_wire_id(id: i16) -> Option<Self> {
        Self::NAMES.iter().map(|(_, codec)| *codec).find(|codec| codec.wire_id() == id)
    }

    /// Its name in `compression.type`.
    fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(_, codec)| *codec == self).map_or("", |(name, _)| name)
    }
}

/// The compressors of one producer. Each holds tables worth reusing, so one that is done waits for the next batch.
#[derive(Debug)]
pub(crate) struct Compressors {
    compression: Compression,
    level: i32,
    /// At most one for each thread that compressed at the same time.
    idle: Mutex<Vec<Compressor>>,
    /// One permit for each core: more large batches at a time would only wait for each other, each with its tables.
    large: Semaphore,
}

/// Bytes that a codec compresses in about a millisecond, which is as long as a task may hold the thread of others.
///
/// Orders of magnitude on one core of a server, from the codecs' own benchmarks: the fast ones take some 300 MB in a
/// second, those that search a little some 30 MB, those that search for the best match 2 MB or less. To hand a batch
/// to another thread and back costs some tens of microseconds, so smaller ones stay where they are: a default batch
/// of 16 KiB does but for the slowest.
fn bytes_per_millisecond(compression: Compression, level: i32) -> usize {
    match (compression, level) {
        (Compression::None | Compression::Snappy, _) | (Compression::Zstd, ..=3) => 256 * 1024,
        (Compression::Lz4, 9) => 256 * 1024,
        (Compression::Gzip, ..=6) | (Compression::Lz4, ..=8) | (Compression::Zstd, ..=9) => 32 * 1024,
        (Compression::Gzip | Compression::Lz4 | Compression::Zstd, _) => 2 * 1024,
    }
}

impl Compressors {
    pub(crate) fn new(config: &ProducerConfig) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self {
            compression: config.compression,
            level: config.compression_level(),
            idle: Mutex::default(),
            large: Semaphore::new(cores),
        }
    }

    /// As [`compress`](Self::compress), on a thread for blocking work if that takes long: the workers of the runtime
    /// have connections to serve.
    pub(crate) async fn compress_aside(self: &Arc<Self>, records: &Bytes) -> Option<(Bytes, i16)> {
        if records.len() <= bytes_per_millisecond(self.compression, self.level) {
            // A codec that panics leaves the batch plain, here as there.
            return catch_unwind(AssertUnwindSafe(|| self.compress(records))).ok()?;
        }
        // Never closed.
        let _permit = self.large.acquire().await.ok()?;
        let (compressors, records) = (self.clone(), records.clone());
        // Without an answer, when the runtime ends for instance, the batch stays plain.
        tokio::task::spawn_blocking(move || compressors.compress(&records)).await.ok()?
    }

    /// The records compressed, with the attributes to go with them; `None` if that would not make them smaller.
    pub(crate) fn compress(&self, records: &[u8]) -> Option<(Bytes, i16)> {
        let idle = self.lock().pop();
        let mut compressor = match idle {
            Some(compressor) => compressor,
            None => Compressor::new(self.compression, self.level)?,
        };
        let compressed = compressor.compress(records);
        self.lock().push(compressor);
        compressed.map(|bytes| (bytes, self.compression.wire_id()))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Compressor>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One codec's encoder, with the space it writes to.
struct Compressor {
    encoder: Box<dyn Encoder>,
    out: Vec<u8>,
}

impl std::fmt::Debug for Compressor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Compressor").finish_non_exhaustive()
    }
}

impl Compressor {
    /// `None` without compression, or if the codec is not built in (which `validate` refuses).
    fn new(compression: Compression, level: i32) -> Option<Self> {
        let encoder: Option<Box<dyn Encoder>> = match (compression, level) {
            #[cfg(feature = "gzip")]
            (Compression::Gzip, level) => Some(Box::new(gzip::GzipEncoder::new(level))),
            #[cfg(feature = "snappy")]
            (Compression::Snappy, _) => Some(Box::new(snappy::SnappyEncoder::new())),
            #[cfg(feature = "lz4")]
            (Compression::Lz4, level) => Some(Box::new(lz4::Lz4Encoder::new(level))),
            #[cfg(feature = "zstd")]
            (Compression::Zstd, level) => Some(Box::new(zstd::ZstdEncoder::new(level)?)),
            _ => None,
        };
        encoder.map(|encoder| Self { encoder, out: Vec::new() })
    }

    /// `None` if the result is not smaller.
    fn compress(&mut self, records: &[u8]) -> Option<Bytes> {
        self.out.clear();
        if let Err(error) = self.encoder.encode(records, &mut self.out) {
            tracing::warn!(%error, "a batch could not be compressed and is sent plain");
            return None;
        }
        // A copy of the exact size: the space it was written to is for the worst case, and is used again.
        (self.out.len() < records.len()).then(|| Bytes::copy_from_slice(&self.out))
    }
}

/// What a codec does for the producer.
trait Encoder: Send {
    /// Appends the compressed form of `records` to `out`, which is empty.
    fn encode(&mut self, records: &[u8], out: &mut Vec<u8>) -> std::io::Result<()>;
}

#[cfg(all(test, feature = "gzip", feature = "lz4", feature = "snappy", feature = "testing", feature = "zstd"))]
mod tests;
