//! `/compatibility`: would this schema do?

use futures_util::future::LocalBoxFuture;
use schema_core::error_code::ErrorCode;
use schema_core::wire::{CompatibilityResponse, RegisterRequest};

use crate::registry::{RegistryError, Selector, Subject};

use super::error::HttpError;
use super::{Answer, Call, json, params, schema_body};

/// `POST /compatibility/subjects/{subject}/versions/{version}`: against one version.
pub(crate) fn check_one<'a>(call: &'a Call<'a>) -> LocalBoxFuture<'a, Answer> {
    Box::pin(async {
        let request = call.read("testCompatibilityBySubjectName").await?;
        let selector = params::version(call.argument(1))?;
        check(call, request, Some(selector)).await
    })
}

/// `POST /compatibility/subjects/{subject}/versions`: as a register would.
pub(crate) fn check_all<'a>(call: &'a Call<'a>) -> LocalBoxFuture<'a, Answer> {
    Box::pin(async {
        let request = call.read("testCompatibilityForSubject").await?;
        check(call, request, None).await
    })
}

async fn check(call: &Call<'_>, request: RegisterRequest, against: Option<Selector>) -> Answer {
    call.only_read.set(true);
    let is_verbose = call.query.flag("verbose")?;
    let messages = match messages(call, request, against).await {
        Err(HttpError::Registry(error)) if is_verbose && is_bad_schema(&error) => {
            // With `verbose` a schema that is none is an answer, not an error.
            let is_empty = matches!(error, RegistryError::EmptySchema);
            let told = HttpError::Registry(error).into_refusal(ErrorCode::IncompatibleSchema).api.message;
            match told.split_once(", details: ") {
                // Confluent says no more than that it is empty.
                Some((theirs, ours)) if is_empty => vec![theirs.to_owned(), format!("{{hint: '{ours}'}}")],
                _ => vec![told],
            }
        }
        other => other?,
    };
    json(&CompatibilityResponse { is_compatible: messages.is_empty(), messages: is_verbose.then_some(messages) })
}

async fn messages(
    call: &Call<'_>,
    request: RegisterRequest,
    against: Option<Selector>,
) -> Result<Vec<String>, HttpError> {
    let subject = Subject::parse(call.argument(0));
    let input = schema_body::input(request, call.query.flag("normalize")?)?;
    Ok(call.registry.check_compatibility(&subject, against, &input).await?)
}

fn is_bad_schema(error: &RegistryError) -> bool {
    matches!(
        error,
        RegistryError::InvalidSchema { .. } | RegistryError::UnknownSchemaType { .. } | RegistryError::EmptySchema
    )
}
