//! The head of a request: its size.

use actix_web::HttpRequest;
use schema_core::error_code::ApiError;

/// What bounds a head, besides the 128 KiB that actix reads at most.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HeadLimits {
    /// Bytes of path and query.
    pub(crate) url_bytes: usize,
    /// Bytes of all names and values of headers.
    pub(crate) header_bytes: usize,
    /// Headers. actix reads 96 at most.
    pub(crate) header_count: usize,
}

impl HeadLimits {
    /// Judges a request's head.
    pub(super) fn check(&self, request: &HttpRequest) -> Result<(), ApiError> {
        let uri = request.uri();
        if uri.path().len() + uri.query().map_or(0, |query| query.len() + 1) > self.url_bytes {
            return Err(ApiError::url_too_long(self.url_bytes));
        }
        if request.headers().len() > self.header_count {
            return Err(ApiError::too_many_headers(self.header_count));
        }
        let header_bytes: usize = request.headers().iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
        if header_bytes > self.header_bytes {
            return Err(ApiError::headers_too_large(self.header_bytes));
        }
        Ok(())
    }
}
