//! The calls: paths, bodies, and what of the answers is used.

use async_trait::async_trait;
use reqwest::Method;
use schema_core::wire::{
    CompatibilityResponse, Config, ConfigUpdate, LookupResponse, RegisterRequest, RegisterResponse, SchemaByIdResponse,
    SchemaReference, SubjectVersion, VersionResponse,
};
use schema_core::{Level, Reference, SchemaId, SchemaType, Source, Version};

use super::{HttpRegistry, Question};
use crate::framing::Guid;
use crate::registry::{
    CompatibilityCheck, Normalize, RegisteredSchema, RegistryApi, RegistryError, StoredSchema, VersionSelector,
};

#[async_trait]
impl RegistryApi for HttpRegistry {
    async fn register(
        &self,
        subject: &str,
        schema: &Source,
        normalize: Normalize,
    ) -> Result<RegisteredSchema, RegistryError> {
        let operation = format!("register a schema in subject `{subject}`");
        let path = format!("/subjects/{}/versions{}", segment(subject)?, normalize_query(normalize));
        let answer: RegisterResponse = self.ask(post(operation.clone(), path, schema)?).await?;
        Ok(RegisteredSchema {
            id: SchemaId(answer.id),
            version: answer.version.map(Version),
            schema: StoredSchema {
                schema_type: answer.schema_type.unwrap_or_else(|| schema.schema_type.as_str().to_owned()),
                text: answer.schema.unwrap_or_else(|| schema.text.clone()),
                references: references(&operation, answer.references)?,
                guid: guid(&operation, answer.guid)?,
            },
        })
    }

    async fn lookup(
        &self,
        subject: &str,
        schema: &Source,
        normalize: Normalize,
    ) -> Result<RegisteredSchema, RegistryError> {
        let operation = format!("look up a schema in subject `{subject}`");
        let path = format!("/subjects/{}{}", segment(subject)?, normalize_query(normalize));
        let answer: LookupResponse = self.ask(post(operation.clone(), path, schema)?).await?;
        Ok(RegisteredSchema {
            id: SchemaId(answer.id),
            version: Some(Version(answer.version)),
            schema: StoredSchema {
                schema_type: type_or_avro(answer.schema_type),
                text: answer.schema,
                references: references(&operation, answer.references)?,
                guid: guid(&operation, answer.guid)?,
            },
        })
    }

    async fn schema_by_id(&self, id: SchemaId) -> Result<StoredSchema, RegistryError> {
        self.stored(format!("find the schema with id {id}"), format!("/schemas/ids/{id}")).await
    }

    async fn schema_by_guid(&self, guid: Guid) -> Result<StoredSchema, RegistryError> {
        self.stored(format!("find the schema with guid {guid}"), format!("/schemas/guids/{guid}")).await
    }

    async fn version(&self, subject: &str, version: VersionSelector) -> Result<RegisteredSchema, RegistryError> {
        let operation = format!("find version {version} of subject `{subject}`");
        let path = format!("/subjects/{}/versions/{version}", segment(subject)?);
        let answer: VersionResponse = self.ask(get(operation.clone(), path)).await?;
        Ok(RegisteredSchema {
            id: SchemaId(answer.id),
            version: Some(Version(answer.version)),
            schema: StoredSchema {
                schema_type: type_or_avro(answer.schema_type),
                text: answer.schema,
                references: references(&operation, answer.references)?,
                guid: guid(&operation, answer.guid)?,
            },
        })
    }

    async fn subjects(&self) -> Result<Vec<String>, RegistryError> {
        self.ask(get("list the subjects".to_owned(), "/subjects".to_owned())).await
    }

    async fn versions(&self, subject: &str) -> Result<Vec<Version>, RegistryError> {
        let path = format!("/subjects/{}/versions", segment(subject)?);
        let answer: Vec<u32> = self.ask(get(format!("list the versions of subject `{subject}`"), path)).await?;
        Ok(answer.into_iter().map(Version).collect())
    }

    async fn uses_of_id(&self, id: SchemaId) -> Result<Vec<(String, Version)>, RegistryError> {
        let operation = format!("list the uses of the schema with id {id}");
        let answer: Vec<SubjectVersion> = self.ask(get(operation, format!("/schemas/ids/{id}/versions"))).await?;
        Ok(answer.into_iter().map(|found| (found.subject, Version(found.version))).collect())
    }

    async fn check_compatibility(
        &self,
        subject: &str,
        version: Option<VersionSelector>,
        schema: &Source,
        normalize: Normalize,
    ) -> Result<CompatibilityCheck, RegistryError> {
        let operation = format!("check a schema against subject `{subject}`");
        let version = version.map_or_else(String::new, |version| format!("/{version}"));
        let normalize = match normalize {
            Normalize::Yes => "&normalize=true",
            Normalize::No => "",
        };
        let path = format!("/compatibility/subjects/{}/versions{version}?verbose=true{normalize}", segment(subject)?);
        let answer: CompatibilityResponse = self.ask(post(operation, path, schema)?).await?;
        Ok(CompatibilityCheck { is_compatible: answer.is_compatible, messages: answer.messages.unwrap_or_default() })
    }

    async fn compatibility_level(&self, subject: Option<&str>) -> Result<Level, RegistryError> {
        let (operation, path) = match subject {
            Some(subject) => (
                format!("tell the compatibility level of subject `{subject}`"),
                format!("/config/{}?defaultToGlobal=true", segment(subject)?),
            ),
            None => ("tell the global compatibility level".to_owned(), "/config".to_owned()),
        };
        let answer: Config = self.ask(get(operation.clone(), path)).await?;
        let level = answer.compatibility_level.unwrap_or_default();
        level.parse().map_err(|_| RegistryError::UnexpectedReply {
            operation,
            reason: format!("`{level}` is no compatibility level"),
        })
    }

    async fn set_compatibility_level(&self, subject: Option<&str>, level: Level) -> Result<(), RegistryError> {
        let (operation, path) = match subject {
            Some(subject) => (
                format!("set the compatibility level of subject `{subject}`"),
                format!("/config/{}", segment(subject)?),
            ),
            None => ("set the global compatibility level".to_owned(), "/config".to_owned()),
        };
        let update = ConfigUpdate {
            compatibility: schema_core::wire::Change::Set(level.as_str().to_owned()),
            ..ConfigUpdate::default()
        };
        let body = Some(json(&operation, &update)?);
        let question = Question { operation, method: Method::PUT, path, body };
        self.ask::<serde::de::IgnoredAny>(question).await.map(drop)
    }

    async fn schema_types(&self) -> Result<Vec<String>, RegistryError> {
        self.ask(get("list the schema types".to_owned(), "/schemas/types".to_owned())).await
    }
}

impl HttpRegistry {
    async fn stored(&self, operation: String, path: String) -> Result<StoredSchema, RegistryError> {
        let answer: SchemaByIdResponse = self.ask(get(operation.clone(), path)).await?;
        Ok(StoredSchema {
            schema_type: type_or_avro(answer.schema_type),
            text: answer.schema,
            references: references(&operation, answer.references)?,
            guid: guid(&operation, answer.guid)?,
        })
    }
}

fn get(operation: String, path: String) -> Question {
    Question { operation, method: Method::GET, path, body: None }
}

fn post(operation: String, path: String, schema: &Source) -> Result<Question, RegistryError> {
    let request = RegisterRequest {
        schema: Some(schema.text.clone()),
        // Servers from before there were types take no such field, and a schema without it is Avro.
        schema_type: (schema.schema_type != SchemaType::Avro).then(|| schema.schema_type.as_str().to_owned()),
        references: schema.references.iter().map(|resolved| resolved.reference.clone().into()).collect(),
        ..RegisterRequest::default()
    };
    let body = Some(json(&operation, &request)?);
    Ok(Question { operation, method: Method::POST, path, body })
}

fn json(operation: &str, body: &impl serde::Serialize) -> Result<Vec<u8>, RegistryError> {
    serde_json::to_vec(body).map_err(|error| RegistryError::UnexpectedReply {
        operation: operation.to_owned(),
        reason: format!("the request cannot be written: {error}"),
    })
}

fn normalize_query(normalize: Normalize) -> &'static str {
    match normalize {
        Normalize::Yes => "?normalize=true",
        Normalize::No => "",
    }
}

/// Servers before 8.0 leave out the type of Avro schemas.
fn type_or_avro(schema_type: Option<String>) -> String {
    schema_type.unwrap_or_else(|| SchemaType::Avro.as_str().to_owned())
}

fn references(operation: &str, references: Vec<SchemaReference>) -> Result<Vec<Reference>, RegistryError> {
    let unusable = |error: schema_core::wire::InvalidReference| RegistryError::UnexpectedReply {
        operation: operation.to_owned(),
        reason: error.to_string(),
    };
    references.into_iter().map(|reference| reference.try_into().map_err(unusable)).collect()
}

fn guid(operation: &str, guid: Option<String>) -> Result<Option<Guid>, RegistryError> {
    let unusable = |error: schema_core::fingerprint::GuidError| RegistryError::UnexpectedReply {
        operation: operation.to_owned(),
        reason: error.to_string(),
    };
    guid.map(|guid| guid.parse().map_err(unusable)).transpose()
}

/// A subject as one segment of a path: everything but letters, digits, `-`, `_`, `~` and `.` is escaped.
fn segment(subject: &str) -> Result<String, RegistryError> {
    // URLs resolve both away, escaped or not.
    if matches!(subject, "" | "." | "..") {
        return Err(RegistryError::UnusableSubject { subject: subject.to_owned() });
    }
    let mut escaped = String::with_capacity(subject.len());
    for byte in subject.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'~' | b'.' => escaped.push(byte.into()),
            _ => escaped.push_str(&format!("%{byte:02X}")),
        }
    }
    Ok(escaped)
}

#[cfg(test)]
mod tests {
    use super::segment;

    #[test]
    fn a_subject_is_one_segment() {
        let table = [
            ("orders-value", "orders-value"),
            ("a/b", "a%2Fb"),
            ("a%2Fb", "a%252Fb"),
            (":.ctx:a", "%3A.ctx%3Aa"),
            ("a b+c?d#e\\", "a%20b%2Bc%3Fd%23e%5C"),
            ("größe", "gr%C3%B6%C3%9Fe"),
            ("...", "..."),
        ];

        for (subject, expected) in table {
            assert_eq!(segment(subject).as_deref(), Ok(expected));
        }
        for unusable in ["", ".", ".."] {
            assert!(segment(unusable).is_err(), "{unusable}");
        }
    }
}
