//! `/mode`: what may be written, everywhere, in a context or under a subject.

use futures_util::future::LocalBoxFuture;
use schema_core::wire::{Change, Mode, ModeUpdate};

use crate::registry::{Depth, Force, RegistryError, ScopeName, mode_from_name, mode_name};

use super::{Answer, Call, json};

/// `GET /mode`.
pub(crate) fn get_global<'a>(call: &'a Call<'a>) -> LocalBoxFuture<'a, Answer> {
    Box::pin(get_of(call, ScopeName::unnamed()))
}

/// `GET /mode/{subject}`; with `defaultToGlobal` the mode in force there.
pub(crate) fn get<'a>(call: &'a Call<'a>) -> LocalBoxFuture<'a, Answer> {
    Box::pin(get_of(call, ScopeName::parse(call.argument(0))))
}

/// `PUT /mode`.
pub(crate) fn put_global<'a>(call: &'a Call<'a>) -> LocalBoxFuture<'a, Answer> {
    Box::pin(async {
        let update = call.read_mode("updateTopLevelMode")?;
        put_of(call, &ScopeName::unnamed(), update).await
    })
}

/// `PUT /mode/{subject}`; the subject need not have versions.
pub(crate) fn put<'a>(call: &'a Call<'a>) -> LocalBoxFuture<'a, Answer> {
    Box::pin(async {
        let update = call.read_mode("updateMode")?;
        let of = ScopeName::parse_to_write(call.argument(0))?;
        put_of(call, &of, update).await
    })
}

/// `DELETE /mode`.
pub(crate) fn delete_global<'a>(call: &'a Call<'a>) -> LocalBoxFuture<'a, Answer> {
    Box::pin(delete_of(call, ScopeName::unnamed()))
}

/// `DELETE /mode/{subject}`; with `recursive` also the modes of a context's subjects.
pub(crate) fn delete<'a>(call: &'a Call<'a>) -> LocalBoxFuture<'a, Answer> {
    Box::pin(delete_of(call, ScopeName::parse(call.argument(0))))
}

async fn get_of(call: &Call<'_>, of: ScopeName) -> Answer {
    let mode = call.registry.mode(&of, call.query.inherit()?).await?;
    json(&Mode { mode: Some(mode_name(mode).to_owned()) })
}

/// The echo repeats the name as it was written.
async fn put_of(call: &Call<'_>, of: &ScopeName, update: ModeUpdate) -> Answer {
    let name = match update.mode {
        Change::Set(name) => Some(name),
        Change::Clear => None,
        Change::Keep => return Err(RegistryError::InvalidMode.into()),
    };
    let mode = name.as_deref().map(mode_from_name).transpose()?;
    let force = if call.query.flag("force")? { Force::Yes } else { Force::No };
    call.registry.put_mode(of, mode, force).await?;
    json(&Mode { mode: name })
}

async fn delete_of(call: &Call<'_>, of: ScopeName) -> Answer {
    let depth = if call.query.flag("recursive")? { Depth::Below } else { Depth::Own };
    match call.registry.delete_mode(&of, depth).await? {
        Some(mode) => json(&Mode { mode: Some(mode_name(mode).to_owned()) }),
        None => Ok(super::EMPTY_OBJECT),
    }
}
