//! LZ4 as Kafka takes it: the standard frame, independent blocks of 64 KiB, no checksum of the content.

use std::io::Write;

use bytes::Bytes;
use lz4_flex::frame::{BlockMode, BlockSize, FrameEncoder, FrameInfo};

/// One frame with the records, or `None` if the encoder fails (it writes to memory, so it does not).
pub(super) fn compress(records: &[u8]) -> Option<Bytes> {
    let frame =
        FrameInfo::new().block_size(BlockSize::Max64KB).block_mode(BlockMode::Independent).content_checksum(false);
    let mut encoder = FrameEncoder::with_frame_info(frame, Vec::with_capacity(records.len() / 2));
    encoder.write_all(records).ok()?;
    encoder.finish().ok().map(Bytes::from)
}
