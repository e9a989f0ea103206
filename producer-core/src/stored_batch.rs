//! A record batch as a broker stores it: header, checks and records, for the reader and the fake broker.
//!
//! It must not know sockets or topics, and the producer must not use it: what the producer writes is
//! judged here by other code. Every function is total over bytes: whatever a peer sends gives a value
//! or a [`BatchError`], and nothing is allocated from a length before the length has been checked.
//!
//! ```text
//!  0 base_offset i64        8 batch_length i32 (bytes after itself)   12 partition_leader_epoch i32
//! 16 magic i8 = 2          17 crc u32 (CRC-32C of all from 21)        21 attributes i16
//! 23 last_offset_delta i32 27 base_timestamp i64                      35 max_timestamp i64
//! 43 producer_id i64       51 producer_epoch i16                      53 base_sequence i32
//! 57 record_count i32      61 records
//! ```
//! Source: <https://kafka.apache.org/documentation/#recordbatch>.

use bytes::{Buf, Bytes};
use kafka_protocol::records::{Compression, RecordBatchDecoder};

use crate::compression::{DecompressError, decompress};
use crate::record::Headers;

/// Bytes before the records.
pub(crate) const HEADER_BYTES: usize = 61;
/// Bytes up to and with `batch_length`, which counts what follows it.
pub(crate) const LENGTH_END: usize = 12;
const CRC_START: usize = 21;
/// The bit of the attributes that says whose time `max_timestamp` is.
const LOG_APPEND_TIME: i16 = 1 << 3;
/// Attributes (1), timestamp delta, offset delta, key length, value length and header count, one byte each at least.
const RECORD_BODY_BYTES_MIN: usize = 6;
/// Such a record with the varint of its length.
const RECORD_BYTES_MIN: usize = RECORD_BODY_BYTES_MIN + 1;
/// Records and headers of one batch. Each takes some hundred bytes once decoded; a batch of 1 MiB holds
/// 150,000 of the smallest before compression.
const BATCH_ITEMS_MAX: usize = 1_000_000;
/// Key length and value length, one byte each at least.
const RECORD_HEADER_BYTES_MIN: usize = 2;

/// A record as it lies in a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoredRecord {
    /// Offset in the partition.
    pub offset: i64,
    /// Milliseconds since the Unix epoch.
    pub timestamp: i64,
    /// Key; `None` is Kafka's null.
    pub key: Option<Bytes>,
    /// Value; `None` is a tombstone.
    pub value: Option<Bytes>,
    /// Headers, in order, with repeated keys.
    pub headers: Headers,
}

/// Why a batch cannot be taken or read.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub(crate) enum BatchError {
    #[error("batch cut short: expected {expected} bytes, found {found}")]
    CutShort { expected: usize, found: usize },
    #[error("`batch_length` is {0}, less than a batch header")]
    Length(i32),
    #[error("`magic` is {0}, expected 2")]
    Magic(i8),
    #[error("CRC-32C is {found:#010x}, expected {expected:#010x}")]
    Crc { expected: u32, found: u32 },
    #[error("`record_count` is {count}, which {body_bytes} bytes of records cannot hold")]
    Count { count: i32, body_bytes: usize },
    #[error("more than {BATCH_ITEMS_MAX} records and headers")]
    TooManyItems,
    #[error(transparent)]
    Decompress(#[from] DecompressError),
    #[error("record {index}: {reason}")]
    Record { index: i32, reason: &'static str },
    #[error("{0} bytes follow the last record")]
    TrailingBytes(usize),
    #[error("batch does not decode: {0}")]
    Decoder(String),
}

/// The fixed fields of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BatchHeader {
    pub(crate) base_offset: i64,
    pub(crate) magic: i8,
    pub(crate) crc: u32,
    pub(crate) attributes: i16,
    pub(crate) last_offset_delta: i32,
    pub(crate) base_timestamp: i64,
    pub(crate) max_timestamp: i64,
    pub(crate) producer_id: i64,
    pub(crate) producer_epoch: i16,
    pub(crate) base_sequence: i32,
    pub(crate) record_count: i32,
    /// The whole batch, with the bytes before `batch_length`.
    pub(crate) batch_bytes: usize,
}

impl BatchHeader {
    /// Reads the header of the batch that `bytes` starts with; the whole batch must be there.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, BatchError> {
        if bytes.len() < HEADER_BYTES {
            return Err(BatchError::CutShort { expected: HEADER_BYTES, found: bytes.len() });
        }
        let mut header = &bytes[..HEADER_BYTES];
        let base_offset = header.get_i64();
        let batch_length = header.get_i32();
        let _leader_epoch = header.get_i32();
        let magic = header.get_i8();
        if magic != 2 {
            return Err(BatchError::Magic(magic));
        }
        let after_length = usize::try_from(batch_length).unwrap_or(0);
        if after_length < HEADER_BYTES - LENGTH_END {
            return Err(BatchError::Length(batch_length));
        }
        let batch_bytes = LENGTH_END + after_length;
        if batch_bytes > bytes.len() {
            return Err(BatchError::CutShort { expected: batch_bytes, found: bytes.len() });
        }
        Ok(Self {
            base_offset,
            magic,
            crc: header.get_u32(),
            attributes: header.get_i16(),
            last_offset_delta: header.get_i32(),
            base_timestamp: header.get_i64(),
            max_timestamp: header.get_i64(),
            producer_id: header.get_i64(),
            producer_epoch: header.get_i16(),
            base_sequence: header.get_i32(),
            record_count: header.get_i32(),
            batch_bytes,
        })
    }

    /// Compares the CRC with the bytes of `batch`, which starts where the header was read.
    pub(crate) fn check_crc(&self, batch: &[u8]) -> Result<(), BatchError> {
        let found = crc32c::crc32c(&batch[CRC_START..self.batch_bytes]);
        if found != self.crc {
            return Err(BatchError::Crc { expected: self.crc, found });
        }
        Ok(())
    }

    pub(crate) fn codec_id(&self) -> i16 {
        self.attributes & 0x7
    }

    pub(crate) fn is_log_append_time(&self) -> bool {
        self.attributes & LOG_APPEND_TIME != 0
    }

    #[cfg(feature = "testing")]
    pub(crate) fn is_transactional(&self) -> bool {
        self.attributes & (1 << 4) != 0
    }

    pub(crate) fn is_control(&self) -> bool {
        self.attributes & (1 << 5) != 0
    }
}

#[cfg(feature = "reader")]
impl BatchHeader {
    /// The offset of the last record, which compaction may have removed.
    pub(crate) fn last_offset(&self) -> i64 {
        self.base_offset.saturating_add(i64::from(self.last_offset_delta))
    }
}

/// Decodes the batch that `bytes` starts with; its records may take `body_bytes_max` once decompressed.
///
/// The records come from kafka-protocol's decoder. Their headers come from the check that runs before
/// it, because that decoder keeps headers in a map and so loses repeated keys.
pub(crate) fn decode(bytes: &Bytes, body_bytes_max: usize) -> Result<Vec<StoredRecord>, BatchError> {
    let header = BatchHeader::parse(bytes)?;
    header.check_crc(bytes)?;
    let body = body(&header, bytes, body_bytes_max)?;
    let headers = check_records(&header, &body)?;

    let mut batch = bytes.slice(..header.batch_bytes);
    let decompressor = |_: &mut Bytes, _: Compression| Ok(body.clone());
    let set = RecordBatchDecoder::decode_with_custom_compression(&mut batch, Some(decompressor))
        .map_err(|error| BatchError::Decoder(error.to_string()))?;
    let records = set.records.into_iter().zip(headers).map(|(record, headers)| StoredRecord {
        offset: record.offset,
        timestamp: if header.is_log_append_time() { header.max_timestamp } else { record.timestamp },
        key: record.key,
        value: record.value,
        headers,
    });
    Ok(records.collect())
}

/// The records of a batch, decompressed to at most `bytes_max`.
pub(crate) fn body(header: &BatchHeader, batch: &Bytes, bytes_max: usize) -> Result<Bytes, BatchError> {
    let compressed = batch.slice(HEADER_BYTES..header.batch_bytes);
    Ok(decompress(header.codec_id(), &compressed, bytes_max)?)
}

/// Gives a batch the time of its append, as a topic with `message.timestamp.type=LogAppendTime` does.
#[cfg(feature = "testing")]
pub(crate) fn stamp(batch: &mut [u8], header: &BatchHeader, append_time: i64) {
    let attributes = header.attributes | LOG_APPEND_TIME;
    batch[21..23].copy_from_slice(&attributes.to_be_bytes());
    batch[35..43].copy_from_slice(&append_time.to_be_bytes());
    let crc = crc32c::crc32c(&batch[CRC_START..]);
    batch[17..CRC_START].copy_from_slice(&crc.to_be_bytes());
}

/// Walks every record of a decompressed body, so that the decoder meets no length it should not trust.
///
/// Offset deltas must rise, but may leave out numbers, as after compaction.
pub(crate) fn check_records(header: &BatchHeader, body: &Bytes) -> Result<Vec<Headers>, BatchError> {
    let body_bytes = body.len();
    let count = usize::try_from(header.record_count).unwrap_or(usize::MAX);
    if count > body_bytes / RECORD_BYTES_MIN {
        return Err(BatchError::Count { count: header.record_count, body_bytes });
    }
    let mut items = count;
    let mut walk = Walk { rest: body.clone() };
    if items > BATCH_ITEMS_MAX {
        return Err(BatchError::TooManyItems);
    }
    let mut all = Vec::with_capacity(count);
    let mut offset_delta_min = 0;
    for index in 0..header.record_count {
        let at = |reason| BatchError::Record { index, reason };
        let (headers, offset_delta) = walk.record(header, BATCH_ITEMS_MAX - items).map_err(at)?;
        items += headers.len();
        if offset_delta < offset_delta_min || offset_delta > header.last_offset_delta {
            return Err(at("offset delta out of order"));
        }
        offset_delta_min = offset_delta.saturating_add(1);
        all.push(headers);
    }
    if walk.rest.has_remaining() {
        return Err(BatchError::TrailingBytes(walk.rest.remaining()));
    }
    Ok(all)
}

/// A walk over the bytes of records.
struct Walk {
    rest: Bytes,
}

impl Walk {
    fn record(&mut self, header: &BatchHeader, headers_max: usize) -> Result<(Headers, i32), &'static str> {
        let length = usize::try_from(self.varint()?).map_err(|_| "length is negative")?;
        if length > self.rest.len() {
            return Err("length exceeds the batch");
        }
        let mut record = Self { rest: self.rest.split_to(length) };
        if record.rest.len() < RECORD_BODY_BYTES_MIN {
            return Err("too short");
        }
        record.rest.advance(1);
        let timestamp_delta = record.varlong()?;
        header.base_timestamp.checked_add(timestamp_delta).ok_or("timestamp out of range")?;
        let offset_delta = record.varint()?;
        header.base_offset.checked_add(i64::from(offset_delta)).ok_or("offset out of range")?;
        record.nullable("key length out of range")?;
        record.nullable("value length out of range")?;
        let headers = record.headers(headers_max)?;
        if record.rest.has_remaining() {
            return Err("length does not fit its fields");
        }
        Ok((headers, offset_delta))
    }

    fn headers(&mut self, count_max: usize) -> Result<Headers, &'static str> {
        let count = usize::try_from(self.varint()?).map_err(|_| "header count is negative")?;
        if count > self.rest.len() / RECORD_HEADER_BYTES_MIN {
            return Err("header count exceeds the record");
        }
        if count > count_max {
            return Err("too many headers in the batch");
        }
        let mut headers = Headers::default();
        for _ in 0..count {
            let key = self.nullable("header key length out of range")?.ok_or("header key is null")?;
            let key = std::str::from_utf8(&key).map_err(|_| "header key is not UTF-8")?.to_owned();
            headers.push(key, self.nullable("header value length out of range")?);
        }
        Ok(headers)
    }

    fn nullable(&mut self, out_of_range: &'static str) -> Result<Option<Bytes>, &'static str> {
        let length = self.varint()?;
        if length == -1 {
            return Ok(None);
        }
        match usize::try_from(length) {
            Ok(length) if length <= self.rest.len() => Ok(Some(self.rest.split_to(length))),
            _ => Err(out_of_range),
        }
    }

    /// A number of at most five bytes. The decoder behind this check stops reading after five, so a longer
    /// form would make the two disagree about everything that follows.
    fn varint(&mut self) -> Result<i32, &'static str> {
        i32::try_from(self.zigzag(5)?).map_err(|_| "varint exceeds 32 bits")
    }

    fn varlong(&mut self) -> Result<i64, &'static str> {
        self.zigzag(10)
    }

    fn zigzag(&mut self, bytes_max: u32) -> Result<i64, &'static str> {
        let mut zigzag: u64 = 0;
        for index in 0..bytes_max {
            let byte = self.rest.try_get_u8().map_err(|_| "cut short")?;
            zigzag |= u64::from(byte & 0x7f) << (7 * index);
            if byte < 0x80 {
                let half = i64::try_from(zigzag >> 1).map_err(|_| "varint out of range")?;
                return Ok(if zigzag & 1 == 0 { half } else { !half });
            }
        }
        Err("varint too long")
    }
}

#[cfg(test)]
mod tests;
