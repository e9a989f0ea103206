//! What the registry says to each version of the schema.

use avro_serde::codec::Schema;
use avro_serde::registry::{Normalize, VersionSelector};
use avro_serde::{RegistryError, SchemaRegistry};
use schema_core::{SchemaType, Source};

use super::flights::SCHEMA_V3;
use crate::output::say;

/// The version that the producer has just registered.
pub(super) async fn print_newest(registry: &SchemaRegistry, subject: &str) -> anyhow::Result<()> {
    let newest = registry.api().version(subject, VersionSelector::Latest).await?;
    let version = newest.version.map_or_else(|| "?".to_owned(), |version| version.to_string());
    say!("   registered as {subject} version {version}, schema id {}", newest.id)
}

/// Tries to register version 3 and prints why the registry does not take it.
pub(super) async fn print_refusal(registry: &SchemaRegistry, subject: &str) -> anyhow::Result<()> {
    let source = Source {
        schema_type: SchemaType::Avro,
        text: Schema::parse(SCHEMA_V3)?.text().to_owned(),
        references: Vec::new(),
    };
    match registry.api().register(subject, &source, Normalize::No).await {
        Ok(registered) => anyhow::bail!("the registry took an incompatible schema as id {}", registered.id),
        Err(RegistryError::Incompatible { error_code, .. }) => say!("   refused, error code {error_code}")?,
        Err(error) => return Err(error.into()),
    }
    let check = registry.api().check_compatibility(subject, None, &source, Normalize::No).await?;
    for message in &check.messages {
        if let Some((kind, reason)) = reason(message) {
            say!("   reason   {kind}: {reason}")?;
        } else if let Some(hint) = quoted_after(message, "{hint: '") {
            say!("   repair   {hint}")?;
        }
    }
    Ok(())
}

/// Kind and description of an entry such as `{errorType:'…', description:'…', additionalInfo:'…'}`.
fn reason(message: &str) -> Option<(&str, &str)> {
    let (kind, rest) = message.strip_prefix("{errorType:'")?.split_once("', description:'")?;
    Some((kind, rest.split_once("', additionalInfo:'")?.0))
}

fn quoted_after<'a>(message: &'a str, opening: &str) -> Option<&'a str> {
    message.strip_prefix(opening)?.strip_suffix("'}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_of_the_registry_is_taken_apart() {
        let entry = "{errorType:'TYPE_MISMATCH', description:'The type (path '/a') differs', additionalInfo:'x'}";

        assert_eq!(reason(entry), Some(("TYPE_MISMATCH", "The type (path '/a') differs")));
        assert_eq!(quoted_after("{hint: '/a: make it an int'}", "{hint: '"), Some("/a: make it an int"));
        assert_eq!(reason("{oldSchemaVersion: 1}"), None);
    }
}
