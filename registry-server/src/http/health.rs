//! `/health`: for whoever starts, restarts and routes to this process.

use actix_web::web::Bytes;
use futures_util::future::LocalBoxFuture;

use super::{Answer, Call};

const UP: Bytes = Bytes::from_static(br#"{"status":"UP"}"#);

/// `GET /health/live`: the process answers.
pub(crate) fn live<'a>(_call: &'a Call<'a>) -> LocalBoxFuture<'a, Answer> {
    Box::pin(async { Ok(UP) })
}

/// `GET /health/ready`: reads and writes work now; else 503.
pub(crate) fn ready<'a>(call: &'a Call<'a>) -> LocalBoxFuture<'a, Answer> {
    Box::pin(async {
        call.registry.ping().await?;
        Ok(UP)
    })
}
