//! Request bodies: read whole under a size and a deadline, decompressed, and parsed by the lenient rules.

use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use actix_web::web::{Bytes, Payload};
use flate2::read::GzDecoder;
use futures_util::StreamExt;
use schema_core::error_code::ApiError;
use schema_core::wire::{self, ReadError};
use serde::de::DeserializeOwned;

use super::body_memory::{Body, BodyMemory, Share};
use super::error::HttpError;
use super::{INLINE_BODY_BYTES_MAX, deadline, json_nesting};

/// What bounds a body.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BodyLimits {
    /// Bytes, also after decompression.
    pub(crate) bytes: usize,
    /// Levels of JSON.
    pub(crate) nesting: usize,
    /// From the end of the head to the end of the body.
    pub(crate) timeout: Duration,
}

/// Of a body that is not wanted, so much is read all the same.
const DISCARDED_BYTES_MAX: usize = 64 << 10;

/// What is unfolded of a body at once.
const UNFOLDED_BYTES: usize = 8 << 10;

/// Reads a body whole. `encoding` is the request's `Content-Encoding`, `length` its `Content-Length`.
pub(super) async fn read<'a>(
    payload: &mut Payload,
    encoding: Option<&str>,
    length: Option<usize>,
    limits: BodyLimits,
    memory: &'a Arc<BodyMemory>,
) -> Result<Body<'a>, HttpError> {
    if length.is_some_and(|length| length > limits.bytes) {
        return Err(ApiError::body_too_large(limits.bytes).into());
    }
    let mut share = Share::new(&**memory);
    let collecting = collect(payload, length.unwrap_or(limits.bytes), limits.bytes, &mut share);
    let collected = deadline::within(limits.timeout, std::pin::pin!(collecting)).await;
    let body = collected.unwrap_or_else(|| Err(HttpError::body_timeout()))?;
    let body = match encoding.map(str::trim) {
        None | Some("" | "identity") => body,
        Some(encoding) if encoding.eq_ignore_ascii_case("gzip") => gunzip(body, limits.bytes, &mut share)?,
        Some(_) => return Err(ApiError::unsupported_encoding().into()),
    };
    if body.len() > INLINE_BODY_BYTES_MAX {
        return Ok(Body::shared(body, share, memory));
    }
    Ok(Body::new(body, share))
}

/// Joins the pieces of a body that is told to have `told_bytes`, or may have no more.
async fn collect(
    payload: &mut Payload,
    told_bytes: usize,
    limit_bytes: usize,
    share: &mut Share<&BodyMemory>,
) -> Result<Bytes, HttpError> {
    let mut first = Bytes::new();
    let mut joined = Vec::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|_| HttpError::broken_body())?;
        let bytes = first.len() + joined.len() + chunk.len();
        if bytes > limit_bytes {
            return Err(ApiError::body_too_large(limit_bytes).into());
        }
        // Most bodies come in one piece: no copy then.
        if first.is_empty() && joined.is_empty() {
            share.resize(bytes)?;
            first = chunk;
            continue;
        }
        if bytes > joined.capacity() {
            let capacity = grown(joined.capacity(), bytes, told_bytes);
            share.resize(capacity)?;
            joined.reserve_exact(capacity - joined.len());
        }
        if joined.is_empty() {
            joined.extend_from_slice(&std::mem::take(&mut first));
        }
        joined.extend_from_slice(&chunk);
    }
    Ok(if joined.is_empty() { first } else { joined.into() })
}

/// The capacity of what is to hold so many bytes, and more that come, but most likely no more than `most_bytes`. It
/// doubles up to that, so that a body neither is copied with each of its pieces nor takes more than its length.
fn grown(capacity: usize, bytes: usize, most_bytes: usize) -> usize {
    capacity.saturating_mul(2).min(most_bytes).max(bytes)
}

/// Takes in what is left of a body that nobody wants, so that the connection can be used on. Of a long one the rest
/// stays, and the connection ends; so it does with one that does not come in time.
pub(super) async fn discard(payload: &mut Payload, limits: BodyLimits) -> Result<(), HttpError> {
    let rest = async {
        let mut bytes = 0;
        while let Some(chunk) = payload.next().await {
            bytes += chunk.map_err(|_| HttpError::broken_body())?.len();
            if bytes > DISCARDED_BYTES_MAX {
                break;
            }
        }
        Ok(())
    };
    deadline::within(limits.timeout, std::pin::pin!(rest)).await.unwrap_or_else(|| Err(HttpError::body_timeout()))
}

/// Stops at the limit, so that a small body cannot unfold into a large one. What comes of it is counted once it is
/// whole: until then there is one for each thread that serves.
fn gunzip(compressed: Bytes, limit_bytes: usize, share: &mut Share<&BodyMemory>) -> Result<Bytes, HttpError> {
    let mut body = Vec::new();
    let mut decoder = GzDecoder::new(&*compressed);
    let mut piece = [0; UNFOLDED_BYTES];
    loop {
        let unfolded = decoder.read(&mut piece);
        let count = unfolded.map_err(|error| ApiError::bad_request(&format!("the body is not gzip: {error}")))?;
        if count == 0 {
            break;
        }
        let bytes = body.len() + count;
        if bytes > limit_bytes {
            return Err(ApiError::body_too_large(limit_bytes).into());
        }
        if bytes > body.capacity() {
            body.reserve_exact(grown(body.capacity(), bytes, limit_bytes) - body.len());
        }
        body.extend_from_slice(&piece[..count]);
    }
    drop(compressed);
    share.resize(body.capacity())?;
    Ok(body.into())
}

/// Parses a body, with `nesting` levels at most. `operation` names the request when there is none.
pub(super) fn parse<T: DeserializeOwned>(body: &[u8], nesting: usize, operation: &str) -> Result<T, HttpError> {
    parse_with(wire::read_request, body, nesting, operation)
}

/// As [`parse`], of another shape than an object, maybe.
pub(super) fn parse_with<T>(
    read: fn(&[u8]) -> Result<T, ReadError>,
    body: &[u8],
    nesting: usize,
    operation: &str,
) -> Result<T, HttpError> {
    if json_nesting::is_deeper(body, nesting) {
        let reason = format!("its JSON is nested deeper than {nesting} levels (setting `limits.json_nesting`)");
        return Err(refusal(ReadError::Malformed(reason), operation));
    }
    read(body).map_err(|error| refusal(error, operation))
}

/// What a client is told of a body that is no request.
fn refusal(error: ReadError, operation: &str) -> HttpError {
    match error {
        ReadError::Absent => ApiError::missing_body(operation).into(),
        ReadError::Malformed(reason) => ApiError::bad_request(&format!("the body of the request: {reason}")).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_doubles_as_it_comes_up_to_what_it_is_told_to_have() {
        let (mut capacity, mut copies) = (0, 0);
        for bytes in (8_000..=1_000_000).step_by(8_000) {
            if bytes > capacity {
                (capacity, copies) = (grown(capacity, bytes, 1_000_000), copies + 1);
            }
            assert!(capacity >= bytes && capacity <= (2 * bytes).min(1_000_000), "{capacity} for {bytes}");
        }
        assert_eq!(copies, 8);
        // One that says less than it sends is no reason to write where there is no room.
        assert_eq!(grown(10, 30, 10), 30);
    }
}
