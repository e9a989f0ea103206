//! Request bodies: read whole under a size and a deadline, decompressed, and parsed by the lenient rules.

use std::io::Read;
use std::time::Duration;

use actix_web::web::{Bytes, BytesMut, Payload};
use flate2::read::GzDecoder;
use futures_util::StreamExt;
use schema_core::error_code::ApiError;
use schema_core::wire::{self, ReadError};
use serde::de::DeserializeOwned;

use super::error::HttpError;
use super::{deadline, json_nesting};

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

/// Reads a body whole. `encoding` is the request's `Content-Encoding`, `length` its `Content-Length`.
pub(super) async fn read(
    payload: &mut Payload,
    encoding: Option<&str>,
    length: Option<usize>,
    limits: BodyLimits,
) -> Result<Bytes, HttpError> {
    if length.is_some_and(|length| length > limits.bytes) {
        return Err(ApiError::body_too_large(limits.bytes).into());
    }
    let collecting = std::pin::pin!(collect(payload, limits.bytes));
    let body = deadline::within(limits.timeout, collecting).await.unwrap_or_else(|| Err(HttpError::body_timeout()))?;
    match encoding.map(str::trim) {
        None | Some("" | "identity") => Ok(body),
        Some(encoding) if encoding.eq_ignore_ascii_case("gzip") => gunzip(&body, limits.bytes),
        Some(_) => Err(ApiError::unsupported_encoding().into()),
    }
}

async fn collect(payload: &mut Payload, limit_bytes: usize) -> Result<Bytes, HttpError> {
    let mut first = Bytes::new();
    let mut joined = BytesMut::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|_| HttpError::broken_body())?;
        if first.len() + joined.len() + chunk.len() > limit_bytes {
            return Err(ApiError::body_too_large(limit_bytes).into());
        }
        // Most bodies come in one piece: no copy then.
        if first.is_empty() && joined.is_empty() {
            first = chunk;
            continue;
        }
        if joined.is_empty() {
            joined.extend_from_slice(&std::mem::take(&mut first));
        }
        joined.extend_from_slice(&chunk);
    }
    Ok(if joined.is_empty() { first } else { joined.freeze() })
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

/// Stops at the limit, so that a small body cannot unfold into a large one.
fn gunzip(compressed: &[u8], limit_bytes: usize) -> Result<Bytes, HttpError> {
    let mut body = Vec::new();
    let limit = u64::try_from(limit_bytes).unwrap_or(u64::MAX);
    GzDecoder::new(compressed)
        .take(limit.saturating_add(1))
        .read_to_end(&mut body)
        .map_err(|error| ApiError::bad_request(&format!("the body is not gzip: {error}")))?;
    if body.len() > limit_bytes {
        return Err(ApiError::body_too_large(limit_bytes).into());
    }
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
