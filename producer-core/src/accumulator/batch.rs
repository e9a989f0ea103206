//! Record batches, format 2, written byte by byte: records at append, the header at each send.
//!
//! ```text
//! at  0 base_offset i64 = 0          at 23 last_offset_delta i32 = count - 1
//! at  8 batch_length i32 = rest      at 27 base_timestamp i64 = the first record's
//! at 12 leader_epoch i32 = -1        at 35 max_timestamp i64
//! at 16 magic i8 = 2                 at 43 producer_id i64, -1 without
//! at 17 crc u32, CRC-32C from 21     at 51 producer_epoch i16, -1 without
//! at 21 attributes i16, bits 0-2     at 53 base_sequence i32, -1 without
//!       are the codec                at 57 count i32, at 61 the records
//! ```
//!
//! A record is `length varint, attributes 0, timestamp_delta varlong, offset_delta varint, key, value,
//! header count varint, headers`, each part with a zigzag length, -1 for null
//! (<https://kafka.apache.org/documentation/#recordbatch>).
//!
//! Invariant: the bytes of a sealed batch's records never change. Only the header depends on producer id,
//! epoch and sequence, and it is written into the request anew each time, so a retry is the same bytes.

mod split;

pub(crate) use self::split::{Halves, Whole};

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use tokio::time::Instant;

use super::memory::Lease;
use crate::delivery::{Call, CallbackRow, Completion, RecordPlace, Share};
use crate::record::Headers;

/// Bytes before the records.
pub(crate) const BATCH_HEADER_BYTES: usize = 61;

/// Bytes of the header that the CRC does not cover.
const CRC_FROM: usize = 21;

/// The most a record can take beside its key, value and headers: seven varints, two of them long.
const RECORD_OVERHEAD_BYTES_MAX: usize = 5 + 1 + 10 + 5 + 5 + 5 + 5;

/// A serialised record, borrowed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RecordView<'a> {
    pub(crate) timestamp: i64,
    pub(crate) key: Option<&'a [u8]>,
    pub(crate) value: Option<&'a [u8]>,
    pub(crate) headers: &'a Headers,
}

impl RecordView<'_> {
    /// What the record remembers of itself at `index` of its batch.
    pub(crate) fn place(&self, index: u32) -> RecordPlace {
        let part_bytes = |part: Option<&[u8]>| part.map(|part| part.len() as u32);
        RecordPlace {
            index,
            timestamp: self.timestamp,
            key_bytes: part_bytes(self.key),
            value_bytes: part_bytes(self.value),
        }
    }

    /// The most bytes this record takes in any batch, with the batch's header: what `max.request.size` bounds.
    pub(crate) fn batch_bytes_max(&self) -> usize {
        let part = |part: Option<&[u8]>| part.map_or(0, <[u8]>::len);
        let headers: usize = self.headers.iter().map(|h| 10 + h.key.len() + part(h.value.as_deref())).sum();
        BATCH_HEADER_BYTES + RECORD_OVERHEAD_BYTES_MAX + part(self.key) + part(self.value) + headers
    }
}

/// Who writes a batch, and its place in the partition's sequence (idempotence).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) producer_id: i64,
    pub(crate) epoch: i16,
    pub(crate) sequence: i32,
}

impl Stamp {
    const NONE: Self = Self { producer_id: -1, epoch: -1, sequence: -1 };
}

/// A batch that records are still appended to.
#[derive(Debug)]
pub(crate) struct OpenBatch {
    records: BytesMut,
    /// Bytes the batch may reach, header included; a first record may be larger.
    bytes_max: usize,
    count: i32,
    base_timestamp: i64,
    max_timestamp: i64,
    record_bytes_max: usize,
    created: Instant,
    completion: Arc<Completion>,
    callbacks: CallbackRow,
    lease: Lease,
}

impl OpenBatch {
    /// An empty batch in this space, on a lease that covers the first record and `bytes_max`.
    pub(crate) fn new(
        completion: Arc<Completion>,
        lease: Lease,
        space: BytesMut,
        bytes_max: usize,
        created: Instant,
    ) -> Self {
        Self {
            records: space,
            bytes_max,
            count: 0,
            base_timestamp: 0,
            max_timestamp: i64::MIN,
            record_bytes_max: 0,
            created,
            completion,
            callbacks: CallbackRow::default(),
            lease,
        }
    }

    /// Has `callback` called with what becomes of the record at `place`.
    pub(crate) fn call_back(&mut self, place: RecordPlace, callback: impl Call) {
        self.callbacks.push(place, callback);
    }

    pub(crate) fn callbacks(&mut self) -> &mut CallbackRow {
        &mut self.callbacks
    }

    /// Bytes the record takes here, if the batch has room; an empty batch has room for any record.
    pub(crate) fn room_for(&self, record: &RecordView<'_>) -> Option<RecordBytes> {
        let size = RecordBytes::of(record, self.timestamp_delta(record), self.count);
        let fits = BATCH_HEADER_BYTES + self.records.len() + size.total <= self.bytes_max && self.count < i32::MAX;
        (self.count == 0 || fits).then_some(size)
    }

    /// Writes the record and answers its index.
    pub(crate) fn push(&mut self, record: &RecordView<'_>, size: &RecordBytes) -> u32 {
        if self.count == 0 {
            self.base_timestamp = record.timestamp;
        }
        let (index, timestamp_delta) = (self.count, self.timestamp_delta(record));
        write_record(&mut self.records, record, size, timestamp_delta, index);
        self.max_timestamp = self.max_timestamp.max(record.timestamp);
        self.record_bytes_max = self.record_bytes_max.max(size.total);
        self.count += 1;
        index.cast_unsigned()
    }

    fn timestamp_delta(&self, record: &RecordView<'_>) -> i64 {
        if self.count == 0 { 0 } else { record.timestamp.wrapping_sub(self.base_timestamp) }
    }

    pub(crate) fn created(&self) -> Instant {
        self.created
    }

    pub(crate) fn completion(&self) -> &Arc<Completion> {
        &self.completion
    }

    /// Bytes so far, with the header.
    pub(crate) fn bytes(&self) -> usize {
        BATCH_HEADER_BYTES + self.records.len()
    }

    /// Whether no further record of any size fits.
    pub(crate) fn is_full(&self) -> bool {
        self.bytes() >= self.bytes_max
    }

    /// Ends the batch; its records never change from here on.
    pub(crate) fn seal(self) -> SealedBatch {
        self.completion.call_back(self.callbacks);
        SealedBatch {
            plain_bytes: self.records.len(),
            share: Share::whole(self.count.cast_unsigned()),
            body: self.records.freeze(),
            attributes: 0,
            count: self.count,
            base_timestamp: self.base_timestamp,
            max_timestamp: self.max_timestamp,
            record_bytes_max: self.record_bytes_max,
            created: self.created,
            completion: self.completion,
            lease: self.lease,
        }
    }
}

/// A batch whose records are final.
#[derive(Debug)]
pub(crate) struct SealedBatch {
    /// The records, compressed or not.
    pub(crate) body: Bytes,
    /// The codec, in bits 0-2.
    pub(crate) attributes: i16,
    /// Of the records before compression.
    pub(crate) plain_bytes: usize,
    pub(crate) count: i32,
    base_timestamp: i64,
    max_timestamp: i64,
    /// The largest record before compression; in a half, of the whole.
    pub(crate) record_bytes_max: usize,
    pub(crate) created: Instant,
    pub(crate) completion: Arc<Completion>,
    /// The records of the completion that are in this batch.
    pub(crate) share: Share,
    /// Held until the batch is settled; only its drop matters.
    pub(crate) lease: Lease,
}

impl SealedBatch {
    /// Bytes on the wire.
    pub(crate) fn bytes(&self) -> usize {
        BATCH_HEADER_BYTES + self.body.len()
    }

    /// Bytes before compression, with the header.
    pub(crate) fn plain_batch_bytes(&self) -> usize {
        BATCH_HEADER_BYTES + self.plain_bytes
    }

    /// What a request needs; the body is shared, not copied.
    pub(crate) fn image(&self, stamp: Option<Stamp>) -> BatchImage {
        BatchImage { header: self.header(stamp.unwrap_or(Stamp::NONE)), body: self.body.clone() }
    }

    fn header(&self, stamp: Stamp) -> [u8; BATCH_HEADER_BYTES] {
        let mut header = [0; BATCH_HEADER_BYTES];
        // The configuration bounds a batch below 1 GiB.
        let length = (self.bytes() - 12) as i32;
        header[8..12].copy_from_slice(&length.to_be_bytes());
        header[12..16].copy_from_slice(&(-1_i32).to_be_bytes());
        header[16] = 2;
        header[21..23].copy_from_slice(&self.attributes.to_be_bytes());
        header[23..27].copy_from_slice(&(self.count - 1).to_be_bytes());
        header[27..35].copy_from_slice(&self.base_timestamp.to_be_bytes());
        header[35..43].copy_from_slice(&self.max_timestamp.to_be_bytes());
        header[43..51].copy_from_slice(&stamp.producer_id.to_be_bytes());
        header[51..53].copy_from_slice(&stamp.epoch.to_be_bytes());
        header[53..57].copy_from_slice(&stamp.sequence.to_be_bytes());
        header[57..61].copy_from_slice(&self.count.to_be_bytes());
        let crc = crc32c::crc32c_append(crc32c::crc32c(&header[CRC_FROM..]), &self.body);
        header[17..21].copy_from_slice(&crc.to_be_bytes());
        header
    }
}

/// One batch as it goes out.
#[derive(Debug, Clone)]
pub(crate) struct BatchImage {
    pub(crate) header: [u8; BATCH_HEADER_BYTES],
    pub(crate) body: Bytes,
}

impl BatchImage {
    pub(crate) fn bytes(&self) -> usize {
        BATCH_HEADER_BYTES + self.body.len()
    }
}

/// The exact size of a record in a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RecordBytes {
    /// After the length field.
    body: usize,
    /// With the length field.
    pub(crate) total: usize,
}

impl RecordBytes {
    fn of(record: &RecordView<'_>, timestamp_delta: i64, offset_delta: i32) -> Self {
        let mut body = 1 + varint_bytes(timestamp_delta) + varint_bytes(i64::from(offset_delta));
        body += part_bytes(record.key) + part_bytes(record.value) + varint_bytes(record.headers.len() as i64);
        for header in record.headers.iter() {
            body += part_bytes(Some(header.key.as_bytes())) + part_bytes(header.value.as_deref());
        }
        Self { body, total: varint_bytes(body as i64) + body }
    }
}

fn part_bytes(part: Option<&[u8]>) -> usize {
    part.map_or(1, |part| varint_bytes(part.len() as i64) + part.len())
}

fn write_record(
    out: &mut BytesMut,
    record: &RecordView<'_>,
    size: &RecordBytes,
    timestamp_delta: i64,
    offset_delta: i32,
) {
    let end = out.len() + size.total;
    out.reserve(size.total);
    let mut small = Small::default();
    small.varint(size.body as i64);
    small.byte(0);
    small.varint(timestamp_delta);
    small.varint(i64::from(offset_delta));
    put_part(out, &mut small, record.key);
    put_part(out, &mut small, record.value);
    small.varint(record.headers.len() as i64);
    for header in record.headers.iter() {
        put_part(out, &mut small, Some(header.key.as_bytes()));
        put_part(out, &mut small, header.value.as_deref());
    }
    small.put_into(out);
    debug_assert_eq!(out.len(), end, "Invariant: a record takes exactly the bytes that were counted");
}

fn put_part(out: &mut BytesMut, small: &mut Small, part: Option<&[u8]>) {
    small.varint(part.map_or(-1, |part| part.len() as i64));
    if let Some(part) = part {
        small.put_into(out);
        out.extend_from_slice(part);
    }
}

/// The small fields between two parts, put into the batch at once: a call for each would cost more than the bytes.
struct Small {
    bytes: [u8; Self::BYTES_MAX],
    len: usize,
}

impl Small {
    /// Two parts without content, and what stands before the first or after the last.
    const BYTES_MAX: usize = RECORD_OVERHEAD_BYTES_MAX + 10;

    fn byte(&mut self, byte: u8) {
        self.bytes[self.len] = byte;
        self.len += 1;
    }

    fn varint(&mut self, value: i64) {
        let mut rest = &mut self.bytes[self.len..];
        put_varint(&mut rest, value);
        self.len = Self::BYTES_MAX - rest.len();
    }

    fn put_into(&mut self, out: &mut BytesMut) {
        out.extend_from_slice(&self.bytes[..self.len]);
        self.len = 0;
    }
}

impl Default for Small {
    fn default() -> Self {
        Self { bytes: [0; Self::BYTES_MAX], len: 0 }
    }
}

/// Zigzag, then seven bits a byte, the lowest first. A varint and a varlong look alike for equal values.
fn put_varint(rest: &mut &mut [u8], value: i64) {
    let mut value = zigzag(value);
    let mut place = std::mem::take(rest).iter_mut();
    for byte in place.by_ref() {
        *byte = value as u8;
        if value < 0x80 {
            break;
        }
        *byte |= 0x80;
        value >>= 7;
    }
    *rest = place.into_slice();
}

fn varint_bytes(value: i64) -> usize {
    // Bits used, at least one, in groups of seven: (9 * bits + 64) / 64 is their number for 1 to 64 bits.
    let bits = 64 - (zigzag(value) | 1).leading_zeros() as usize;
    (9 * bits + 64) / 64
}

fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)).cast_unsigned()
}

#[cfg(test)]
mod tests;
