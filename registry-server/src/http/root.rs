//! `/`: clients ask it whether anybody is there.

use actix_web::web::Bytes;
use futures_util::future::LocalBoxFuture;

use super::{Answer, Call};

/// `GET /`, `POST /`: an empty object.
pub(crate) fn get<'a>(_call: &'a Call<'a>) -> LocalBoxFuture<'a, Answer> {
    Box::pin(async { Ok(Bytes::from_static(b"{}")) })
}
