//! `/contexts`: which there are, and the end of one.

use actix_web::web::Bytes;
use futures_util::future::LocalBoxFuture;

use super::{Answer, Call, json};

/// `GET /contexts`: names with their dots, sorted; with `contextPrefix` those that begin so.
pub(crate) fn list<'a>(call: &'a Call<'a>) -> LocalBoxFuture<'a, Answer> {
    Box::pin(async {
        let page = call.query.page()?;
        let prefix = call.query.name("contextPrefix")?.unwrap_or_default();
        json(&page.of(call.registry.contexts(&prefix).await?.iter().map(AsRef::<str>::as_ref)))
    })
}

/// `DELETE /contexts/{context}`: one without subjects; also one that is not there.
pub(crate) fn delete<'a>(call: &'a Call<'a>) -> LocalBoxFuture<'a, Answer> {
    Box::pin(async {
        call.registry.delete_context(call.argument(0)).await?;
        Ok(Bytes::new())
    })
}
