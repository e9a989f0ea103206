//! `/`: clients ask it whether anybody is there.

use futures_util::future::LocalBoxFuture;
use schema_core::wire::Texts;

use super::{Answer, Call, EMPTY_OBJECT};

/// `GET /`: an empty object.
pub(crate) fn get<'a>(_call: &'a Call<'a>) -> LocalBoxFuture<'a, Answer> {
    Box::pin(async { Ok(EMPTY_OBJECT) })
}

/// `POST /`: the same, for whatever texts by name are sent, or none.
pub(crate) fn post<'a>(call: &'a Call<'a>) -> LocalBoxFuture<'a, Answer> {
    Box::pin(async {
        if !matches!(call.body.trim_ascii(), b"" | b"null") {
            call.read::<Texts>("root").await?;
        }
        get(call).await
    })
}
