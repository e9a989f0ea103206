//! Text to arena: walks the tape of a JSON document and builds nodes, children before parents.
//!
//! Follows Avro 1.12's parser step by step, since what is accepted, and which definition a name means, decides
//! ids: a record's own name is known only behind its fields, so a use inside it is a forward reference; forward
//! references are settled when the whole text is read (`resolve.rs`).

use std::collections::{HashMap, HashSet};

use super::attributes::TypeAttributes;
use super::names::Alphabet;
use super::{AvroSchema, Branches, Kind, LogicalType, Name, Node, NodeId, logical};
use crate::error::ParseError;
use crate::format::{Limits, Strictness};
use crate::json::{DEPTH_MAX, Entry, EntryKind, Json, JsonValue, Tape, shorten, write_json};
use crate::schema::Source;

/// Levels of JSON in a stored text. Above [`DEPTH_MAX`], because printing a forward reference at its first use may
/// move a deep default further in; whatever was accepted can be read again.
const STORED_DEPTH_MAX: usize = 2 * DEPTH_MAX;

/// Room for nodes that is taken at once, whatever the text promises.
const NODES_RESERVED_MAX: usize = 1_024;

/// Up to this many branches, comparing each with each beats a hash table.
const FEW_BRANCHES: usize = 16;

/// Reads the references of `source`, then its text.
pub(super) fn parse(source: &Source, strictness: Strictness, limits: &Limits) -> Result<AvroSchema, ParseError> {
    let bytes = source.references.iter().map(|reference| reference.text.len()).sum::<usize>() + source.text.len();
    limits.check_expanded_bytes(bytes)?;
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
    if !references.is_empty() {
        arena.check_printed_depth(root)?;
    }
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
    // A type per four values is typical; beyond a usual schema the arena grows as it must.
    arena.nodes.reserve((tape.len() / 4 + 1).min(NODES_RESERVED_MAX));
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
    pub(super) alphabet: Alphabet,
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
    pub(super) fn schema(&mut self, entry: Entry, namespace: Option<&str>, depth: usize) -> Result<NodeId, ParseError> {
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
        let mut branches = Branches::default();
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
        let duplicate = if branches.len() <= FEW_BRANCHES {
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

    pub(super) fn properties(&self, attributes: &TypeAttributes<'_>) -> Vec<(String, Json)> {
        attributes.properties.iter().map(|(key, value)| (key.to_owned(), self.tape.to_json(value))).collect()
    }

    /// The properties of a record, array or map. Avro copies these types when it settles names, and cannot carry
    /// an integer beyond 64 bit over.
    pub(super) fn copied_properties(&self, attributes: &TypeAttributes<'_>) -> Result<Vec<(String, Json)>, ParseError> {
        let properties = self.properties(attributes);
        let big = attributes.properties.iter().zip(&properties).find(|(_, (_, value))| has_big_integer(value));
        match big {
            Some(((key, entry), _)) => self.fail(entry, format!("Can't set a property to null: {key}")),
            None => Ok(properties),
        }
    }

    /// A text attribute; anything but a text counts as absent.
    pub(super) fn text(&self, entry: Option<Entry>) -> Option<String> {
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
        logical: Option<LogicalType>,
        properties: Vec<(String, Json)>,
        entry: Entry,
    ) -> NodeId {
        self.push_node(Node { kind, logical, properties, position: self.tape.position(entry) })
    }

    pub(super) fn push_node(&mut self, node: Node) -> NodeId {
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
