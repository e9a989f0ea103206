//! Snappy as Java's clients write it: the xerial stream, which is a header and blocks of 32 KiB.
//!
//! ```text
//! 82 'S' 'N' 'A' 'P' 'P' 'Y' 00 | version i32 = 1 | oldest reader i32 = 1 | (length i32, raw block)*
//! ```
//! Source: `SnappyOutputStream` of <https://github.com/xerial/snappy-java>. librdkafka writes one raw block
//! without a header; Java reads both, and so does the reader here.

use std::io;

use snap::raw;

use super::Encoder;

const MAGIC: [u8; 8] = [0x82, b'S', b'N', b'A', b'P', b'P', b'Y', 0];

const HEADER: [u8; 16] = {
    let mut header = [0; 16];
    let mut at = 0;
    while at < MAGIC.len() {
        header[at] = MAGIC[at];
        at += 1;
    }
    (header[11], header[15]) = (1, 1);
    header
};

const BLOCK_BYTES: usize = 32 * 1024;

/// Keeps the hash table from batch to batch.
pub(super) struct SnappyEncoder {
    raw: raw::Encoder,
}

impl SnappyEncoder {
    pub(super) fn new() -> Self {
        Self { raw: raw::Encoder::new() }
    }
}

impl Encoder for SnappyEncoder {
    fn encode(&mut self, records: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
        out.extend_from_slice(&HEADER);
        for block in records.chunks(BLOCK_BYTES) {
            let length_at = out.len();
            let start = length_at + 4;
            out.resize(start + raw::max_compress_len(block.len()), 0);
            let written = self.raw.compress(block, &mut out[start..])?;
            out.truncate(start + written);
            // A block of 32 KiB takes at most 38 KB.
            out[length_at..start].copy_from_slice(&(written as u32).to_be_bytes());
        }
        Ok(())
    }
}

/// The plain bytes; `Ok(None)` if they would be more than `bytes_max`.
pub(super) fn decode(compressed: &[u8], bytes_max: usize) -> io::Result<Option<Vec<u8>>> {
    let broken = |what| io::Error::new(io::ErrorKind::InvalidData, what);
    let mut plain = Vec::new();
    if !compressed.starts_with(&MAGIC) {
        return Ok(append_block(compressed, &mut plain, bytes_max)?.then_some(plain));
    }
    // Both versions have been 1 since the format exists, and Java takes any writer's that says it can be read.
    let mut rest = compressed.get(HEADER.len()..).ok_or_else(|| broken("the header is cut short"))?;
    while !rest.is_empty() {
        let (length, after) = rest.split_first_chunk().ok_or_else(|| broken("a block's length is cut short"))?;
        let length = u32::from_be_bytes(*length) as usize;
        let (block, after) = after.split_at_checked(length).ok_or_else(|| broken("a block is cut short"))?;
        if !append_block(block, &mut plain, bytes_max)? {
            return Ok(None);
        }
        rest = after;
    }
    Ok(Some(plain))
}

/// Decompresses a block behind what is there; false if that would be more than `bytes_max`.
fn append_block(block: &[u8], plain: &mut Vec<u8>, bytes_max: usize) -> io::Result<bool> {
    // The block says how long it will be, and is not believed beyond the bound.
    let start = plain.len();
    let end = start.saturating_add(raw::decompress_len(block)?);
    if end > bytes_max {
        return Ok(false);
    }
    plain.resize(end, 0);
    raw::Decoder::new().decompress(block, &mut plain[start..])?;
    Ok(true)
}
