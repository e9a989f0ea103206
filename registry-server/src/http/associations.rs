//! `/associations`: subjects bound to topics. There are none here yet, and serializers take an empty list for that.

use actix_web::http::Method;
use futures_util::future::LocalBoxFuture;
use schema_core::error_code::ApiError;

use super::error::HttpError;
use super::{Answer, Call, Route, json};

/// Where Confluent's server changes associations.
const CHANGED_AT: [&str; 3] = ["associations", "resources", "{resource}"];

/// How long a binding lives, as `lifecycle` asks for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lifecycle {
    /// There is none.
    None,
    /// As long as what the subject is bound to, or shorter.
    StrongOrWeak,
}

/// The associations of a subject or a resource.
pub(crate) fn list<'a>(call: &'a Call<'a>) -> LocalBoxFuture<'a, Answer> {
    Box::pin(async {
        call.query.page()?;
        lifecycle(call)?;
        json::<[(); 0]>(&[])
    })
}

/// Whether a list of schemas is to have those of bound subjects alone: none.
pub(super) fn wants_bound(call: &Call<'_>) -> Result<bool, HttpError> {
    let is_given = |name| Ok::<_, HttpError>(call.query.text(name)?.is_some_and(|text| !text.is_empty()));
    let of_kinds = (is_given("resourceType")?, is_given("associationType")?);
    Ok(lifecycle(call)? == Some(Lifecycle::StrongOrWeak) || of_kinds != (false, false))
}

/// Whether a method is one that would change associations. Clients take 404 for a server that has none.
pub(super) fn is_to_come(route: &Route, method: &Method) -> bool {
    route.path == CHANGED_AT && (*method == Method::PUT || *method == Method::DELETE)
}

fn lifecycle(call: &Call<'_>) -> Result<Option<Lifecycle>, HttpError> {
    match call.query.text("lifecycle")?.as_deref() {
        None | Some("") => Ok(None),
        Some("NONE") => Ok(Some(Lifecycle::None)),
        Some("STRONG" | "WEAK") => Ok(Some(Lifecycle::StrongOrWeak)),
        // As any parameter that cannot be read.
        Some(_) => Err(ApiError::not_found().into()),
    }
}
