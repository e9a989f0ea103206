//! `--value-schema FILE|subject[@version]`: what a value is written with.

use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;

use anyhow::{Context, bail, ensure};
use avro_serde::codec::Schema;
use avro_serde::registry::{RegisteredSchema, VersionSelector};
use avro_serde::{RegistryError, SchemaRegistry, SchemaSelection, SerializerConfig, Version};

/// A schema as named on the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ValueSchema {
    /// A file that exists: its text is registered under the topic's subject.
    File(String),
    /// A version of a subject; the latest if none is given.
    Subject { subject: String, version: VersionSelector },
}

impl FromStr for ValueSchema {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let path = Path::new(text);
        if path.is_file() {
            return Ok(Self::File(text.to_owned()));
        }
        if text.ends_with(".avsc") || text.contains(std::path::MAIN_SEPARATOR) {
            return Err(if path.is_dir() {
                format!("`{text}` is a folder, expected a file in it")
            } else {
                format!("there is no file `{text}`")
            });
        }
        let (subject, version) = match text.rsplit_once('@') {
            Some((subject, version)) => (subject, parse_version(version)?),
            None => (text, VersionSelector::Latest),
        };
        if subject.is_empty() {
            return Err("the subject is empty, expected FILE or subject[@version]".to_owned());
        }
        Ok(Self::Subject { subject: subject.to_owned(), version })
    }
}

fn parse_version(text: &str) -> Result<VersionSelector, String> {
    if text == "latest" {
        return Ok(VersionSelector::Latest);
    }
    match text.parse::<u32>() {
        Ok(number) if number >= 1 => Ok(VersionSelector::Number(Version(number))),
        _ => Err(format!("`{text}` is no version, expected a number from 1 or `latest`")),
    }
}

impl ValueSchema {
    /// The schema, and what has the serializer use just it, whatever becomes of its subject meanwhile.
    pub(crate) async fn resolve(&self, registry: &SchemaRegistry) -> anyhow::Result<(Schema, SerializerConfig)> {
        match self {
            Self::File(path) => {
                let schema = read(path).await?;
                Ok((schema.clone(), SerializerConfig::new(SchemaSelection::AutoRegister(schema))))
            }
            Self::Subject { subject, version } => {
                let found = version_of(registry, subject, *version).await?;
                ensure!(
                    found.schema.references.is_empty(),
                    "the schema of `{subject}` uses others, which is not supported here"
                );
                let schema =
                    Schema::parse(&found.schema.text).with_context(|| format!("`{subject}` holds no Avro schema"))?;
                Ok((schema, pinned(subject, found)))
            }
        }
    }

    /// What the serializer is told; a subject's version is asked for once.
    pub(crate) async fn select(&self, registry: &SchemaRegistry) -> anyhow::Result<SerializerConfig> {
        match self {
            Self::File(path) => Ok(SerializerConfig::new(SchemaSelection::AutoRegister(read(path).await?))),
            Self::Subject { subject, version } => Ok(pinned(subject, version_of(registry, subject, *version).await?)),
        }
    }
}

/// Writes with what was found in the subject, whatever the topic.
fn pinned(subject: &str, found: Arc<RegisteredSchema>) -> SerializerConfig {
    SerializerConfig::new(SchemaSelection::Registered { subject: subject.to_owned(), found })
}

async fn version_of(
    registry: &SchemaRegistry,
    subject: &str,
    version: VersionSelector,
) -> anyhow::Result<Arc<RegisteredSchema>> {
    registry.version(subject, version).await.map_err(|error| match error {
        // Which says nothing about the name.
        RegistryError::Unavailable { .. } | RegistryError::UnexpectedReply { .. } => error.into(),
        _ => anyhow::Error::new(error)
            .context(format!("`{subject}` is no file, and the registry does not give it as a subject")),
    })
}

async fn read(path: &str) -> anyhow::Result<Schema> {
    let bytes = tokio::fs::read(path).await.with_context(|| format!("`{path}` cannot be read"))?;
    let Ok(text) = String::from_utf8(bytes) else { bail!("`{path}` is no text, expected an Avro schema in JSON") };
    ensure!(!text.trim().is_empty(), "`{path}` is empty, expected an Avro schema in JSON");
    Schema::parse(&text).with_context(|| format!("`{path}` holds no Avro schema"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject(subject: &str, version: VersionSelector) -> Result<ValueSchema, String> {
        Ok(ValueSchema::Subject { subject: subject.to_owned(), version })
    }

    #[test]
    fn a_schema_is_a_file_or_a_version_of_a_subject() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = file.path().to_str().unwrap();

        assert_eq!(path.parse(), Ok(ValueSchema::File(path.to_owned())));
        assert_eq!("a-value".parse(), subject("a-value", VersionSelector::Latest));
        assert_eq!("a-value@latest".parse(), subject("a-value", VersionSelector::Latest));
        assert_eq!("a-value@2".parse(), subject("a-value", VersionSelector::Number(Version(2))));
        assert_eq!("a@b@2".parse(), subject("a@b", VersionSelector::Number(Version(2))));
        for wrong in ["missing.avsc", "no/such/file", "a@0", "a@x", "@1", ""] {
            assert!(wrong.parse::<ValueSchema>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_folder_is_told_to_be_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().to_str().unwrap();

        assert_eq!(path.parse::<ValueSchema>(), Err(format!("`{path}` is a folder, expected a file in it")));
    }

    #[tokio::test]
    async fn a_file_that_can_hold_no_schema_is_told_by_what_it_is() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = file.path().to_str().unwrap();

        for (bytes, what) in [(&b""[..], "is empty"), (b" \n", "is empty"), (b"\xff\xfe\0", "is no text")] {
            std::fs::write(path, bytes).unwrap();
            let said = format!("{:#}", read(path).await.unwrap_err());
            assert_eq!(said, format!("`{path}` {what}, expected an Avro schema in JSON"));
        }
    }
}
