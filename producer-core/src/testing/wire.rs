//! Requests and answers on a socket: a length of four bytes, a header, a body. Knows no API from inside.

use std::io;

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use kafka_protocol::messages::{RequestHeader, ResponseHeader};
use kafka_protocol::protocol::{Decodable, Encodable};
use tokio::io::{AsyncRead, AsyncReadExt as _};

use super::api::Api;
use super::counts;

/// The largest request taken. A client's `max.request.size` is 1 MiB by default; Kafka's own limit is 100 MiB.
pub(super) const FRAME_BYTES_MAX: usize = 16 * 1024 * 1024;
/// What one read asks for at least, so that a length alone makes nobody allocate.
const READ_BYTES: usize = 64 * 1024;
/// Api key, api version and correlation id.
const REQUEST_HEADER_BYTES_MIN: usize = 8;

/// Reads one frame without its length, of at most `bytes_max`; `None` when the peer has closed between frames.
pub(super) async fn read<R: AsyncRead + Unpin>(
    stream: &mut R,
    buffer: &mut BytesMut,
    bytes_max: usize,
) -> io::Result<Option<Bytes>> {
    if !fill(stream, buffer, 4).await? {
        return Ok(None);
    }
    let length = buffer.get_i32();
    let length = usize::try_from(length)
        .ok()
        .filter(|length| (REQUEST_HEADER_BYTES_MIN..=bytes_max).contains(length))
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, format!("frame length {length} out of range")))?;
    if !fill(stream, buffer, length).await? {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(Some(buffer.split_to(length).freeze()))
}

/// Reads until `buffer` holds `bytes`; false when the peer closed before the first of them.
async fn fill<R: AsyncRead + Unpin>(stream: &mut R, buffer: &mut BytesMut, bytes: usize) -> io::Result<bool> {
    while buffer.len() < bytes {
        buffer.reserve(READ_BYTES);
        if stream.read_buf(buffer).await? == 0 {
            if buffer.is_empty() {
                return Ok(false);
            }
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(true)
}

/// Encodes an answer with its length and header.
pub(super) fn encode<M: Encodable>(api: Api, version: i16, correlation_id: i32, body: &M) -> io::Result<Bytes> {
    let mut frame = BytesMut::new();
    frame.put_i32(0);
    let header = ResponseHeader::default().with_correlation_id(correlation_id);
    header.encode(&mut frame, api.key().response_header_version(version)).map_err(unencodable)?;
    body.encode(&mut frame, version).map_err(unencodable)?;
    let length = i32::try_from(frame.len() - 4).map_err(unencodable)?;
    frame[..4].copy_from_slice(&length.to_be_bytes());
    Ok(frame.freeze())
}

/// The start of every request.
#[derive(Debug, Clone, Copy)]
pub(super) struct RequestStart {
    pub(super) api_key: i16,
    pub(super) version: i16,
    pub(super) correlation_id: i32,
}

impl RequestStart {
    /// Reads the start of a frame that [`read`] returned.
    pub(super) fn parse(frame: &Bytes) -> io::Result<Self> {
        let mut start = &frame[..];
        if start.len() < REQUEST_HEADER_BYTES_MIN {
            return Err(invalid("request cut short"));
        }
        Ok(Self { api_key: start.get_i16(), version: start.get_i16(), correlation_id: start.get_i32() })
    }
}

/// Decodes the request in a frame, once its counts are known to be honest.
pub(super) fn decode<R: Decodable>(api: Api, version: i16, mut frame: Bytes) -> io::Result<R> {
    RequestHeader::decode(&mut frame, api.key().request_header_version(version)).map_err(invalid)?;
    counts::check(api, version, &frame).map_err(invalid)?;
    let request = R::decode(&mut frame, version).map_err(invalid)?;
    if frame.has_remaining() {
        return Err(invalid(format!("{} bytes follow the request", frame.remaining())));
    }
    Ok(request)
}

pub(super) fn invalid(error: impl std::fmt::Display) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error.to_string())
}

fn unencodable(error: impl std::fmt::Display) -> io::Error {
    io::Error::other(format!("answer does not encode: {error}"))
}
