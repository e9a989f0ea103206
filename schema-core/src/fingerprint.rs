//! The bytes that are hashed, the hash that is used, and why.
//!
//! | what | hash | over | used for |
//! |---|---|---|---|
//! | [`DedupKey`] | SHA-256 | type, text, references, metadata, rule set, each with its length | one id per content |
//! | [`Guid`] | MD5 | text, references, metadata, rule set, nothing between them | shown to clients, in record headers |
//! | [`crc64_avro`] | CRC-64-AVRO | Avro's Parsing Canonical Form | Avro's single-object encoding |
//!
//! The GUID's layout is Confluent's and must stay so: other registries find the same value. It is never a key for
//! sharing ids, since nothing separates its parts and MD5 collisions can be made at will.

use std::fmt::{self, Write as _};
use std::str::FromStr;

use md5::Md5;
use sha2::{Digest, Sha256};

use crate::schema::{Reference, SchemaType};
use crate::wire::{Metadata, RuleSet};

mod parts;

use parts::Part;

/// Everything that makes one content differ from another.
#[derive(Debug, Clone, Copy)]
pub struct Content<'c> {
    /// The schema's type.
    pub schema_type: SchemaType,
    /// The canonical text.
    pub text: &'c str,
    /// The references, in the order sent.
    pub references: &'c [Reference],
    /// The metadata; `Some` also when it is empty, which is a content of its own.
    pub metadata: Option<&'c Metadata>,
    /// The rule set.
    pub rule_set: Option<&'c RuleSet>,
}

/// SHA-256 of a [`Content`]: two contents share an id if and only if they share this.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DedupKey(pub [u8; 32]);

impl DedupKey {
    /// The key of a content.
    ///
    /// Every text is preceded by its length and every list by its count, as eight bytes, big-endian; what is absent is
    /// the length 2^64-1, so that it differs from what is empty.
    #[must_use]
    pub fn of(content: &Content<'_>) -> Self {
        let mut hash = Sha256::new();
        update_part(&mut hash, content.schema_type.as_str().as_bytes());
        update_part(&mut hash, content.text.as_bytes());
        hash.update((content.references.len() as u64).to_be_bytes());
        for reference in content.references {
            update_part(&mut hash, reference.name.as_bytes());
            update_part(&mut hash, reference.subject.as_bytes());
            hash.update(reference.version.0.to_be_bytes());
        }
        match content.metadata {
            Some(metadata) => parts::of_metadata(metadata, &mut |part| update_with(&mut hash, part)),
            None => update_with(&mut hash, Part::Absent),
        }
        match content.rule_set {
            Some(rule_set) => parts::of_rule_set(rule_set, &mut |part| update_with(&mut hash, part)),
            None => update_with(&mut hash, Part::Absent),
        }
        Self(hash.finalize().into())
    }
}

fn update_with(hash: &mut Sha256, part: Part<'_>) {
    match part {
        Part::Text(text) => update_part(hash, text.as_bytes()),
        Part::Count(count) => hash.update((count as u64).to_be_bytes()),
        Part::Flag(flag) => hash.update([u8::from(flag)]),
        Part::Absent => hash.update(u64::MAX.to_be_bytes()),
    }
}

fn update_part(hash: &mut Sha256, bytes: &[u8]) {
    hash.update((bytes.len() as u64).to_be_bytes());
    hash.update(bytes);
}

impl fmt::Debug for DedupKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DedupKey(")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str(")")
    }
}

/// Confluent's GUID of a content, written like a UUID. The same in every context and every registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Guid(pub [u8; 16]);

impl Guid {
    /// The GUID of a content.
    ///
    /// The texts of metadata and rule set follow in Confluent's order; what is absent leaves no trace, and a metadata
    /// or rule set that is there is announced by a 1.
    #[must_use]
    pub fn of(content: &Content<'_>) -> Self {
        let mut hash = Md5::new();
        hash.update(content.text.as_bytes());
        for reference in content.references {
            hash.update(reference.name.as_bytes());
            hash.update(reference.subject.as_bytes());
            hash.update(reference.version.0.to_be_bytes());
        }
        let mut update = |part: Part<'_>| match part {
            Part::Text(text) => hash.update(text.as_bytes()),
            Part::Flag(true) => hash.update([1]),
            Part::Count(_) | Part::Flag(false) | Part::Absent => {}
        };
        if let Some(metadata) = content.metadata {
            update(Part::Flag(true));
            parts::of_metadata(metadata, &mut update);
        }
        if let Some(rule_set) = content.rule_set {
            update(Part::Flag(true));
            parts::of_rule_set(rule_set, &mut update);
        }
        Self(hash.finalize().into())
    }
}

impl fmt::Display for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, byte) in self.0.iter().enumerate() {
            if matches!(at, 4 | 6 | 8 | 10) {
                f.write_char('-')?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

/// A text that is no GUID.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no guid: expected 8-4-4-4-12 hexadecimal digits")]
pub struct GuidError(pub String);

impl FromStr for Guid {
    type Err = GuidError;

    /// Reads the UUID form, in any letter case.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = || GuidError(text.to_owned());
        let groups: Vec<&str> = text.split('-').collect();
        let lengths = [8, 4, 4, 4, 12];
        if groups.len() != lengths.len() || groups.iter().zip(lengths).any(|(group, length)| group.len() != length) {
            return Err(error());
        }
        let mut nibbles = groups.iter().flat_map(|group| group.chars()).map(|c| c.to_digit(16));
        let mut guid = [0_u8; 16];
        for byte in &mut guid {
            let (Some(Some(high)), Some(Some(low))) = (nibbles.next(), nibbles.next()) else {
                return Err(error());
            };
            *byte = (high << 4 | low) as u8;
        }
        Ok(Self(guid))
    }
}

/// CRC-64-AVRO, also called the Rabin fingerprint, as the Avro specification defines it.
#[must_use]
pub fn crc64_avro(bytes: &[u8]) -> u64 {
    bytes.iter().fold(CRC64_EMPTY, |crc, byte| (crc >> 8) ^ CRC64_TABLE[usize::from(crc as u8 ^ byte)])
}

/// The specification's polynomial, which is also the fingerprint of no bytes at all.
const CRC64_EMPTY: u64 = 0xc15d_213a_a4d7_a795;

const CRC64_TABLE: [u64; 256] = crc64_table();

const fn crc64_table() -> [u64; 256] {
    let mut table = [0; 256];
    let mut at = 0;
    while at < 256 {
        let mut crc = at as u64;
        let mut bit = 0;
        while bit < 8 {
            crc = (crc >> 1) ^ (CRC64_EMPTY & 0_u64.wrapping_sub(crc & 1));
            bit += 1;
        }
        table[at] = crc;
        at += 1;
    }
    table
}
