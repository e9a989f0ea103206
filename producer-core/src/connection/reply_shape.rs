//! The outline of a reply on the wire, walked before the reply is decoded.
//!
//! The decoder reserves memory for an array from the count on the wire. The walk visits every element
//! first, without allocating, so that a count which the frame cannot hold ends here.

use super::ConnectionErrorKind;

/// One field of a reply. Tables of these are constants, so the depth of the walk is fixed.
pub(crate) enum Field {
    /// So many bytes.
    Fixed(usize),
    /// Text or bytes with a compact (varint) length, null included.
    Text,
    /// An array with a compact count.
    Array(&'static [Field]),
    /// An array with an `i32` count (versions before flexible ones).
    PlainArray(&'static [Field]),
    /// The tagged section; these tags are decoded, the others are skipped by their length.
    Tags(&'static [(u32, &'static [Field])]),
    /// A field of these versions only, ends included.
    Versions(i16, i16, &'static Field),
}

/// No tag of this section is known.
pub(crate) const NO_TAGS: Field = Field::Tags(&[]);

/// Walks `body` along `shape`.
pub(crate) fn check(body: &[u8], shape: &[Field], version: i16) -> Result<(), ConnectionErrorKind> {
    Walk { rest: body, version }.fields(shape).ok_or_else(|| {
        ConnectionErrorKind::Protocol("a reply that ends before the lengths and counts in it".to_owned())
    })
}

struct Walk<'a> {
    rest: &'a [u8],
    version: i16,
}

impl Walk<'_> {
    fn fields(&mut self, shape: &[Field]) -> Option<()> {
        shape.iter().try_for_each(|field| self.field(field))
    }

    fn field(&mut self, field: &Field) -> Option<()> {
        match field {
            Field::Fixed(bytes) => self.skip(*bytes),
            Field::Text => {
                let length = self.varint()?;
                self.skip(length.saturating_sub(1) as usize)
            }
            Field::Array(element) => {
                let count = self.varint()?.saturating_sub(1);
                (0..count).try_for_each(|_| self.fields(element))
            }
            Field::PlainArray(element) => {
                let (count, rest) = self.rest.split_first_chunk::<4>()?;
                self.rest = rest;
                (0..i32::from_be_bytes(*count)).try_for_each(|_| self.fields(element))
            }
            Field::Tags(known) => self.tags(known),
            Field::Versions(from, to, field) if (*from..=*to).contains(&self.version) => self.field(field),
            Field::Versions(..) => Some(()),
        }
    }

    fn tags(&mut self, known: &[(u32, &'static [Field])]) -> Option<()> {
        for _ in 0..self.varint()? {
            let tag = self.varint()?;
            let length = self.varint()?;
            match known.iter().find(|(known_tag, _)| *known_tag == tag) {
                Some((_, shape)) => self.fields(shape)?,
                None => self.skip(length as usize)?,
            }
        }
        Some(())
    }

    fn skip(&mut self, bytes: usize) -> Option<()> {
        self.rest = self.rest.get(bytes..)?;
        Some(())
    }

    fn varint(&mut self) -> Option<u32> {
        let mut value = 0_u32;
        for shift in (0..35).step_by(7) {
            let (byte, rest) = self.rest.split_first()?;
            self.rest = rest;
            value |= u32::from(byte & 0x7f).checked_shl(shift)?;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }
}

/// How many bytes follow the tagged section at the start of `body`; `None` if it is cut short.
pub(super) fn after_tags(body: &[u8]) -> Option<usize> {
    let mut walk = Walk { rest: body, version: 0 };
    walk.field(&NO_TAGS)?;
    Some(walk.rest.len())
}
