//! `/config`: settings of the registry, of contexts and of subjects.

use futures_util::future::LocalBoxFuture;

use crate::registry::ScopeName;

use super::{Answer, Call, json};

/// `GET /config`.
pub(crate) fn get_global<'a>(call: &'a Call<'a>) -> LocalBoxFuture<'a, Answer> {
    Box::pin(get_of(call, ScopeName::unnamed()))
}

/// `GET /config/{subject}`; with `defaultToGlobal` what is in force there.
pub(crate) fn get<'a>(call: &'a Call<'a>) -> LocalBoxFuture<'a, Answer> {
    Box::pin(get_of(call, ScopeName::parse(call.argument(0))))
}

/// `PUT /config`.
pub(crate) fn put_global<'a>(call: &'a Call<'a>) -> LocalBoxFuture<'a, Answer> {
    Box::pin(async {
        let update = call.read("updateTopLevelConfig").await?;
        json(&call.registry.change_config(&ScopeName::unnamed(), update).await?)
    })
}

/// `PUT /config/{subject}`; the subject need not have versions.
pub(crate) fn put<'a>(call: &'a Call<'a>) -> LocalBoxFuture<'a, Answer> {
    Box::pin(async {
        let update = call.read("updateSubjectLevelConfig").await?;
        let of = ScopeName::parse_to_write(call.argument(0))?;
        json(&call.registry.change_config(&of, update).await?)
    })
}

/// `DELETE /config`.
pub(crate) fn delete_global<'a>(call: &'a Call<'a>) -> LocalBoxFuture<'a, Answer> {
    Box::pin(delete_of(call, ScopeName::unnamed()))
}

/// `DELETE /config/{subject}`.
pub(crate) fn delete<'a>(call: &'a Call<'a>) -> LocalBoxFuture<'a, Answer> {
    Box::pin(delete_of(call, ScopeName::parse(call.argument(0))))
}

async fn get_of(call: &Call<'_>, of: ScopeName) -> Answer {
    json(&call.registry.config(&of, call.query.inherit()?).await?)
}

async fn delete_of(call: &Call<'_>, of: ScopeName) -> Answer {
    json(&call.registry.delete_config(&of).await?)
}
