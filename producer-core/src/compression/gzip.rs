//! Gzip as Kafka takes it: one member (RFC 1952), without a file name or a time.

use std::io;

use flate2::{Compress, Compression, Crc, FlushCompress, Status};

use super::Encoder;

/// Magic, deflate, no flags, no time, no hint, unknown system.
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];

/// The output grows by this at a time; deflate never needs much more than the input.
const STEP_BYTES: usize = 16 * 1024;

/// Keeps the state of deflate, some 300 KB, from batch to batch.
pub(super) struct GzipEncoder {
    deflate: Compress,
}

impl GzipEncoder {
    /// `level` is 1 to 9, or negative for the default, 6.
    pub(super) fn new(level: i32) -> Self {
        let level = u32::try_from(level).map_or_else(|_| Compression::default(), Compression::new);
        Self { deflate: Compress::new(level, false) }
    }
}

impl Encoder for GzipEncoder {
    fn encode(&mut self, records: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
        out.extend_from_slice(&HEADER);
        self.deflate.reset();
        loop {
            out.reserve(STEP_BYTES);
            let read = self.deflate.total_in() as usize;
            let status = self.deflate.compress_vec(&records[read..], out, FlushCompress::Finish);
            if status.map_err(io::Error::other)? == Status::StreamEnd {
                break;
            }
        }
        let mut crc = Crc::new();
        crc.update(records);
        out.extend_from_slice(&crc.sum().to_le_bytes());
        // The length modulo 2^32, says the format.
        out.extend_from_slice(&(records.len() as u32).to_le_bytes());
        Ok(())
    }
}

/// All members, one after the other, plain; `Ok(None)` if they would be more than `bytes_max`.
pub(super) fn decode(compressed: &[u8], bytes_max: usize) -> io::Result<Option<Vec<u8>>> {
    super::decompress::read_bounded(flate2::bufread::MultiGzDecoder::new(compressed), bytes_max)
}
