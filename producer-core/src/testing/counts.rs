//! Walks the bytes of a request before it is decoded, so that no array count on the wire is trusted.
//!
//! kafka-protocol reserves memory for as many items as a count says. Here the count is compared with the
//! bytes that are there, and the items of all arrays are counted against [`ITEMS_MAX`].
//! Requests without arrays need no walk.

use super::api::Api;

/// Items of all arrays in one request. Metadata for 10,000 topics or a produce request for 10,000
/// partitions are ten times smaller.
const ITEMS_MAX: usize = 100_000;

/// Why a request is refused before it is decoded.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(super) enum CountError {
    #[error("request cut short")]
    CutShort,
    #[error("array of {count} items in {remaining} bytes")]
    Count { count: usize, remaining: usize },
    #[error("more than {ITEMS_MAX} array items")]
    TooManyItems,
    #[error("bad length or varint")]
    BadLength,
}

/// A field in wire order, present in the versions `since..=until`.
struct Field {
    since: i16,
    until: i16,
    kind: Kind,
}

enum Kind {
    /// A number of this many bytes, or a UUID.
    Fixed(usize),
    /// A nullable string.
    Text,
    /// Nullable bytes.
    Blob,
    /// An array of structures.
    Array(&'static [Field]),
    /// An array of `i32`.
    Ints,
}

const fn always(kind: Kind) -> Field {
    Field { since: 0, until: i16::MAX, kind }
}

const fn since(since: i16, kind: Kind) -> Field {
    Field { since, until: i16::MAX, kind }
}

const fn until(until: i16, kind: Kind) -> Field {
    Field { since: 0, until, kind }
}

use Kind::{Array, Blob, Fixed, Ints, Text};

const PRODUCE: &[Field] = &[
    since(3, Text),
    always(Fixed(2)),
    always(Fixed(4)),
    always(Array(&[until(12, Text), since(13, Fixed(16)), always(Array(&[always(Fixed(4)), always(Blob)]))])),
];

const FETCH: &[Field] = &[
    until(14, Fixed(4)),
    always(Fixed(4)),
    always(Fixed(4)),
    always(Fixed(4)),
    always(Fixed(1)),
    since(7, Fixed(4)),
    since(7, Fixed(4)),
    always(Array(&[
        until(12, Text),
        since(13, Fixed(16)),
        always(Array(&[
            always(Fixed(4)),
            since(9, Fixed(4)),
            always(Fixed(8)),
            since(12, Fixed(4)),
            since(5, Fixed(8)),
            always(Fixed(4)),
        ])),
    ])),
    since(7, Array(&[until(12, Text), since(13, Fixed(16)), always(Ints)])),
    since(11, Text),
];

const LIST_OFFSETS: &[Field] = &[
    always(Fixed(4)),
    since(2, Fixed(1)),
    always(Array(&[always(Text), always(Array(&[always(Fixed(4)), since(4, Fixed(4)), always(Fixed(8))]))])),
    since(10, Fixed(4)),
];

const METADATA: &[Field] = &[
    always(Array(&[since(10, Fixed(16)), always(Text)])),
    since(4, Fixed(1)),
    Field { since: 8, until: 10, kind: Fixed(1) },
    since(8, Fixed(1)),
];

const CREATE_TOPICS: &[Field] = &[
    always(Array(&[
        always(Text),
        always(Fixed(4)),
        always(Fixed(2)),
        always(Array(&[always(Fixed(4)), always(Ints)])),
        always(Array(&[always(Text), always(Text)])),
    ])),
    always(Fixed(4)),
    always(Fixed(1)),
];

/// Checks the body of a request, which follows its header.
pub(super) fn check(api: Api, version: i16, body: &[u8]) -> Result<(), CountError> {
    let (fields, flexible_since) = match api {
        Api::Produce => (PRODUCE, 9),
        Api::Fetch => (FETCH, 12),
        Api::ListOffsets => (LIST_OFFSETS, 6),
        Api::Metadata => (METADATA, 9),
        Api::CreateTopics => (CREATE_TOPICS, 5),
        Api::ApiVersions | Api::InitProducerId => return Ok(()),
    };
    let mut walk = Walk { rest: body, version, is_flexible: version >= flexible_since, items: 0 };
    walk.structure(fields)
}

struct Walk<'a> {
    rest: &'a [u8],
    version: i16,
    is_flexible: bool,
    items: usize,
}

impl Walk<'_> {
    fn structure(&mut self, fields: &'static [Field]) -> Result<(), CountError> {
        for field in fields {
            if (field.since..=field.until).contains(&self.version) {
                self.field(&field.kind)?;
            }
        }
        if self.is_flexible {
            self.tags()?;
        }
        Ok(())
    }

    fn field(&mut self, kind: &Kind) -> Result<(), CountError> {
        match kind {
            Fixed(bytes) => self.skip(*bytes),
            Text => {
                let length = if self.is_flexible { self.compact_length()? } else { self.length(2)? };
                self.skip(length.unwrap_or(0))
            }
            Blob => {
                let length = if self.is_flexible { self.compact_length()? } else { self.length(4)? };
                self.skip(length.unwrap_or(0))
            }
            Ints => {
                let count = self.count(4)?;
                self.skip(count * 4)
            }
            Array(fields) => {
                // A structure has at least one byte on the wire; its own fields are then checked one by one.
                for _ in 0..self.count(1)? {
                    self.structure(fields)?;
                }
                Ok(())
            }
        }
    }

    fn count(&mut self, item_bytes_min: usize) -> Result<usize, CountError> {
        let length = if self.is_flexible { self.compact_length()? } else { self.length(4)? };
        let count = length.unwrap_or(0);
        if count > self.rest.len() / item_bytes_min {
            return Err(CountError::Count { count, remaining: self.rest.len() });
        }
        self.items += count;
        if self.items > ITEMS_MAX {
            return Err(CountError::TooManyItems);
        }
        Ok(count)
    }

    fn tags(&mut self) -> Result<(), CountError> {
        let count = self.unsigned_varint()?;
        for _ in 0..count {
            self.unsigned_varint()?;
            let length = self.unsigned_varint()?;
            self.skip(length)?;
        }
        Ok(())
    }

    /// A signed length of two or four bytes; -1 is null.
    fn length(&mut self, bytes: usize) -> Result<Option<usize>, CountError> {
        let (head, rest) = self.rest.split_at_checked(bytes).ok_or(CountError::CutShort)?;
        self.rest = rest;
        let length = match *head {
            [a, b] => i32::from(i16::from_be_bytes([a, b])),
            [a, b, c, d] => i32::from_be_bytes([a, b, c, d]),
            _ => return Err(CountError::BadLength),
        };
        match length {
            -1 => Ok(None),
            _ => usize::try_from(length).map(Some).map_err(|_| CountError::BadLength),
        }
    }

    /// Length plus one as a varint; 0 is null.
    fn compact_length(&mut self) -> Result<Option<usize>, CountError> {
        Ok(self.unsigned_varint()?.checked_sub(1))
    }

    fn unsigned_varint(&mut self) -> Result<usize, CountError> {
        let mut value: u64 = 0;
        for shift in (0..35).step_by(7) {
            let (&byte, rest) = self.rest.split_first().ok_or(CountError::CutShort)?;
            self.rest = rest;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                let value = u32::try_from(value).map_err(|_| CountError::BadLength)?;
                return usize::try_from(value).map_err(|_| CountError::BadLength);
            }
        }
        Err(CountError::BadLength)
    }

    fn skip(&mut self, bytes: usize) -> Result<(), CountError> {
        self.rest = self.rest.get(bytes..).ok_or(CountError::CutShort)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use kafka_protocol::messages::{
        CreateTopicsRequest, FetchRequest, ListOffsetsRequest, MetadataRequest, ProduceRequest,
    };
    use kafka_protocol::protocol::Decodable;
    use proptest::prelude::*;

    use super::{CountError, ITEMS_MAX, check};
    use crate::testing::Api;

    const COUNTED: [Api; 5] = [Api::Produce, Api::Fetch, Api::ListOffsets, Api::Metadata, Api::CreateTopics];

    #[test]
    fn a_count_that_the_bytes_cannot_hold_is_refused() {
        let count = CountError::Count { count: 0x7fff_ffff, remaining: 0 };
        assert_eq!(check(Api::Metadata, 8, &[0x7f, 0xff, 0xff, 0xff]), Err(count));
        let compact = CountError::Count { count: 0xffff_fffe, remaining: 0 };
        assert_eq!(check(Api::Metadata, 9, &[0xff, 0xff, 0xff, 0xff, 0x0f]), Err(compact));
    }

    #[test]
    fn so_many_items_are_refused_even_if_they_are_there() {
        let count = ITEMS_MAX + 1;
        let mut body = i32::try_from(count).unwrap().to_be_bytes().to_vec();
        body.resize(4 + count * 2, 0);

        assert_eq!(check(Api::Metadata, 1, &body), Err(CountError::TooManyItems));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1024))]

        // What passes the check can be decoded, or gives an error; a count taken at its word would abort the process.
        #[test]
        fn any_bytes_that_pass_are_safe_to_decode(
            api in prop::sample::select(&COUNTED[..]),
            version in 0_i16..=16,
            // Small numbers make lengths and counts that fit now and then.
            bytes in prop::collection::vec(prop_oneof![3 => 0_u8..4, 1 => any::<u8>()], 0..200),
        ) {
            let (min, max) = api.versions();
            let version = version.clamp(min, max);
            if check(api, version, &bytes).is_ok() {
                let mut body = Bytes::from(bytes);
                // An error is as good as a request; only a panic or an abort fails.
                match api {
                    Api::Produce => drop(ProduceRequest::decode(&mut body, version)),
                    Api::Fetch => drop(FetchRequest::decode(&mut body, version)),
                    Api::ListOffsets => drop(ListOffsetsRequest::decode(&mut body, version)),
                    Api::Metadata => drop(MetadataRequest::decode(&mut body, version)),
                    _ => drop(CreateTopicsRequest::decode(&mut body, version)),
                }
            }
        }
    }
}
