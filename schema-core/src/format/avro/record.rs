//! Records and their fields.

use std::collections::HashMap;

use super::attributes::{FieldAttributes, TypeAttributes};
use super::defaults::Check;
use super::parse::{Deferred, Parser, over_limit};
use super::{Field, Kind, Name, NodeId, Order, Record, ShortText};
use crate::error::ParseError;
use crate::format::Strictness;
use crate::json::{Entry, Json, JsonValue, parse_java_double, write_double};

/// Up to this many fields, comparing each name with each beats a hash table.
const FEW_FIELDS: usize = 16;

impl<'p> Parser<'p, '_, '_> {
    pub(super) fn record(
        &mut self,
        entry: Entry,
        attributes: &TypeAttributes<'_>,
        is_error: bool,
        namespace: Option<&str>,
        depth: usize,
    ) -> Result<NodeId, ParseError> {
        let name = self.name(entry, attributes, namespace)?;
        let Some(list) = attributes.fields.filter(|list| self.tape.is_array(*list)) else {
            return self.fail(entry, format!("Record has no fields: {}", self.quote(entry)));
        };
        let first_node = self.arena.nodes.len();
        let count = self.tape.elements(list).count();
        let capacity = count.min(self.arena.limits.schema_fields);
        let mut fields: Vec<Field> = Vec::with_capacity(capacity);
        // Room for all at once: a table that grows hashes every name again.
        let mut seen: HashMap<&str, usize> = HashMap::with_capacity(if count <= FEW_FIELDS { 0 } else { capacity });
        for field_entry in self.tape.elements(list) {
            let (field_name, field) = self.field(field_entry, name.namespace.as_deref(), depth)?;
            let earlier = if count <= FEW_FIELDS {
                fields.iter().position(|other| other.name == field.name)
            } else {
                seen.insert(field_name, fields.len())
            };
            if let Some(earlier) = earlier {
                let reason = self.duplicate_field(&name, &fields[earlier], earlier, &field, fields.len());
                return self.fail(field_entry, reason);
            }
            fields.push(field);
        }
        let aliases = self.type_aliases(entry, attributes, &name)?;
        let properties = self.copied_properties(attributes)?;
        let doc = self.text(attributes.doc);
        let kind = Kind::Record(Box::new(Record { name, aliases, doc, is_error, fields }));
        self.define(entry, first_node, kind, properties)
    }

    fn duplicate_field(
        &self,
        record: &Name,
        first: &Field,
        first_at: usize,
        second: &Field,
        second_at: usize,
    ) -> String {
        let show = |field: &Field, at: usize| {
            let word = match field.schema.as_pending() {
                Some(_) => "record",
                None => self.arena.nodes[field.schema.index()].kind.word(),
            };
            format!("{} type:{} pos:{at}", field.name, word.to_uppercase())
        };
        let (record, second_text) = (record.full(), show(second, second_at));
        format!("Duplicate field {} in record {record}: {second_text} and {}.", second.name, show(first, first_at))
    }

    /// The field, and its name as it stands on the tape.
    fn field(&mut self, entry: Entry, namespace: Option<&str>, depth: usize) -> Result<(&'p str, Field), ParseError> {
        self.arena.fields += 1;
        if self.arena.fields > self.arena.limits.schema_fields {
            let limit = self.arena.limits.schema_fields;
            return self.fail(entry, over_limit("fields in all records", self.arena.fields, limit, "schema_fields"));
        }
        let attributes = FieldAttributes::read(self.tape, entry);
        let Some(name) = attributes.name.and_then(|name| self.tape.string(name)) else {
            return self.fail(entry, format!("No field name: {}", self.quote(entry)));
        };
        let Some(kind) = attributes.kind else {
            return self.fail(entry, format!("No field type: {}", self.quote(entry)));
        };
        let schema = self.schema(kind, namespace, depth)?;
        self.check_name(attributes.name.unwrap_or(entry), name)?;
        let order = self.order(attributes.order)?;
        let default = attributes.default.map(|default| self.default(entry, name, schema, default)).transpose()?;
        let aliases = self.field_aliases(entry, attributes.aliases)?;
        let properties = attributes.properties.iter().map(|(key, value)| (key.to_owned(), self.tape.to_json(value)));
        let field = Field {
            name: name.into(),
            aliases,
            doc: attributes.doc.and_then(|doc| self.tape.string(doc)).map(ShortText::from),
            schema,
            default,
            order,
            properties: properties.collect(),
            position: self.tape.position(entry),
        };
        Ok((name, field))
    }

    fn order(&self, entry: Option<Entry>) -> Result<Order, ParseError> {
        let Some(entry) = entry else {
            return Ok(Order::Ascending);
        };
        let text = self.tape.string(entry);
        let known = [("ascending", Order::Ascending), ("descending", Order::Descending), ("ignore", Order::Ignore)];
        match known.iter().find(|(word, _)| text.is_some_and(|text| text.eq_ignore_ascii_case(word))) {
            Some((_, order)) => Ok(*order),
            None => {
                let found = self.quote(entry);
                self.fail(entry, format!("Illegal order: {found}, expected ascending, descending or ignore"))
            }
        }
    }

    /// The default of a field, checked as far as its type is known.
    fn default(&mut self, field: Entry, name: &str, schema: NodeId, default: Entry) -> Result<Json, ParseError> {
        if let Some(number) = self.number_from_text(schema, default)? {
            return Ok(number);
        }
        if self.strictness == Strictness::New {
            match self.check_default(schema, default, None) {
                Ok(Check::Valid) => {}
                Ok(Check::ValidSoFar) => self.deferred.push(Deferred {
                    schema,
                    default,
                    field_name: name.to_owned(),
                    field,
                    complete: self.arena.nodes.len(),
                }),
                Ok(Check::Invalid) => return self.invalid_default(name, schema, default),
                Err(reason) => return self.fail(default, reason),
            }
        }
        Ok(self.tape.to_json(default))
    }

    /// A text that stands as the default of a float or double is read as a number, whatever the strictness.
    fn number_from_text(&self, schema: NodeId, default: Entry) -> Result<Option<Json>, ParseError> {
        let is_float = schema.as_pending().is_none()
            && matches!(self.arena.nodes[schema.index()].kind, Kind::Float | Kind::Double);
        let Some(text) = self.tape.string(default).filter(|_| is_float) else {
            return Ok(None);
        };
        let Some(value) = parse_java_double(text) else {
            let reason = if text.trim_matches(|c| c <= ' ').is_empty() {
                "empty String".to_owned()
            } else {
                format!("For input string: {}", self.quote(default))
            };
            return self.fail(default, reason);
        };
        let mut number = String::new();
        write_double(value, &mut number);
        let value = match number.strip_prefix('"').and_then(|number| number.strip_suffix('"')) {
            Some(not_finite) => JsonValue::String(not_finite.to_owned()),
            None => JsonValue::Number(number),
        };
        Ok(Some(Json { value, position: self.tape.position(default) }))
    }
}
