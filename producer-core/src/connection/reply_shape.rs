//! The outline of a reply on the wire, walked before the reply is decoded.
//!
//! The decoder reserves memory for an array from the count on the wire, and a structure takes many times its bytes
//! on the wire. The walk visits every element first, without allocating: a count which the frame cannot hold ends
//! here, and so does a reply that would expand beyond its bound.

use super::ConnectionErrorKind;

/// What the elements and tags of one reply may take in memory, besides the frame itself, whose bytes are shared.
///
/// Enough for the metadata of 400,000 partitions with three replicas, more than a cluster has; a hostile frame of
/// 100 MiB would take gigabytes.
const EXPANDED_BYTES_MAX: usize = 128 * 1024 * 1024;

/// Charged for each structure in an array: at least what the largest one takes once decoded.
const STRUCTURE_BYTES: usize = 256;

/// Charged for each tag that is kept without being known: a number and a slice in a node of a tree, half empty.
const TAG_BYTES: usize = 128;

/// One field of a reply. Tables of these are constants, so the depth of the walk is fixed.
pub(crate) enum Field {
    /// So many bytes.
    Fixed(usize),
    /// Text or bytes with a compact (varint) length, null included.
    Text,
    /// Text with an `i16` length, null included (versions before flexible ones).
    PlainText,
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
    let mut walk = Walk { rest: body, version, memory: EXPANDED_BYTES_MAX };
    walk.fields(shape).map_err(|broken| {
        ConnectionErrorKind::Protocol(match broken {
            Broken::CutShort => "a reply that ends before the lengths and counts in it".to_owned(),
            Broken::TooLarge => format!("a reply that would expand beyond {EXPANDED_BYTES_MAX} bytes"),
        })
    })
}

/// Why a walk ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Broken {
    CutShort,
    TooLarge,
}

struct Walk<'a> {
    rest: &'a [u8],
    version: i16,
    /// What the reply may still take.
    memory: usize,
}

impl Walk<'_> {
    fn fields(&mut self, shape: &[Field]) -> Result<(), Broken> {
        shape.iter().try_for_each(|field| self.field(field))
    }

    fn field(&mut self, field: &Field) -> Result<(), Broken> {
        match field {
            Field::Fixed(bytes) => self.skip(*bytes),
            Field::Text => {
                let length = self.varint()?;
                self.skip(length.saturating_sub(1) as usize)
            }
            Field::PlainText => {
                let length = i16::from_be_bytes(self.take()?);
                // -1 is null.
                self.skip(usize::try_from(length).unwrap_or(0))
            }
            Field::Array(element) => {
                let count = self.varint()?.saturating_sub(1);
                (0..count).try_for_each(|_| self.element(element))
            }
            Field::PlainArray(element) => {
                let count = i32::from_be_bytes(self.take()?);
                (0..count).try_for_each(|_| self.element(element))
            }
            Field::Tags(known) => self.tags(known),
            Field::Versions(from, to, field) if (*from..=*to).contains(&self.version) => self.field(field),
            Field::Versions(..) => Ok(()),
        }
    }

    fn element(&mut self, element: &[Field]) -> Result<(), Broken> {
        self.charge(match element {
            [Field::Fixed(bytes)] => *bytes,
            _ => STRUCTURE_BYTES,
        })?;
        self.fields(element)
    }

    fn tags(&mut self, known: &[(u32, &'static [Field])]) -> Result<(), Broken> {
        for _ in 0..self.varint()? {
            let tag = self.varint()?;
            let length = self.varint()?;
            match known.iter().find(|(known_tag, _)| *known_tag == tag) {
                Some((_, shape)) => self.fields(shape)?,
                None => {
                    self.charge(TAG_BYTES)?;
                    self.skip(length as usize)?;
                }
            }
        }
        Ok(())
    }

    fn charge(&mut self, bytes: usize) -> Result<(), Broken> {
        self.memory = self.memory.checked_sub(bytes).ok_or(Broken::TooLarge)?;
        Ok(())
    }

    fn skip(&mut self, bytes: usize) -> Result<(), Broken> {
        self.rest = self.rest.get(bytes..).ok_or(Broken::CutShort)?;
        Ok(())
    }

    fn take<const BYTES: usize>(&mut self) -> Result<[u8; BYTES], Broken> {
        let (bytes, rest) = self.rest.split_first_chunk().ok_or(Broken::CutShort)?;
        self.rest = rest;
        Ok(*bytes)
    }

    fn varint(&mut self) -> Result<u32, Broken> {
        let mut value = 0_u32;
        for shift in (0..35).step_by(7) {
            let [byte] = self.take()?;
            value |= u32::from(byte & 0x7f).checked_shl(shift).ok_or(Broken::CutShort)?;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Broken::CutShort)
    }
}

/// How many bytes follow the tagged section at the start of `body`; `None` if it is cut short.
pub(super) fn after_tags(body: &[u8]) -> Option<usize> {
    let mut walk = Walk { rest: body, version: 0, memory: EXPANDED_BYTES_MAX };
    walk.field(&NO_TAGS).ok()?;
    Some(walk.rest.len())
}

#[cfg(test)]
mod tests {
    use std::mem::size_of;

    use kafka_protocol::messages::{
        api_versions_response as versions, create_topics_response as created, fetch_response as fetched,
        list_offsets_response as offsets, metadata_response as metadata, produce_response as produced,
    };

    use super::*;

    #[test]
    fn no_structure_takes_more_than_it_is_charged() {
        let sizes = [
            size_of::<metadata::MetadataResponseBroker>(),
            size_of::<metadata::MetadataResponseTopic>(),
            size_of::<metadata::MetadataResponsePartition>(),
            size_of::<produced::TopicProduceResponse>(),
            size_of::<produced::PartitionProduceResponse>(),
            size_of::<produced::BatchIndexAndErrorMessage>(),
            size_of::<produced::NodeEndpoint>(),
            size_of::<versions::ApiVersion>(),
            size_of::<versions::SupportedFeatureKey>(),
            size_of::<versions::FinalizedFeatureKey>(),
            size_of::<created::CreatableTopicResult>(),
            size_of::<created::CreatableTopicConfigs>(),
            size_of::<offsets::ListOffsetsTopicResponse>(),
            size_of::<offsets::ListOffsetsPartitionResponse>(),
            size_of::<fetched::FetchableTopicResponse>(),
            size_of::<fetched::PartitionData>(),
            size_of::<fetched::AbortedTransaction>(),
        ];

        assert!(sizes.iter().all(|size| *size <= STRUCTURE_BYTES), "{sizes:?}");
    }

    #[test]
    fn counts_lengths_and_memory_are_bounded() {
        const NUMBERS: &[Field] = &[Field::PlainArray(&[Field::Fixed(4)])];
        const TEXTS: &[Field] = &[Field::PlainArray(&[Field::PlainText])];
        let tags = |count: u8| [vec![count], [1, 0].repeat(usize::from(count))].concat();
        type Case = (&'static str, &'static [Field], Vec<u8>, Result<(), Broken>);
        let cases: [Case; 8] = [
            ("two numbers", NUMBERS, [&[0, 0, 0, 2][..], &[7; 8]].concat(), Ok(())),
            ("a number short", NUMBERS, [&[0, 0, 0, 2][..], &[7; 7]].concat(), Err(Broken::CutShort)),
            ("null array", NUMBERS, vec![0xff; 4], Ok(())),
            ("null text", TEXTS, vec![0, 0, 0, 1, 0xff, 0xff], Ok(())),
            ("text", TEXTS, vec![0, 0, 0, 1, 0, 2, b'a', b'b'], Ok(())),
            ("text short", TEXTS, vec![0, 0, 0, 1, 0, 3, b'a', b'b'], Err(Broken::CutShort)),
            ("seven tags", &[NO_TAGS], tags(7), Ok(())),
            ("nine tags", &[NO_TAGS], tags(9), Err(Broken::TooLarge)),
        ];
        for (name, shape, body, expected) in cases {
            let mut walk = Walk { rest: &body, version: 0, memory: 8 * TAG_BYTES };

            assert_eq!(walk.fields(shape), expected, "{name}");
        }
    }
}
