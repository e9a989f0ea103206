//! The seam to serde crates: `Serializer` turns a value into bytes without waiting once it is warm.

use std::error::Error as StdError;
use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;

use crate::record::Headers;

/// Why a value could not be serialised; the crate that serialises has the types.
pub type SerializeError = Box<dyn StdError + Send + Sync>;

/// What the serializer has to fetch before it can go on.
pub type Preparation = Pin<Box<dyn Future<Output = Result<(), SerializeError>> + Send>>;

/// What came of an attempt to encode.
pub enum Encoded {
    /// The bytes are in `out`.
    Done,
    /// Something must be fetched first (a schema id, for instance): await this, then call again.
    /// `out` and `headers` are as they were before the call.
    NotReady(Preparation),
}

impl std::fmt::Debug for Encoded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Done => "Done",
            Self::NotReady(_) => "NotReady(..)",
        })
    }
}

/// Turns keys or values into the bytes of a record.
///
/// Called from `send`, possibly from many tasks at once. It must not block: whatever needs the
/// network goes into [`Encoded::NotReady`], which the producer awaits within `max.block.ms` before
/// it calls again. A record that has to wait for its topic or for memory may be encoded a second
/// time, so encoding has no effect but the bytes and headers that it adds.
pub trait Serializer<T: ?Sized>: Send + Sync + 'static {
    /// Appends the bytes of `value` to `out`, and may add headers.
    ///
    /// # Errors
    /// The value cannot be written; `out` and `headers` are then discarded by the caller.
    fn encode(
        &self,
        topic: &str,
        value: &T,
        headers: &mut Headers,
        out: &mut Vec<u8>,
    ) -> Result<Encoded, SerializeError>;
}

/// Bytes as they are: `Bytes`, `Vec<u8>`, `[u8]`.
#[derive(Debug, Clone, Copy, Default)]
pub struct BytesSerializer;

/// UTF-8 text: `String`, `str`.
#[derive(Debug, Clone, Copy, Default)]
pub struct StringSerializer;

macro_rules! append_as_bytes {
    ($serializer:ty: $($value:ty),+) => {$(
        impl Serializer<$value> for $serializer {
            fn encode(
                &self,
                _topic: &str,
                value: &$value,
                _headers: &mut Headers,
                out: &mut Vec<u8>,
            ) -> Result<Encoded, SerializeError> {
                out.extend_from_slice(value.as_ref());
                Ok(Encoded::Done)
            }
        }
    )+};
}

append_as_bytes!(BytesSerializer: Bytes, Vec<u8>, [u8]);
append_as_bytes!(StringSerializer: String, str);
