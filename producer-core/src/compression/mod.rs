//! Codecs for the records of a batch. The header stays plain; its attributes name the codec.

#[cfg(feature = "lz4")]
mod lz4;

use bytes::Bytes;

use crate::config::Compression;

/// The codec's number in a batch's attributes.
fn wire_id(compression: Compression) -> i16 {
    match compression {
        Compression::None => 0,
        Compression::Lz4 => 3,
    }
}

/// The records compressed, with the attributes to go with them; `None` if that would not make them smaller.
pub(crate) fn compress(compression: Compression, records: &[u8]) -> Option<(Bytes, i16)> {
    let compressed: Option<Bytes> = match compression {
        Compression::None => None,
        #[cfg(feature = "lz4")]
        Compression::Lz4 => lz4::compress(records),
        #[cfg(not(feature = "lz4"))]
        Compression::Lz4 => None,
    };
    compressed.filter(|bytes| bytes.len() < records.len()).map(|bytes| (bytes, wire_id(compression)))
}
