//! Avro's binary encoding, below schemas: numbers, lengths and blocks, and a cursor that is total over bytes.

use crate::codec::DecodeLimits;
use crate::codec::error::{DecodeError, DecodeErrorKind};

/// Flat rate for an array item or a record of no encoded size, so that a short payload cannot ask for
/// millions: 65,536 of them by default.
const ZERO_SIZE_ITEM_BYTES: usize = 256;
/// A `String` or `Vec` beside its contents.
const OWNED_BYTES: usize = 24;
/// A map entry beside its key and value.
const MAP_ENTRY_BYTES: usize = 48;
/// A record beside its fields, and each field.
const RECORD_BYTES: usize = 16;
const RECORD_FIELD_BYTES: usize = 1;

pub(super) fn write_long(out: &mut Vec<u8>, value: i64) {
    let mut rest = ((value << 1) ^ (value >> 63)).cast_unsigned();
    while rest >= 0x80 {
        out.push((rest & 0x7f) as u8 | 0x80);
        rest >>= 7;
    }
    out.push((rest & 0x7f) as u8);
}

/// Writes a length, a count, or an index; all of them fit a long.
pub(super) fn write_length(out: &mut Vec<u8>, length: usize) {
    write_long(out, i64::try_from(length).unwrap_or(i64::MAX));
}

pub(super) fn write_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    write_length(out, bytes.len());
    out.extend_from_slice(bytes);
}

/// A cursor over a payload, with what it may still cost.
///
/// Invariant: `position <= bytes.len()`.
#[derive(Debug)]
pub(super) struct Input<'de> {
    bytes: &'de [u8],
    position: usize,
    depth: u32,
    limits: DecodeLimits,
    allocated: usize,
}

impl<'de> Input<'de> {
    pub(super) fn new(bytes: &'de [u8], limits: &DecodeLimits) -> Self {
        Self { bytes, position: 0, depth: 0, limits: *limits, allocated: 0 }
    }

    pub(super) fn position(&self) -> usize {
        self.position
    }

    pub(super) fn remaining(&self) -> usize {
        self.bytes.len() - self.position
    }

    /// Goes back to where it has been, to read the same bytes again.
    pub(super) fn go_back(&mut self, position: usize) {
        debug_assert!(position <= self.position, "a cursor only goes back");
        self.position = position;
    }

    /// The bytes between two positions that this cursor has passed.
    pub(super) fn passed(&self, from: usize) -> &'de [u8] {
        self.bytes.get(from..self.position).unwrap_or_default()
    }

    #[cold]
    pub(super) fn malformed(&self, reason: impl Into<String>) -> DecodeError {
        DecodeError::malformed(self.position, reason)
    }

    #[cold]
    fn truncated(&self, needed: usize) -> DecodeError {
        self.malformed(format!("the payload ends early: {needed} more bytes expected, {} found", self.remaining()))
    }

    /// Takes from the budget of allocated bytes.
    pub(super) fn charge(&mut self, bytes: usize) -> Result<(), DecodeError> {
        self.allocated = self.allocated.saturating_add(bytes);
        if self.allocated <= self.limits.allocated_bytes {
            return Ok(());
        }
        Err(DecodeError::new(
            DecodeErrorKind::Limit,
            Some(self.position),
            format!("the value would allocate more than `allocated_bytes` = {}", self.limits.allocated_bytes),
        ))
    }

    /// Goes one record, array or map down; [`leave`](Self::leave) comes back.
    pub(super) fn enter(&mut self) -> Result<(), DecodeError> {
        if self.depth >= self.limits.depth {
            return Err(DecodeError::new(
                DecodeErrorKind::Limit,
                Some(self.position),
                format!("the value nests deeper than `depth` = {}", self.limits.depth),
            ));
        }
        self.depth += 1;
        Ok(())
    }

    pub(super) fn leave(&mut self) {
        self.depth -= 1;
    }

    /// [`enter`](Self::enter) for a record, which also costs its fields: some may have no encoded size.
    /// Answers what [`leave_record`](Self::leave_record) takes.
    pub(super) fn enter_record(&mut self, fields: usize) -> Result<RecordStart, DecodeError> {
        self.enter()?;
        self.charge(RECORD_BYTES + fields * RECORD_FIELD_BYTES)?;
        Ok(RecordStart(self.position))
    }

    /// Comes back from a record. Records without bytes can hold each other by the million, so each costs more.
    pub(super) fn leave_record(&mut self, start: RecordStart) -> Result<(), DecodeError> {
        self.leave();
        if start.0 == self.position { self.charge(ZERO_SIZE_ITEM_BYTES) } else { Ok(()) }
    }

    pub(super) fn take(&mut self, length: usize) -> Result<&'de [u8], DecodeError> {
        let end = self.position.checked_add(length).filter(|end| *end <= self.bytes.len());
        let Some(end) = end else { return Err(self.truncated(length)) };
        let taken = &self.bytes[self.position..end];
        self.position = end;
        Ok(taken)
    }

    fn take_array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let Some(taken) = self.bytes[self.position..].first_chunk::<N>() else { return Err(self.truncated(N)) };
        self.position += N;
        Ok(*taken)
    }

    pub(super) fn boolean(&mut self) -> Result<bool, DecodeError> {
        match self.take_array::<1>()? {
            [0] => Ok(false),
            [1] => Ok(true),
            [other] => Err(DecodeError::malformed(self.position - 1, format!("byte {other} is no boolean"))),
        }
    }

    pub(super) fn long(&mut self) -> Result<i64, DecodeError> {
        let start = self.position;
        let mut value: u64 = 0;
        for shift in (0..70).step_by(7) {
            let [byte] = self.take_array::<1>()?;
            // The tenth byte holds the one bit that is left.
            if shift == 63 && byte > 1 {
                return Err(DecodeError::malformed(start, "a number has more than 64 bits"));
            }
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok((value >> 1).cast_signed() ^ -(value & 1).cast_signed());
            }
        }
        Err(DecodeError::malformed(start, "a number has more than 10 bytes"))
    }

    pub(super) fn int(&mut self) -> Result<i32, DecodeError> {
        let start = self.position;
        let long = self.long()?;
        i32::try_from(long).map_err(|_| DecodeError::malformed(start, format!("{long} does not fit an `int`")))
    }

    pub(super) fn float(&mut self) -> Result<f32, DecodeError> {
        self.take_array().map(f32::from_le_bytes)
    }

    pub(super) fn double(&mut self) -> Result<f64, DecodeError> {
        self.take_array().map(f64::from_le_bytes)
    }

    /// A length and that many bytes.
    pub(super) fn bytes(&mut self) -> Result<&'de [u8], DecodeError> {
        let start = self.position;
        let length = self.long()?;
        let length = usize::try_from(length)
            .map_err(|_| DecodeError::malformed(start, format!("{length} is no length of bytes")))?;
        self.take(length)
    }

    /// A string; refuses what is not UTF-8.
    pub(super) fn string(&mut self) -> Result<&'de str, DecodeError> {
        let bytes = self.bytes()?;
        std::str::from_utf8(bytes).map_err(|error| {
            DecodeError::malformed(self.position - bytes.len(), format!("a string is not UTF-8: {error}"))
        })
    }

    /// [`bytes`](Self::bytes) that will be kept.
    pub(super) fn owned_bytes(&mut self) -> Result<&'de [u8], DecodeError> {
        let bytes = self.bytes()?;
        self.charge(OWNED_BYTES + bytes.len())?;
        Ok(bytes)
    }

    /// [`string`](Self::string) that will be kept.
    pub(super) fn owned_string(&mut self) -> Result<&'de str, DecodeError> {
        let text = self.string()?;
        self.charge(OWNED_BYTES + text.len())?;
        Ok(text)
    }

    /// [`take`](Self::take) for a fixed that will be kept.
    pub(super) fn owned_fixed(&mut self, size: usize) -> Result<&'de [u8], DecodeError> {
        let bytes = self.take(size)?;
        self.charge(OWNED_BYTES + bytes.len())?;
        Ok(bytes)
    }

    /// The index of a union branch or of an enum symbol.
    pub(super) fn index(&mut self, count: usize, what: &str) -> Result<usize, DecodeError> {
        let start = self.position;
        let index = self.long()?;
        usize::try_from(index).ok().filter(|index| *index < count).ok_or_else(|| {
            DecodeError::malformed(start, format!("{index} is no {what}, expected an index below {count}"))
        })
    }
}

/// Where a record began.
#[derive(Debug, Clone, Copy)]
#[must_use]
pub(super) struct RecordStart(usize);

/// Where in the blocks of an array or a map a cursor stands.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    /// Items left in the open block.
    left: u64,
    /// Items passed in all blocks.
    pub(super) passed: usize,
    /// Where the open block ends, if it says so.
    end: Option<usize>,
    /// Items of a block that the last call opened.
    opened: Option<i64>,
    done: bool,
}

impl Blocks {
    /// Opens the next block where one is due; false at the end of the array or map.
    pub(super) fn next(&mut self, input: &mut Input<'_>) -> Result<bool, DecodeError> {
        if self.done {
            return Ok(false);
        }
        if self.left == 0 {
            self.check_end(input)?;
            let count = input.long()?;
            if count == 0 {
                self.done = true;
                return Ok(false);
            }
            self.left = count.unsigned_abs();
            self.opened = i64::try_from(self.left).ok();
            if self.opened.is_none() {
                return Err(input.malformed("a block has 2^63 items"));
            }
            if count < 0 {
                let start = input.position();
                let size = input.long()?;
                let end = usize::try_from(size).ok().filter(|size| *size <= input.remaining());
                let Some(size) = end else {
                    return Err(DecodeError::malformed(start, format!("{size} is no size of a block")));
                };
                self.end = Some(input.position() + size);
            }
        }
        self.left -= 1;
        self.passed += 1;
        Ok(true)
    }

    /// The items of the block that the last [`next`](Self::next) opened, if it did.
    pub(super) fn take_opened(&mut self) -> Option<i64> {
        self.opened.take()
    }

    fn check_end(&mut self, input: &Input<'_>) -> Result<(), DecodeError> {
        match self.end.take() {
            Some(end) if end != input.position() => {
                Err(input.malformed("the items of a block do not fill the size it states"))
            }
            _ => Ok(()),
        }
    }

    /// How many items may be expected, for preallocation: never more than bytes are left.
    pub(super) fn expected(&self, input: &Input<'_>) -> usize {
        usize::try_from(self.left).unwrap_or(usize::MAX).min(input.remaining())
    }

    /// Charges one array item; `flat` is what it takes in the array itself, 0 for no encoded size.
    pub(super) fn charge_item(input: &mut Input<'_>, flat: usize) -> Result<(), DecodeError> {
        input.charge(if flat == 0 { ZERO_SIZE_ITEM_BYTES } else { flat })
    }

    /// Charges one map entry beside its key and value.
    pub(super) fn charge_entry(input: &mut Input<'_>) -> Result<(), DecodeError> {
        input.charge(MAP_ENTRY_BYTES)
    }
}
