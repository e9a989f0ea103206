//! `/health`: for whoever starts, restarts and routes to this process.

use std::sync::atomic::Ordering;

use actix_web::web::Bytes;
use futures_util::future::LocalBoxFuture;
use schema_core::error_code::ApiError;

use super::{Answer, Call};

const UP: Bytes = Bytes::from_static(br#"{"status":"UP"}"#);

/// `GET /health/live`: the process answers.
pub(crate) fn live<'a>(_call: &'a Call<'a>) -> LocalBoxFuture<'a, Answer> {
    Box::pin(async { Ok(UP) })
}

/// `GET /health/ready`: reads and writes work now, and the server is not about to end; else 503.
pub(crate) fn ready<'a>(call: &'a Call<'a>) -> LocalBoxFuture<'a, Answer> {
    Box::pin(async {
        if call.is_draining.load(Ordering::Relaxed) {
            return Err(ApiError::unavailable("the server is shutting down").into());
        }
        call.registry.ping().await?;
        Ok(UP)
    })
}
