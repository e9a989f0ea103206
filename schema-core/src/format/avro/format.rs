//! Avro behind the traits of all schema types.

use std::any::Any;
use std::collections::HashSet;

use super::{AvroSchema, Kind, compatibility, memory, sameness, tags};
use crate::compatibility::{Comparison, Hint, Incompatibility};
use crate::error::ParseError;
use crate::format::{Limits, ParsedSchema, SchemaFormat, Strictness};
use crate::schema::{SchemaType, Source};
use crate::tags::{Entity, EntityTags, TagChange, UnknownEntity};

/// Reads Avro.
#[derive(Debug, Clone, Copy, Default)]
pub struct AvroFormat;

impl SchemaFormat for AvroFormat {
    fn schema_type(&self) -> SchemaType {
        SchemaType::Avro
    }

    fn parse(
        &self,
        source: &Source,
        strictness: Strictness,
        limits: &Limits,
    ) -> Result<Box<dyn ParsedSchema>, ParseError> {
        Ok(Box::new(AvroSchema::parse(source, strictness, limits)?))
    }

    fn likeness_text(&self, resolved_text: &str) -> String {
        sameness::likeness_text(resolved_text)
    }
}

impl ParsedSchema for AvroSchema {
    fn schema_type(&self) -> SchemaType {
        SchemaType::Avro
    }

    fn canonical_text(&self) -> String {
        AvroSchema::canonical_text(self)
    }

    fn normalized_text(&self) -> Result<String, ParseError> {
        AvroSchema::normalized_text(self)
    }

    fn resolved_text(&self) -> String {
        AvroSchema::resolved_text(self)
    }

    fn sameness_text(&self) -> String {
        AvroSchema::sameness_text(self)
    }

    fn has_top_level_field(&self, name: &str) -> bool {
        let Kind::Record(record) = &self.node(self.root).kind else { return false };
        record.fields.iter().any(|field| field.name == name)
    }

    fn tags(&self) -> Vec<EntityTags> {
        tags::read(self)
    }

    fn entities(&self) -> HashSet<Entity> {
        tags::entities(self).into_iter().map(|(entity, _)| entity).collect()
    }

    fn with_tags(&self, changes: &[TagChange]) -> Result<String, UnknownEntity> {
        tags::changed_text(self, changes)
    }

    fn memory_bytes(&self) -> usize {
        memory::bytes(self)
    }

    fn can_read(&self, writer: &dyn ParsedSchema, steps_max: u32) -> Comparison {
        let Some(avro) = writer.as_any().downcast_ref::<AvroSchema>() else {
            let problem = other_type(self.schema_type(), writer.schema_type());
            return Comparison { answer: Ok(vec![problem]), steps: 1 };
        };
        compatibility::compare(self, avro, steps_max)
    }

    fn can_read_at_once(&self, writer: &dyn ParsedSchema, steps_max: u32) -> Option<Comparison> {
        match writer.as_any().downcast_ref::<AvroSchema>() {
            Some(avro) => compatibility::compare_at_once(self, avro, steps_max),
            None => Some(self.can_read(writer, steps_max)),
        }
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// No schema reads data of another type's.
fn other_type(reader: SchemaType, writer: SchemaType) -> Incompatibility {
    let keep = |kept: SchemaType| format!("keep the schema type {}, or use another subject", kept.as_str());
    Incompatibility {
        kind: "TYPE_MISMATCH",
        form: "Incompatible because of different schema type",
        path: "/".to_owned(),
        additional_info: format!("reader type: {}, writer type: {}", reader.as_str(), writer.as_str()),
        hint: Hint { new_reads_old: keep(writer), old_reads_new: keep(reader) },
    }
}
