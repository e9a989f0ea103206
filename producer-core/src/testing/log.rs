//! The log of one partition: which batches it takes, under which offsets, and what a fetch gets.
//!
//! Knows nothing of producers' sequences (`sequences.rs`) or of requests.

use bytes::{BufMut as _, Bytes, BytesMut};

use crate::compression::DecompressError;
use crate::error_code::{
    CORRUPT_MESSAGE, INVALID_RECORD, INVALID_TXN_STATE, MESSAGE_TOO_LARGE, UNKNOWN_SERVER_ERROR,
    UNSUPPORTED_COMPRESSION_TYPE,
};
use crate::stored_batch::{self, BatchError, BatchHeader, LENGTH_END};

/// What the records of one batch may take once decompressed: sixty-four times the default size limit of a batch.
pub(super) const BODY_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Why a batch is refused, as the answer to the client says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) code: i16,
    pub(super) message: Option<String>,
    /// The record at fault, from 0, if it is one.
    pub(super) record_index: Option<i32>,
}

impl Refusal {
    pub(super) fn code(code: i16) -> Self {
        Self { code, message: None, record_index: None }
    }

    fn invalid(message: impl Into<String>) -> Self {
        Self { code: INVALID_RECORD, message: Some(message.into()), record_index: None }
    }
}

impl From<BatchError> for Refusal {
    fn from(error: BatchError) -> Self {
        let code = match &error {
            BatchError::Crc { .. } => CORRUPT_MESSAGE,
            BatchError::Decompress(DecompressError::CodecNotBuilt(_)) => UNSUPPORTED_COMPRESSION_TYPE,
            BatchError::Decompress(DecompressError::TooLarge(_)) => MESSAGE_TOO_LARGE,
            BatchError::Decompress(_) => UNKNOWN_SERVER_ERROR,
            _ => INVALID_RECORD,
        };
        let record_index = match error {
            BatchError::Record { index, .. } => Some(index),
            _ => None,
        };
        Self { code, message: Some(error.to_string()), record_index }
    }
}

/// Checks what a producer sent for one partition: exactly one sound batch, with the codes that Kafka answers.
pub(super) fn validate(records: Option<&Bytes>, batch_bytes_max: usize) -> Result<BatchHeader, Refusal> {
    let bytes = records.filter(|bytes| !bytes.is_empty()).ok_or_else(|| Refusal::invalid("no batch"))?;
    let header = BatchHeader::parse(bytes)?;
    if header.batch_bytes > batch_bytes_max {
        return Err(Refusal::code(MESSAGE_TOO_LARGE));
    }
    if header.batch_bytes != bytes.len() {
        return Err(Refusal::invalid("more than one batch for a partition"));
    }
    header.check_crc(bytes)?;
    check_fields(&header)?;
    let body = stored_batch::body(&header, bytes, BODY_BYTES_MAX)?;
    stored_batch::check_records(&header, &body)?;
    Ok(header)
}

fn check_fields(header: &BatchHeader) -> Result<(), Refusal> {
    if header.base_offset != 0 {
        return Err(Refusal::invalid(format!("base offset is {}, expected 0", header.base_offset)));
    }
    if header.record_count < 1 {
        return Err(Refusal::invalid(format!("record count is {}", header.record_count)));
    }
    // With as many records as offsets, deltas that rise (checked with the records) can only be 0, 1, 2, ...
    if header.last_offset_delta != header.record_count - 1 {
        return Err(Refusal::invalid(format!(
            "last offset delta is {}, expected {}",
            header.last_offset_delta,
            header.record_count - 1
        )));
    }
    if header.is_control() {
        return Err(Refusal::invalid("clients may not write control batches"));
    }
    if header.producer_id >= 0 && (header.producer_epoch < 0 || header.base_sequence < 0) {
        return Err(Refusal::invalid("producer id without epoch or sequence"));
    }
    if header.is_transactional() {
        return Err(Refusal::code(INVALID_TXN_STATE));
    }
    Ok(())
}

/// One partition's batches, oldest first.
#[derive(Debug, Default)]
pub(super) struct PartitionLog {
    batches: Vec<Entry>,
    next_offset: i64,
    bytes: usize,
}

#[derive(Debug)]
struct Entry {
    base_offset: i64,
    last_offset: i64,
    max_timestamp: i64,
    bytes: Bytes,
}

impl PartitionLog {
    /// The offset after the last record. Nothing is replicated, so all that is stored may be read.
    pub(super) fn high_watermark(&self) -> i64 {
        self.next_offset
    }

    /// Bytes of all batches.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Stores a batch that [`validate`] took and returns its first offset.
    ///
    /// The batch is copied: a slice of the request would keep the whole request in memory.
    pub(super) fn append(
        &mut self,
        batch: &Bytes,
        header: &BatchHeader,
        leader_epoch: i32,
        append_time: Option<i64>,
    ) -> i64 {
        let base_offset = self.next_offset;
        let last_offset = base_offset + i64::from(header.last_offset_delta);
        let mut stored = BytesMut::with_capacity(batch.len());
        stored.put_i64(base_offset);
        stored.put_slice(&batch[8..LENGTH_END]);
        stored.put_i32(leader_epoch);
        stored.put_slice(&batch[LENGTH_END + 4..]);
        if let Some(time) = append_time {
            stored_batch::stamp(&mut stored, header, time);
        }
        self.bytes += stored.len();
        self.next_offset = last_offset + 1;
        self.batches.push(Entry {
            base_offset,
            last_offset,
            max_timestamp: append_time.unwrap_or(header.max_timestamp),
            bytes: stored.freeze(),
        });
        base_offset
    }

    /// Whole batches from the one that holds `offset`, at most `bytes_max` but always the first; `None` when
    /// `offset` lies outside the log.
    pub(super) fn read(&self, offset: i64, bytes_max: usize) -> Option<Bytes> {
        if !(0..=self.next_offset).contains(&offset) {
            return None;
        }
        let first = self.batches.partition_point(|entry| entry.last_offset < offset);
        let mut bytes = BytesMut::new();
        for entry in &self.batches[first..] {
            if !bytes.is_empty() && bytes.len() + entry.bytes.len() > bytes_max {
                break;
            }
            bytes.put_slice(&entry.bytes);
        }
        Some(bytes.freeze())
    }

    /// Timestamp and offset of the first record that is not older than `timestamp`, judged by whole batches.
    pub(super) fn offset_for_timestamp(&self, timestamp: i64) -> Option<(i64, i64)> {
        let entry = self.batches.iter().find(|entry| entry.max_timestamp >= timestamp)?;
        let records = stored_batch::decode(&entry.bytes, BODY_BYTES_MAX).ok()?;
        let record = records.into_iter().find(|record| record.timestamp >= timestamp)?;
        Some((record.timestamp, record.offset))
    }

    /// Timestamp and base offset of the batch with the newest record.
    pub(super) fn newest(&self) -> Option<(i64, i64)> {
        self.batches
            .iter()
            .max_by_key(|entry| entry.max_timestamp)
            .map(|entry| (entry.max_timestamp, entry.base_offset))
    }

    pub(super) fn batches(&self) -> impl Iterator<Item = &Bytes> {
        self.batches.iter().map(|entry| &entry.bytes)
    }
}
