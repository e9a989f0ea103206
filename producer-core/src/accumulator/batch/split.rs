//! A batch that the broker finds too large, cut in two.
//!
//! The first half is the same bytes. In the second, offsets and timestamps count from its own first record;
//! keys, values and headers are copied as they are, so nothing of a record can get lost on the way.

use bytes::{Buf, Bytes};

use super::{SealedBatch, put_varint, varint_bytes};
use crate::compression::decompress;

/// The records of a batch, to be cut in two. Apart from the queue that holds the batch: they may have to be
/// decompressed, for which nobody who appends should wait.
#[derive(Debug)]
pub(crate) struct Whole {
    attributes: i16,
    body: Bytes,
    plain_bytes: usize,
    count: i32,
}

/// About half of the bytes each, uncompressed.
#[derive(Debug)]
pub(crate) struct Halves {
    cut: Cut,
    left: Bytes,
    right: Bytes,
}

impl Whole {
    /// `None` for a single record.
    pub(crate) fn halve(&self) -> Option<Halves> {
        // Our own compression of so many bytes; anything else is no reason to lose records over.
        let plain = decompress(self.attributes & 7, &self.body, self.plain_bytes)
            .inspect_err(|error| tracing::error!(%error, "a compressed batch cannot be read again"))
            .ok()?;
        let cut = Cut::of(&plain, self.count)?;
        let right = renumbered(&plain[cut.at..], cut.count, cut.first_delta)?;
        // A copy: a slice would keep the whole buffer, of which the lease covers half.
        let left = Bytes::copy_from_slice(&plain[..cut.at]);
        Some(Halves { cut, left, right })
    }
}

impl SealedBatch {
    /// What it is cut from.
    pub(crate) fn whole(&self) -> Whole {
        Whole { attributes: self.attributes, body: self.body.clone(), plain_bytes: self.plain_bytes, count: self.count }
    }

    /// Keeps the left half and answers the right one, uncompressed both; `None` if there is no memory to share, which
    /// there always is.
    ///
    /// They share the completion and the memory of the whole.
    pub(crate) fn split_off(&mut self, halves: Halves) -> Option<Self> {
        let Halves { cut, left, right } = halves;
        let right_lease = self.lease.split(self.lease.bytes() / 2)?;
        let (left_share, right_share) = self.share.split_at(cut.count.cast_unsigned());
        let right = Self {
            plain_bytes: right.len(),
            body: right,
            attributes: 0,
            count: self.count - cut.count,
            base_timestamp: self.base_timestamp.wrapping_add(cut.first_delta),
            max_timestamp: self.base_timestamp.wrapping_add(cut.right_max_delta),
            record_bytes_max: self.record_bytes_max,
            created: self.created,
            completion: self.completion.clone(),
            share: right_share,
            lease: right_lease,
        };
        self.plain_bytes = cut.at;
        self.body = left;
        self.attributes = 0;
        self.count = cut.count;
        self.max_timestamp = self.base_timestamp.wrapping_add(cut.left_max_delta);
        self.share = left_share;
        Some(right)
    }
}

/// Where a batch is cut.
#[derive(Debug)]
struct Cut {
    /// Byte at which the right half begins.
    at: usize,
    /// Records of the left half.
    count: i32,
    /// The largest timestamp deltas of both halves, and that of the right one's first record.
    left_max_delta: i64,
    right_max_delta: i64,
    first_delta: i64,
}

impl Cut {
    /// The cut nearest the middle; `None` for fewer than two records.
    fn of(records: &Bytes, count: i32) -> Option<Self> {
        let mut rest = &records[..];
        let mut cut: Option<Self> = None;
        let mut left_max_delta = i64::MIN;
        for index in 0..count {
            let at = records.len() - rest.len();
            let delta = Record::read(&mut rest)?.timestamp_delta;
            // The last record begins the right half at the latest.
            let is_here = index > 0 && (2 * at >= records.len() || index == count - 1);
            match &mut cut {
                Some(cut) => cut.right_max_delta = cut.right_max_delta.max(delta),
                None if is_here => {
                    cut = Some(Self { at, count: index, left_max_delta, right_max_delta: delta, first_delta: delta });
                }
                None => left_max_delta = left_max_delta.max(delta),
            }
        }
        cut
    }
}

/// One record, split at the fields that change with its place.
struct Record<'a> {
    attributes: u8,
    timestamp_delta: i64,
    offset_delta: i64,
    /// Key, value and headers.
    rest: &'a [u8],
}

impl<'a> Record<'a> {
    /// Reads what `write_record` wrote; `None` if it is something else.
    fn read(from: &mut &'a [u8]) -> Option<Self> {
        let length = usize::try_from(varint(from)?).ok()?;
        let (mut body, after) = from.split_at_checked(length)?;
        *from = after;
        Some(Self {
            attributes: body.try_get_u8().ok()?,
            timestamp_delta: varint(&mut body)?,
            offset_delta: varint(&mut body)?,
            rest: body,
        })
    }

    fn write(&self, out: &mut Vec<u8>) {
        let body = 1 + varint_bytes(self.timestamp_delta) + varint_bytes(self.offset_delta) + self.rest.len();
        push_varint(out, body as i64);
        out.push(self.attributes);
        push_varint(out, self.timestamp_delta);
        push_varint(out, self.offset_delta);
        out.extend_from_slice(self.rest);
    }
}

/// The records with offsets from 0 and timestamps from the first one's.
fn renumbered(mut records: &[u8], first_offset: i32, first_delta: i64) -> Option<Bytes> {
    let mut out = Vec::with_capacity(records.len());
    while !records.is_empty() {
        let mut record = Record::read(&mut records)?;
        record.offset_delta -= i64::from(first_offset);
        record.timestamp_delta = record.timestamp_delta.wrapping_sub(first_delta);
        record.write(&mut out);
    }
    Some(out.into())
}

fn push_varint(out: &mut Vec<u8>, value: i64) {
    let start = out.len();
    out.resize(start + varint_bytes(value), 0);
    put_varint(&mut &mut out[start..], value);
}

fn varint(from: &mut &[u8]) -> Option<i64> {
    let mut zigzag = 0_u64;
    for shift in (0..64).step_by(7) {
        let byte = from.try_get_u8().ok()?;
        zigzag |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some((zigzag >> 1).cast_signed() ^ -(zigzag & 1).cast_signed());
        }
    }
    None
}
