//! `/`: clients ask it whether anybody is there.

use futures_util::future::LocalBoxFuture;
use serde::de::IgnoredAny;

use super::{Answer, Call, EMPTY_OBJECT};

/// `GET /`: an empty object.
pub(crate) fn get<'a>(_call: &'a Call<'a>) -> LocalBoxFuture<'a, Answer> {
    Box::pin(async { Ok(EMPTY_OBJECT) })
}

/// `POST /`: the same, for whatever object is sent.
pub(crate) fn post<'a>(call: &'a Call<'a>) -> LocalBoxFuture<'a, Answer> {
    Box::pin(async {
        if !call.body.trim_ascii().is_empty() {
            call.read::<IgnoredAny>("root").await?;
        }
        get(call).await
    })
}
