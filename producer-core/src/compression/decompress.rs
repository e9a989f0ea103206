//! The other direction, with a bound on what comes out.

use std::io;

use bytes::Bytes;

use crate::config::Compression;

/// Why the records of a batch could not be decompressed.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub(crate) enum DecompressError {
    #[error("codec {0} is not known")]
    UnknownCodec(i16),
    #[error("codec `{0}` is not built in")]
    CodecNotBuilt(&'static str),
    #[error("records do not decompress: {0}")]
    Broken(String),
    #[error("records decompress to more than {0} bytes")]
    TooLarge(usize),
}

/// A codec's way back: the plain bytes, `Ok(None)` if they would be more than the bound.
type Decode = fn(&[u8], usize) -> io::Result<Option<Vec<u8>>>;

/// The records behind codec number `codec`, at most `bytes_max` bytes of them.
pub(crate) fn decompress(codec: i16, compressed: &Bytes, bytes_max: usize) -> Result<Bytes, DecompressError> {
    if codec == 0 {
        let fits = compressed.len() <= bytes_max;
        return if fits { Ok(compressed.clone()) } else { Err(DecompressError::TooLarge(bytes_max)) };
    }
    let known = Compression::from_wire_id(codec).ok_or(DecompressError::UnknownCodec(codec))?;
    let decode = decoder(known).ok_or(DecompressError::CodecNotBuilt(known.name()))?;
    match decode(compressed, bytes_max) {
        Ok(plain) => plain.map(Bytes::from).ok_or(DecompressError::TooLarge(bytes_max)),
        Err(error) => Err(DecompressError::Broken(error.to_string())),
    }
}

fn decoder(codec: Compression) -> Option<Decode> {
    match codec {
        #[cfg(feature = "gzip")]
        Compression::Gzip => Some(super::gzip::decode),
        #[cfg(feature = "snappy")]
        Compression::Snappy => Some(super::snappy::decode),
        #[cfg(feature = "lz4")]
        Compression::Lz4 => Some(super::lz4::decode),
        #[cfg(feature = "zstd")]
        Compression::Zstd => Some(super::zstd::decode),
        _ => None,
    }
}

/// Reads to the end, but not beyond `bytes_max`; `Ok(None)` if there is more.
#[cfg(any(feature = "gzip", feature = "lz4", feature = "zstd"))]
pub(super) fn read_bounded(reader: impl io::Read, bytes_max: usize) -> io::Result<Option<Vec<u8>>> {
    // One byte past the limit tells records that fill it from those that exceed it.
    let limit = u64::try_from(bytes_max).unwrap_or(u64::MAX).saturating_add(1);
    let mut plain = Vec::new();
    io::Read::read_to_end(&mut reader.take(limit), &mut plain)?;
    Ok((plain.len() <= bytes_max).then_some(plain))
}
