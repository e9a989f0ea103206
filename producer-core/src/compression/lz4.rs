//! LZ4 as Kafka takes it: one frame, independent blocks of 64 KiB, no checksum of the content.
//!
//! ```text
//! magic 04 22 4d 18 | flags 60 | block size 40 | header checksum 82 | (length u32, block)* | end 00 00 00 00
//! ```
//! Little-endian; the highest bit of a length marks a block that is stored as it is because it did not
//! shrink. Source: <https://github.com/lz4/lz4/blob/dev/doc/lz4_Frame_format.md>.

mod high;

use std::io;

use lz4_flex::block::{self, CompressTable};

use self::high::HighCompressor;
use super::Encoder;

/// Version 1 and independent blocks; blocks of 64 KiB at most; the second byte of xxHash32 over these two.
const HEADER: [u8; 7] = [0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82];

const BLOCK_BYTES: usize = 64 * 1024;

const STORED: u32 = 1 << 31;

/// The level at which Java's client takes its fast compressor; at any other it searches, the longer the higher.
const FAST_LEVEL: i32 = 9;

/// Below, a table of half the size does, and takes half as long to clear.
const SMALL_BYTES: usize = u16::MAX as usize;

/// Keeps the tables from batch to batch.
pub(super) struct Lz4Encoder {
    blocks: Blocks,
    /// A block is written here, where there is room for the worst case already.
    space: Vec<u8>,
}

enum Blocks {
    Fast { small: CompressTable, large: CompressTable },
    High(HighCompressor),
}

impl Lz4Encoder {
    /// `level` is 1 to 17.
    pub(super) fn new(level: i32) -> Self {
        let blocks = match level {
            FAST_LEVEL => Blocks::Fast { small: CompressTable::small(), large: CompressTable::large() },
            _ => Blocks::High(HighCompressor::new(level.clamp(1, 17).unsigned_abs())),
        };
        Self { blocks, space: Vec::new() }
    }

    /// The block compressed.
    fn encode_block(&mut self, block: &[u8]) -> io::Result<&[u8]> {
        let room = block::get_maximum_output_size(block.len());
        if self.space.len() < room {
            self.space.resize(room, 0);
        }
        let out = &mut self.space[..room];
        let written = match &mut self.blocks {
            Blocks::Fast { small, large } => {
                let table = if block.len() < SMALL_BYTES { small } else { large };
                block::compress_into_with_table(block, out, table).map_err(io::Error::other)?
            }
            Blocks::High(compressor) => compressor.compress(block, out),
        };
        Ok(&self.space[..written])
    }
}

impl Encoder for Lz4Encoder {
    fn encode(&mut self, records: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
        out.extend_from_slice(&HEADER);
        for block in records.chunks(BLOCK_BYTES) {
            let encoded = self.encode_block(block)?;
            let (stored, flag) = if encoded.len() < block.len() { (encoded, 0) } else { (block, STORED) };
            out.extend_from_slice(&(stored.len() as u32 | flag).to_le_bytes());
            out.extend_from_slice(stored);
        }
        out.extend_from_slice(&[0; 4]);
        Ok(())
    }
}

/// The frame, plain; `Ok(None)` if it would be more than `bytes_max`.
pub(super) fn decode(compressed: &[u8], bytes_max: usize) -> io::Result<Option<Vec<u8>>> {
    super::decompress::read_bounded(lz4_flex::frame::FrameDecoder::new(compressed), bytes_max)
}
