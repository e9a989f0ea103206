//! Zstandard as Kafka takes it: one frame. The only codec that is not Rust: the feature needs a C compiler.

use std::io;

use zstd::bulk;
use zstd::zstd_safe::compress_bound;

use super::Encoder;

/// Keeps the compression context, a megabyte at the default level, from batch to batch.
pub(super) struct ZstdEncoder {
    context: bulk::Compressor<'static>,
}

impl ZstdEncoder {
    /// `level` is -131,072 to 22; 0 is the default, 3. `None` if there is no memory for a context.
    pub(super) fn new(level: i32) -> Option<Self> {
        bulk::Compressor::new(level).ok().map(|context| Self { context })
    }
}

impl Encoder for ZstdEncoder {
    fn encode(&mut self, records: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
        out.reserve(compress_bound(records.len()));
        self.context.compress_to_buffer(records, out).map(drop)
    }
}

/// Bits of the largest window that is accepted: 128 MiB, what level 22 asks for, and the limit that brokers have.
const WINDOW_BITS_MAX: u32 = 27;

/// All frames, one after the other, plain; `Ok(None)` if they would be more than `bytes_max`.
pub(super) fn decode(compressed: &[u8], bytes_max: usize) -> io::Result<Option<Vec<u8>>> {
    let mut decoder = zstd::stream::read::Decoder::with_buffer(compressed)?;
    decoder.window_log_max(WINDOW_BITS_MAX)?;
    super::decompress::read_bounded(decoder, bytes_max)
}
