//! Settings of serializers and deserializers.

use std::sync::Arc;

use schema_core::{SchemaId, Version};

use super::ConfigError;
use super::properties::Properties;
use crate::codec::{DecodeLimits, Schema};
use crate::framing::Field;
use crate::registry::{Normalize, RegisteredSchema};
use crate::subject::{self, SubjectNameStrategy, TopicName};

/// Where the schema of what is written comes from.
///
/// | here | Java |
/// |---|---|
/// | `AutoRegister(schema)` | `auto.register.schemas=true` |
/// | `Lookup(schema)` | `auto.register.schemas=false` |
/// | `Latest` | `auto.register.schemas=false`, `use.latest.version=true` |
/// | `Id(id)` | `auto.register.schemas=false`, `use.schema.id=id` |
/// | `Version(version)` | |
/// | `Registered { subject, found }` | |
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SchemaSelection {
    /// This schema, registered under the subject if it is not there. Good for development; in
    /// production a pipeline usually registers, so that a wrong build cannot.
    AutoRegister(Schema),
    /// This schema, which must be in the subject already.
    Lookup(Schema),
    /// The newest schema of the subject, asked again after `latest_ttl`.
    Latest,
    /// A version of the subject.
    Version(Version),
    /// The schema with this id, whatever the subject.
    Id(SchemaId),
    /// What [`SchemaRegistry::version`] or the like has found, whatever the topic: nothing is asked again, so that it
    /// serves also when the version is deleted meanwhile.
    ///
    /// [`SchemaRegistry::version`]: crate::SchemaRegistry::version
    Registered {
        /// Where it was found; errors name it by that.
        subject: String,
        /// What was found.
        found: Arc<RegisteredSchema>,
    },
}

impl SchemaSelection {
    /// The schema, where it is known without a registry.
    pub(crate) fn schema(&self) -> Option<&Schema> {
        match self {
            Self::AutoRegister(schema) | Self::Lookup(schema) => Some(schema),
            Self::Latest | Self::Version(_) | Self::Id(_) | Self::Registered { .. } => None,
        }
    }
}

/// Where the schema's id goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Framing {
    /// Five bytes before the payload: 0 and the id. The default; every consumer reads it.
    #[default]
    Prefix,
    /// A record header with the GUID; the payload is the datum alone. Needs a registry that gives GUIDs.
    Header,
}

/// How a serializer finds its schema and writes it into records.
#[derive(Debug, Clone)]
pub struct SerializerConfig {
    pub(crate) selection: SchemaSelection,
    pub(crate) field: Field,
    pub(crate) strategy: Arc<dyn SubjectNameStrategy>,
    pub(crate) normalize: Normalize,
    pub(crate) framing: Framing,
}

impl SerializerConfig {
    /// For values, under the subject `<topic>-value`, the id before the payload.
    #[must_use]
    pub fn new(selection: SchemaSelection) -> Self {
        Self {
            selection,
            field: Field::Value,
            strategy: Arc::new(TopicName),
            normalize: Normalize::No,
            framing: Framing::Prefix,
        }
    }

    /// Serialises keys: the subject of the topic strategy is `<topic>-key`.
    #[must_use]
    pub fn for_keys(mut self) -> Self {
        self.field = Field::Key;
        self
    }

    /// Names subjects in another way. Java: `key.subject.name.strategy`, `value.subject.name.strategy`.
    #[must_use]
    pub fn subject_name_strategy(mut self, strategy: impl SubjectNameStrategy) -> Self {
        self.strategy = Arc::new(strategy);
        self
    }

    /// Lets the registry normalise schemas. Java: `normalize.schemas`.
    #[must_use]
    pub fn normalize(mut self, normalize: Normalize) -> Self {
        self.normalize = normalize;
        self
    }

    /// Where the schema's id goes. Java: `key.schema.id.serializer`, `value.schema.id.serializer`.
    #[must_use]
    pub fn framing(mut self, framing: Framing) -> Self {
        self.framing = framing;
        self
    }

    /// Reads Java's names, with Java's defaults and precedence; `schema` is what the serializer writes,
    /// if the settings do not leave that to the registry.
    ///
    /// # Errors
    /// A value cannot be read, or the settings need a schema and there is none.
    pub fn from_properties<K: AsRef<str>, V: AsRef<str>>(
        properties: impl IntoIterator<Item = (K, V)>,
        field: Field,
        schema: Option<Schema>,
    ) -> Result<Self, ConfigError> {
        let mut properties = Properties::new(properties);
        let selection = selection(&mut properties, schema);
        let mut config = Self::new(SchemaSelection::Latest);
        config.field = field;
        if properties.flag("normalize.schemas", false) {
            config.normalize = Normalize::Yes;
        }
        let strategy_property = format!("{}.subject.name.strategy", field.as_str());
        if let Some(class) = properties.text(&strategy_property) {
            match subject::by_java_name(&class) {
                Some(strategy) => config.strategy = strategy,
                None => properties.problem(format!(
                    "`{strategy_property}` is `{class}`, expected `TopicNameStrategy`, `RecordNameStrategy` or `TopicRecordNameStrategy`"
                )),
            }
        }
        let framing_property = format!("{}.schema.id.serializer", field.as_str());
        if let Some(class) = properties.text(&framing_property) {
            match class.rsplit('.').next() {
                Some("PrefixSchemaIdSerializer") => config.framing = Framing::Prefix,
                Some("HeaderSchemaIdSerializer") => config.framing = Framing::Header,
                _ => properties.problem(format!(
                    "`{framing_property}` is `{class}`, expected `PrefixSchemaIdSerializer` or `HeaderSchemaIdSerializer`"
                )),
            }
        }
        properties.finish()?;
        // Without a problem there is a selection.
        config.selection = selection.ok_or_else(|| ConfigError::new("no schema is selected"))?;
        Ok(config)
    }
}

/// What a deserializer does with bytes after the datum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TrailingBytes {
    /// They are an error: the payload is not what its schema says.
    #[default]
    Reject,
    /// They are passed over, as Java does by default.
    Ignore,
}

/// What a deserializer takes, and in which schema it hands it out.
#[derive(Debug, Clone, Default)]
pub struct DeserializerConfig {
    pub(crate) field: Field,
    pub(crate) reader: Option<Schema>,
    pub(crate) limits: DecodeLimits,
    pub(crate) trailing_bytes: TrailingBytes,
}

impl DeserializerConfig {
    /// Values, in the schema they were written with.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Deserialises keys: their schema may stand in the header `__key_schema_id`.
    #[must_use]
    pub fn for_keys(mut self) -> Self {
        self.field = Field::Key;
        self
    }

    /// Brings every record into this schema, by Avro's rules: aliases, defaults, promotions. Without
    /// one, a Rust type takes what the writer's schema has, and serde's own defaults fill the rest.
    #[must_use]
    pub fn reader_schema(mut self, schema: Schema) -> Self {
        self.reader = Some(schema);
        self
    }

    /// Bounds on what one record may cost.
    #[must_use]
    pub fn limits(mut self, limits: DecodeLimits) -> Self {
        self.limits = limits;
        self
    }

    /// What to do with bytes after the datum. Java: `avro.fail.on.trailing.data`, which is off there.
    #[must_use]
    pub fn trailing_bytes(mut self, trailing_bytes: TrailingBytes) -> Self {
        self.trailing_bytes = trailing_bytes;
        self
    }

    /// Reads Java's names. `avro.fail.on.trailing.data` is true here unless the properties say otherwise.
    ///
    /// # Errors
    /// A value cannot be read.
    pub fn from_properties<K: AsRef<str>, V: AsRef<str>>(
        properties: impl IntoIterator<Item = (K, V)>,
        field: Field,
    ) -> Result<Self, ConfigError> {
        let mut properties = Properties::new(properties);
        let mut config = Self { field, ..Self::default() };
        if !properties.flag("avro.fail.on.trailing.data", true) {
            config.trailing_bytes = TrailingBytes::Ignore;
        }
        properties.finish()?;
        Ok(config)
    }
}

/// Java's precedence: auto-registration, then an id, then the latest version, then a lookup.
fn selection(properties: &mut Properties, schema: Option<Schema>) -> Option<SchemaSelection> {
    let auto_register = properties.flag("auto.register.schemas", true);
    let latest = properties.flag("use.latest.version", false);
    let mut id: i64 = -1;
    properties.number("use.schema.id", &mut id);
    let needs_schema =
        |properties: &mut Properties, why: &str| properties.problem(format!("{why} needs a schema to be given"));
    match (auto_register, schema) {
        (true, Some(schema)) => Some(SchemaSelection::AutoRegister(schema)),
        (true, None) => {
            needs_schema(properties, "`auto.register.schemas=true` (the default)");
            None
        }
        (false, _) if id >= 0 => match u32::try_from(id) {
            Ok(id) => Some(SchemaSelection::Id(SchemaId(id))),
            Err(_) => {
                properties.problem(format!("`use.schema.id` is `{id}`, expected an id below 2^31"));
                None
            }
        },
        (false, _) if latest => Some(SchemaSelection::Latest),
        (false, Some(schema)) => Some(SchemaSelection::Lookup(schema)),
        (false, None) => {
            needs_schema(properties, "`auto.register.schemas=false`");
            None
        }
    }
}
