//! Text to arena: walks the tape of a JSON document and builds nodes, children before parents.
//!
//! Follows Avro 1.12's parser step by step, since what is accepted, and which definition a name means, decides
//! ids: a record's own name is known only behind its fields, so a use inside it is a forward reference; forward
//! references are settled when the whole text is read (`resolve.rs`).

use std::collections::{HashMap, HashSet};

use super::attributes::{FieldAttributes, TypeAttributes};
use super::defaults::Check;
use super::names::{self, Alphabet};
use super::{AvroSchema, Enum, Field, Fixed, Kind, Name, Node, NodeId, Order, Record, logical};
use crate::error::ParseError;
use crate::format::{Limits, Strictness};
use crate::json::{DEPTH_MAX, Entry, EntryKind, Json, JsonValue, Tape, parse_java_double, shorten, write_json};
use crate::schema::Source;

/// Levels of JSON in a stored text. Above [`DEPTH_MAX`], because printing a forward reference at its first use may
/// move a deep default further in; whatever was accepted can be read again.
const STORED_DEPTH_MAX: usize = 2 * DEPTH_MAX;

/// Up to this many names, comparing each with each beats a hash table.
const FEW_NAMES: usize = 16;

/// Reads the references of `source`, then its text.
pub(super) fn parse(source: &Source, strictness: Strictness, limits: &Limits) -> Result<AvroSchema, ParseError> {
    let bytes = source.references.iter().map(|reference| reference.text.len()).sum::<usize>() + source.text.len();
    if bytes > limits.expanded_bytes {
        let reason = over_limit("bytes of text, references included", bytes, limits.expanded_bytes, "expanded_bytes");
        return Err(ParseError::of_document(reason));
    }
    let mut arena = Arena { nodes: Vec::new(), names: HashMap::new(), fields: 0, limits };
    let mut references = Vec::with_capacity(source.references.len());
    for reference in &source.references {
        let root = read(&reference.text, Strictness::Stored, &mut arena).map_err(|error| ParseError {
            reason: format!("in reference `{}`: {}", reference.reference.name, error.reason),
            ..error
        })?;
        references.push(root);
    }
    let root = read(&source.text, strictness, &mut arena)?;
    Ok(AvroSchema { nodes: arena.nodes, root, references })
}

fn read(text: &str, strictness: Strictness, arena: &mut Arena<'_>) -> Result<NodeId, ParseError> {
    if text.bytes().all(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r')) {
        return Err(ParseError::of_document("Cannot parse <null> schema".to_owned()));
    }
    let depth_max = match strictness {
        Strictness::New => DEPTH_MAX,
        Strictness::Stored => STORED_DEPTH_MAX,
    };
    let tape = Tape::read(text, depth_max)?;
    if let Some((rest, position)) = tape.rest() {
        let reason = format!("dangling content after end of schema: {}", shorten(rest));
        return Err(ParseError { reason, position, pointer: String::new() });
    }
    let first_node = arena.nodes.len();
    // One type per three values is typical (a field is an object with a name and a type).
    arena.nodes.reserve(tape.len() / 4 + 1);
    let mut parser = Parser::new(&tape, strictness, arena);
    let root = parser.schema(tape.root(), None, 0)?;
    parser.resolve(root, first_node)
}

/// "`what` of 501 is over the limit of 500 (`limits.setting`)".
pub(super) fn over_limit(what: &str, value: usize, limit: usize, setting: &str) -> String {
    format!("{value} {what}: the limit is {limit} (setting `limits.{setting}`)")
}

/// What all texts of one source share.
#[derive(Debug)]
pub(super) struct Arena<'l> {
    pub(super) nodes: Vec<Node>,
    /// Complete named types by full name.
    pub(super) names: HashMap<String, NodeId>,
    pub(super) fields: usize,
    pub(super) limits: &'l Limits,
}

/// A use of a name that was not known when it was read.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) full_name: String,
    pub(super) entry: Entry,
}

/// A default whose type is not complete yet, to be looked at again.
#[derive(Debug)]
pub(super) struct Deferred {
    pub(super) schema: NodeId,
    pub(super) default: Entry,
    pub(super) field_name: String,
    pub(super) field: Entry,
    /// Number of nodes when the field was read: a node at or above it was not complete.
    pub(super) complete: usize,
}

/// Reads one text.
#[derive(Debug)]
pub(super) struct Parser<'p, 't, 'l> {
    pub(super) tape: &'p Tape<'t>,
    pub(super) arena: &'p mut Arena<'l>,
    pub(super) strictness: Strictness,
    alphabet: Alphabet,
    pub(super) pending: Vec<Pending>,
    /// Unions with a branch that is pending: their branches are compared once all names are known.
    pub(super) open_unions: Vec<(NodeId, Entry)>,
    pub(super) deferred: Vec<Deferred>,
    /// Steps that defaults have used; see `defaults.rs`.
    pub(super) default_steps: u32,
    scratch: String,
}

impl<'p, 't, 'l> Parser<'p, 't, 'l> {
    fn new(tape: &'p Tape<'t>, strictness: Strictness, arena: &'p mut Arena<'l>) -> Self {
        let alphabet = match strictness {
            Strictness::New => Alphabet::Ascii,
            Strictness::Stored => Alphabet::Unicode,
        };
        Self {
            tape,
            arena,
            strictness,
            alphabet,
            pending: Vec::new(),
            open_unions: Vec::new(),
            deferred: Vec::new(),
            default_steps: 0,
            scratch: String::new(),
        }
    }

    /// Reads the type at `entry`. `depth` is the number of types around it; the limit on it bounds the recursion.
    fn schema(&mut self, entry: Entry, namespace: Option<&str>, depth: usize) -> Result<NodeId, ParseError> {
        match self.tape.kind(entry) {
            EntryKind::Plain | EntryKind::Escaped => {
                let name = self.tape.string(entry).unwrap_or_default();
                Ok(self.named(name, entry, namespace))
            }
            EntryKind::Object => self.object(entry, namespace, depth + 1),
            EntryKind::Array => self.union(entry, namespace, depth + 1),
            _ => self.fail(entry, format!("Schema not yet supported: {}", self.quote(entry))),
        }
    }

    /// A primitive, or a use of a named type: by its full name, else by the name as it stands, else one that must
    /// be defined further down.
    fn named(&mut self, name: &str, entry: Entry, namespace: Option<&str>) -> NodeId {
        if let Some(kind) = primitive(name) {
            return self.push(kind, None, Vec::new(), entry);
        }
        self.scratch.clear();
        if let Some(namespace) = namespace.filter(|_| !name.contains('.')) {
            self.scratch.push_str(namespace);
            self.scratch.push('.');
        }
        self.scratch.push_str(name);
        let known = self.arena.names.get(self.scratch.as_str()).or_else(|| self.arena.names.get(name));
        match known {
            Some(id) => *id,
            None => {
                let id = NodeId::pending(self.pending.len());
                self.pending.push(Pending { full_name: self.scratch.clone(), entry });
                id
            }
        }
    }

    fn object(&mut self, entry: Entry, namespace: Option<&str>, depth: usize) -> Result<NodeId, ParseError> {
        self.check_depth(entry, depth)?;
        let attributes = TypeAttributes::read(self.tape, entry);
        let Some(kind) = attributes.kind.and_then(|kind| self.tape.string(kind)) else {
            return self.fail(entry, format!("No type: {}", self.quote(entry)));
        };
        if let Some(kind) = primitive(kind) {
            let properties = self.properties(&attributes);
            let logical = logical::find(&kind, &properties);
            return Ok(self.push(kind, logical, properties, entry));
        }
        match kind {
            "record" | "error" => self.record(entry, &attributes, kind == "error", namespace, depth),
            "enum" => self.enumeration(entry, &attributes, namespace),
            "fixed" => self.fixed(entry, &attributes, namespace),
            "array" | "map" => self.container(entry, &attributes, kind == "array", namespace, depth),
            name => Ok(self.named(name, attributes.kind.unwrap_or(entry), namespace)),
        }
    }

    fn container(
        &mut self,
        entry: Entry,
        attributes: &TypeAttributes<'_>,
        is_array: bool,
        namespace: Option<&str>,
        depth: usize,
    ) -> Result<NodeId, ParseError> {
        let inner = if is_array { attributes.items } else { attributes.values };
        let Some(inner) = inner else {
            let missing = if is_array { "Array has no items type" } else { "Map has no values type" };
            return self.fail(entry, format!("{missing}: {}", self.quote(entry)));
        };
        let inner = self.schema(inner, namespace, depth)?;
        let kind = if is_array { Kind::Array { items: inner } } else { Kind::Map { values: inner } };
        let properties = self.copied_properties(attributes)?;
        Ok(self.push(kind, None, properties, entry))
    }

    fn union(&mut self, entry: Entry, namespace: Option<&str>, depth: usize) -> Result<NodeId, ParseError> {
        self.check_depth(entry, depth)?;
        let mut branches = Vec::new();
        for (index, branch) in self.tape.elements(entry).enumerate() {
            let limit = self.arena.limits.union_branches;
            if index >= limit {
                let count = self.tape.elements(entry).count();
                return self.fail(branch, over_limit("branches in a union", count, limit, "union_branches"));
            }
            if self.tape.is_array(branch) {
                return self.fail(branch, format!("Nested union: {}", self.quote(entry)));
            }
            branches.push(self.schema(branch, namespace, depth)?);
        }
        self.check_branches(entry, &branches)?;
        let has_pending = branches.iter().any(|branch| branch.as_pending().is_some());
        let id = self.push(Kind::Union { branches }, None, Vec::new(), entry);
        if has_pending {
            self.open_unions.push((id, entry));
        }
        Ok(id)
    }

    /// Refuses two branches of one unnamed kind or one name; pending branches are left for later.
    pub(super) fn check_branches(&self, union: Entry, branches: &[NodeId]) -> Result<(), ParseError> {
        let known = |id: &NodeId| id.as_pending().is_none();
        let duplicate = if branches.len() <= FEW_NAMES {
            (1..branches.len()).find(|&at| {
                known(&branches[at])
                    && branches[..at].iter().any(|other| known(other) && self.same_branch(*other, branches[at]))
            })
        } else {
            let mut seen = HashSet::with_capacity(branches.len());
            (0..branches.len()).find(|&at| known(&branches[at]) && !seen.insert(self.branch_name(branches[at])))
        };
        let Some(at) = duplicate else {
            return Ok(());
        };
        let branch = self.tape.elements(union).nth(at).unwrap_or(union);
        self.fail(branch, format!("Duplicate in union:{}", self.branch_name(branches[at])))
    }

    fn same_branch(&self, a: NodeId, b: NodeId) -> bool {
        let (a, b) = (&self.arena.nodes[a.index()].kind, &self.arena.nodes[b.index()].kind);
        match (a.name(), b.name()) {
            (Some(a), Some(b)) => a == b,
            (None, None) => a.word() == b.word(),
            // A record may be called `array`; Avro takes it for one here.
            (Some(name), None) => name.namespace.is_none() && name.name == b.word(),
            (None, Some(name)) => name.namespace.is_none() && name.name == a.word(),
        }
    }

    fn branch_name(&self, id: NodeId) -> String {
        let kind = &self.arena.nodes[id.index()].kind;
        kind.name().map_or_else(|| kind.word().to_owned(), Name::full)
    }

    fn record(
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
        let mut fields: Vec<Field> = Vec::new();
        let mut seen = HashMap::new();
        for field_entry in self.tape.elements(list) {
            let field = self.field(field_entry, name.namespace.as_deref(), depth)?;
            let earlier = if fields.len() <= FEW_NAMES {
                fields.iter().position(|other| other.name == field.name)
            } else {
                if seen.is_empty() {
                    seen.extend(fields.iter().enumerate().map(|(at, other)| (other.name.clone(), at)));
                }
                seen.insert(field.name.clone(), fields.len())
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
        let kind = Kind::Record(Record { name, aliases, doc, is_error, fields });
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

    fn field(&mut self, entry: Entry, namespace: Option<&str>, depth: usize) -> Result<Field, ParseError> {
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
        Ok(Field {
            name: name.to_owned(),
            aliases,
            doc: self.text(attributes.doc),
            schema,
            default,
            order,
            properties: properties.collect(),
            position: self.tape.position(entry),
        })
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
        crate::json::write_double(value, &mut number);
        let value = match number.strip_prefix('"').and_then(|number| number.strip_suffix('"')) {
            Some(not_finite) => JsonValue::String(not_finite.to_owned()),
            None => JsonValue::Number(number),
        };
        Ok(Some(Json { value, position: self.tape.position(default) }))
    }

    fn enumeration(
        &mut self,
        entry: Entry,
        attributes: &TypeAttributes<'_>,
        namespace: Option<&str>,
    ) -> Result<NodeId, ParseError> {
        let name = self.name(entry, attributes, namespace)?;
        let Some(list) = attributes.symbols.filter(|list| self.tape.is_array(*list)) else {
            return self.fail(entry, format!("Enum has no symbols: {}", self.quote(entry)));
        };
        let mut symbols = Vec::new();
        let mut seen = HashSet::new();
        for symbol_entry in self.tape.elements(list) {
            let Some(symbol) = self.tape.string(symbol_entry) else {
                return self.fail(symbol_entry, "Null name".to_owned());
            };
            self.check_name(symbol_entry, symbol)?;
            if !seen.insert(symbol) {
                return self.fail(symbol_entry, format!("Duplicate enum symbol: {symbol}"));
            }
            symbols.push(symbol.to_owned());
        }
        let default = attributes.default.and_then(|default| self.tape.string(default));
        if let Some((default, entry)) = default.zip(attributes.default).filter(|(default, _)| !seen.contains(default)) {
            let set = shorten(&symbols.join(", "));
            return self.fail(entry, format!("The Enum Default: {default} is not in the enum symbol set: [{set}]"));
        }
        let first_node = self.arena.nodes.len();
        let default = default.map(str::to_owned);
        let aliases = self.type_aliases(entry, attributes, &name)?;
        let mut properties = self.properties(attributes);
        properties.retain(|(key, _)| key != "default");
        let doc = self.text(attributes.doc);
        let kind = Kind::Enum(Enum { name, aliases, doc, symbols, default });
        self.define(entry, first_node, kind, properties)
    }

    fn fixed(
        &mut self,
        entry: Entry,
        attributes: &TypeAttributes<'_>,
        namespace: Option<&str>,
    ) -> Result<NodeId, ParseError> {
        let name = self.name(entry, attributes, namespace)?;
        let size = attributes.size.and_then(|size| self.tape.number(size)).and_then(|size| size.parse::<i32>().ok());
        let Some(size) = size else {
            return self.fail(entry, format!("Invalid or no size: {}", self.quote(entry)));
        };
        let Ok(size) = u32::try_from(size) else {
            let reason = format!("Malformed data. Length is negative: {size}");
            return self.fail(attributes.size.unwrap_or(entry), reason);
        };
        let first_node = self.arena.nodes.len();
        let aliases = self.type_aliases(entry, attributes, &name)?;
        let properties = self.properties(attributes);
        let doc = self.text(attributes.doc);
        self.define(entry, first_node, Kind::Fixed(Fixed { name, aliases, doc, size }), properties)
    }

    /// Makes a named type known. A second definition of a name must be identical, and then is the first one.
    fn define(
        &mut self,
        entry: Entry,
        first_node: usize,
        kind: Kind,
        properties: Vec<(String, Json)>,
    ) -> Result<NodeId, ParseError> {
        let logical = logical::find(&kind, &properties);
        let full_name = kind.name().map(Name::full).unwrap_or_default();
        let node = Node { kind, logical, properties, position: self.tape.position(entry) };
        let Some(known) = self.arena.names.get(&full_name).copied() else {
            let id = self.push_node(node);
            self.arena.names.insert(full_name, id);
            return Ok(id);
        };
        if !super::identity::same_definition(&self.arena.nodes, &self.arena.nodes[known.index()], &node) {
            return self.fail(entry, format!("Can't redefine: {full_name}"));
        }
        // Invariant: an identical definition adds no name, so nothing refers to the nodes made for it.
        self.arena.nodes.truncate(first_node);
        Ok(known)
    }

    fn name(&self, entry: Entry, attributes: &TypeAttributes<'_>, namespace: Option<&str>) -> Result<Name, ParseError> {
        let Some((at, text)) = attributes.name.and_then(|at| Some((at, self.tape.string(at)?))) else {
            return self.fail(entry, format!("No name in schema: {}", self.quote(entry)));
        };
        let own = attributes.namespace.and_then(|namespace| self.tape.string(namespace));
        let name = Name::of(text, own.or(namespace));
        self.check_name(at, &name.name)?;
        if name.namespace.is_none() && primitive(&name.name).is_some() {
            return self.fail(at, format!("Schemas may not be named after primitives: {}", name.name));
        }
        for part in name.namespace.iter().flat_map(|namespace| namespace.split('.')) {
            if let Err(reason) = names::check(part, self.alphabet) {
                return self.fail(at, format!("Namespace part \"{part}\" is invalid: {reason}"));
            }
        }
        Ok(name)
    }

    fn check_name(&self, entry: Entry, name: &str) -> Result<(), ParseError> {
        names::check(name, self.alphabet).or_else(|reason| self.fail(entry, reason))
    }

    /// Aliases as full names, repeated ones merged. Only their last part is checked, as Avro does.
    fn type_aliases(
        &self,
        entry: Entry,
        attributes: &TypeAttributes<'_>,
        name: &Name,
    ) -> Result<Vec<Name>, ParseError> {
        let mut seen = HashSet::new();
        let mut aliases = Vec::new();
        for (at, text) in self.alias_list(entry, attributes.aliases)? {
            let alias = Name::of(text, name.namespace.as_deref());
            self.check_name(at, &alias.name)?;
            if seen.insert(alias.clone()) {
                aliases.push(alias);
            }
        }
        Ok(aliases)
    }

    fn field_aliases(&self, entry: Entry, list: Option<Entry>) -> Result<Vec<String>, ParseError> {
        let mut seen = HashSet::new();
        let aliases = self.alias_list(entry, list)?;
        Ok(aliases.into_iter().filter(|(_, alias)| seen.insert(*alias)).map(|(_, alias)| alias.to_owned()).collect())
    }

    fn alias_list(&self, entry: Entry, list: Option<Entry>) -> Result<Vec<(Entry, &'p str)>, ParseError> {
        let Some(list) = list else {
            return Ok(Vec::new());
        };
        if !self.tape.is_array(list) {
            return self.fail(list, format!("aliases not an array: {}", self.quote(entry)));
        }
        let mut aliases = Vec::new();
        for alias in self.tape.elements(list) {
            match self.tape.string(alias) {
                Some(text) => aliases.push((alias, text)),
                None => return self.fail(alias, format!("alias not a string: {}", self.quote(alias))),
            }
        }
        Ok(aliases)
    }

    fn properties(&self, attributes: &TypeAttributes<'_>) -> Vec<(String, Json)> {
        attributes.properties.iter().map(|(key, value)| (key.to_owned(), self.tape.to_json(value))).collect()
    }

    /// The properties of a record, array or map. Avro copies these types when it settles names, and cannot carry
    /// an integer beyond 64 bit over.
    fn copied_properties(&self, attributes: &TypeAttributes<'_>) -> Result<Vec<(String, Json)>, ParseError> {
        let properties = self.properties(attributes);
        let big = attributes.properties.iter().zip(&properties).find(|(_, (_, value))| has_big_integer(value));
        match big {
            Some(((key, entry), _)) => self.fail(entry, format!("Can't set a property to null: {key}")),
            None => Ok(properties),
        }
    }

    /// A text attribute; anything but a text counts as absent.
    fn text(&self, entry: Option<Entry>) -> Option<String> {
        entry.and_then(|entry| self.tape.string(entry)).map(str::to_owned)
    }

    fn check_depth(&self, entry: Entry, depth: usize) -> Result<(), ParseError> {
        let limit = self.arena.limits.schema_nesting;
        if depth > limit {
            return self.fail(entry, over_limit("levels of nested types", depth, limit, "schema_nesting"));
        }
        Ok(())
    }

    fn push(
        &mut self,
        kind: Kind,
        logical: Option<super::LogicalType>,
        properties: Vec<(String, Json)>,
        entry: Entry,
    ) -> NodeId {
        self.push_node(Node { kind, logical, properties, position: self.tape.position(entry) })
    }

    fn push_node(&mut self, node: Node) -> NodeId {
        // A tape has fewer than 2^32 / 2 values, since each takes a byte and a separator.
        let id = NodeId(self.arena.nodes.len() as u32);
        self.arena.nodes.push(node);
        id
    }

    /// The value at `entry` as compact text, cut short.
    pub(super) fn quote(&self, entry: Entry) -> String {
        let mut text = String::new();
        write_json(&self.tape.to_json(entry), &mut text);
        shorten(&text)
    }

    pub(super) fn fail<T>(&self, entry: Entry, reason: String) -> Result<T, ParseError> {
        Err(ParseError { reason, position: self.tape.position(entry), pointer: self.tape.pointer(entry) })
    }
}

fn has_big_integer(json: &Json) -> bool {
    match &json.value {
        JsonValue::Number(number) => crate::json::is_integer(number) && number.parse::<i64>().is_err(),
        JsonValue::Array(items) => items.iter().any(has_big_integer),
        JsonValue::Object(members) => members.iter().any(|(_, value)| has_big_integer(value)),
        JsonValue::Null | JsonValue::Bool(_) | JsonValue::String(_) => false,
    }
}

/// The kind that a primitive's name stands for.
pub(super) fn primitive(name: &str) -> Option<Kind> {
    Some(match name {
        "null" => Kind::Null,
        "boolean" => Kind::Boolean,
        "int" => Kind::Int,
        "long" => Kind::Long,
        "float" => Kind::Float,
        "double" => Kind::Double,
        "bytes" => Kind::Bytes,
        "string" => Kind::String,
        _ => return None,
    })
}
