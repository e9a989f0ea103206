//! The text that is stored and hashed: Avro's own order and form, as Confluent prints it.
//!
//! Keeps docs, aliases, property order and unknown properties, so it is not Avro's Parsing Canonical Form
//! (`parsing_form.rs`). A named type is printed in full at its first use and by name after that. Recurses; the
//! parser has bounded the depth of what is printed.

use super::parse::Pending;
use super::{AvroSchema, Field, Kind, Name, Node, NodeId, Order};
use crate::json::{Json, write_json, write_string};

/// The canonical text of a schema; types that its references define are printed by name.
pub(super) fn text(schema: &AvroSchema) -> String {
    let mut printer = Printer::new(&schema.nodes, &[]);
    for reference in &schema.references {
        printer.printed[reference.index()] = true;
    }
    printer.write(schema.root, None);
    printer.out
}

/// The text with every type in it at its first use, those of references too (`format=resolved`).
pub(super) fn resolved_text(schema: &AvroSchema) -> String {
    let mut printer = Printer::new(&schema.nodes, &[]);
    printer.write(schema.root, None);
    printer.out
}

/// Appends the text of one type of a schema that may not be complete, for an error message.
pub(super) fn write_type(nodes: &[Node], id: NodeId, pending: &[Pending], out: &mut String) {
    let mut printer = Printer::new(nodes, pending);
    printer.write(id, None);
    out.push_str(&printer.out);
}

struct Printer<'s> {
    nodes: &'s [Node],
    pending: &'s [Pending],
    /// Named types that were printed already.
    printed: Vec<bool>,
    out: String,
}

impl<'s> Printer<'s> {
    fn new(nodes: &'s [Node], pending: &'s [Pending]) -> Self {
        // About forty bytes per node is typical.
        Self { nodes, pending, printed: vec![false; nodes.len()], out: String::with_capacity(nodes.len() * 40) }
    }

    fn write(&mut self, id: NodeId, namespace: Option<&'s str>) {
        if let Some(pending) = id.as_pending() {
            return write_string(&self.pending[pending].full_name, &mut self.out);
        }
        let node = &self.nodes[id.index()];
        if let Some(name) = node.kind.name()
            && std::mem::replace(&mut self.printed[id.index()], true)
        {
            return self.write_use(name, namespace);
        }
        match &node.kind {
            Kind::Union { branches } => self.write_union(branches, namespace),
            Kind::Array { items } => self.write_container(node, "items", *items, namespace),
            Kind::Map { values } => self.write_container(node, "values", *values, namespace),
            Kind::Record(_) | Kind::Enum(_) | Kind::Fixed(_) => self.write_named(node, namespace),
            primitive => self.write_primitive(primitive, node),
        }
    }

    fn write_primitive(&mut self, kind: &Kind, node: &'s Node) {
        if node.properties.is_empty() {
            self.out.push('"');
            self.out.push_str(kind.word());
            self.out.push('"');
            return;
        }
        self.write_type_word(kind.word());
        self.write_properties(&node.properties);
        self.out.push('}');
    }

    fn write_union(&mut self, branches: &[NodeId], namespace: Option<&'s str>) {
        self.out.push('[');
        for (at, branch) in branches.iter().enumerate() {
            if at > 0 {
                self.out.push(',');
            }
            self.write(*branch, namespace);
        }
        self.out.push(']');
    }

    fn write_container(&mut self, node: &'s Node, key: &str, inner: NodeId, namespace: Option<&'s str>) {
        self.write_type_word(node.kind.word());
        self.write_key(key);
        self.write(inner, namespace);
        self.write_properties(&node.properties);
        self.out.push('}');
    }

    fn write_named(&mut self, node: &'s Node, namespace: Option<&'s str>) {
        match &node.kind {
            Kind::Record(record) => {
                self.write_type_word(if record.is_error { "error" } else { "record" });
                self.write_head(&record.name, record.doc.as_deref(), namespace);
                self.write_fields(&record.fields, record.name.namespace.as_deref());
                self.write_properties(&node.properties);
                self.write_aliases(&record.aliases, &record.name);
            }
            Kind::Enum(r#enum) => {
                self.write_type_word("enum");
                self.write_head(&r#enum.name, r#enum.doc.as_deref(), namespace);
                self.write_key("symbols");
                self.write_strings(r#enum.symbols.iter().map(String::as_str));
                if let Some(default) = &r#enum.default {
                    self.write_text("default", default);
                }
                self.write_properties(&node.properties);
                self.write_aliases(&r#enum.aliases, &r#enum.name);
            }
            Kind::Fixed(fixed) => {
                self.write_type_word("fixed");
                self.write_head(&fixed.name, fixed.doc.as_deref(), namespace);
                self.write_key("size");
                self.out.push_str(&fixed.size.to_string());
                self.write_properties(&node.properties);
                self.write_aliases(&fixed.aliases, &fixed.name);
            }
            _ => return,
        }
        self.out.push('}');
    }

    /// Name, namespace (only if another one than around it) and doc.
    fn write_head(&mut self, name: &Name, doc: Option<&str>, around: Option<&str>) {
        self.write_text("name", &name.name);
        if name.namespace.as_deref() != around {
            self.write_text("namespace", name.namespace.as_deref().unwrap_or(""));
        }
        if let Some(doc) = doc {
            self.write_text("doc", doc);
        }
    }

    fn write_fields(&mut self, fields: &'s [Field], namespace: Option<&'s str>) {
        self.write_key("fields");
        self.out.push('[');
        for (at, field) in fields.iter().enumerate() {
            if at > 0 {
                self.out.push(',');
            }
            self.write_field(field, namespace);
        }
        self.out.push(']');
    }

    fn write_field(&mut self, field: &'s Field, namespace: Option<&'s str>) {
        self.out.push_str("{\"name\":");
        write_string(&field.name, &mut self.out);
        self.write_key("type");
        self.write(field.schema, namespace);
        if let Some(doc) = &field.doc {
            self.write_text("doc", doc);
        }
        if let Some(default) = &field.default {
            self.write_key("default");
            write_json(default, &mut self.out);
        }
        match field.order {
            Order::Ascending => {}
            Order::Descending => self.write_text("order", "descending"),
            Order::Ignore => self.write_text("order", "ignore"),
        }
        if !field.aliases.is_empty() {
            self.write_key("aliases");
            self.write_strings(field.aliases.iter().map(String::as_str));
        }
        self.write_properties(&field.properties);
        self.out.push('}');
    }

    /// A use of a type that was printed before.
    fn write_use(&mut self, name: &Name, namespace: Option<&str>) {
        if name.needs_full(namespace) {
            write_string(&name.full(), &mut self.out);
        } else {
            write_string(&name.name, &mut self.out);
        }
    }

    fn write_aliases(&mut self, aliases: &[Name], of: &Name) {
        if aliases.is_empty() {
            return;
        }
        self.write_key("aliases");
        let namespace = of.namespace.as_deref();
        let shown: Vec<String> = aliases
            .iter()
            .map(|alias| if alias.needs_full(namespace) { alias.full() } else { alias.name.clone() })
            .collect();
        self.write_strings(shown.iter().map(String::as_str));
    }

    fn write_properties(&mut self, properties: &[(String, Json)]) {
        for (key, value) in properties {
            self.out.push(',');
            write_string(key, &mut self.out);
            self.out.push(':');
            write_json(value, &mut self.out);
        }
    }

    fn write_type_word(&mut self, word: &str) {
        self.out.push_str("{\"type\":\"");
        self.out.push_str(word);
        self.out.push('"');
    }

    fn write_text(&mut self, key: &str, value: &str) {
        self.write_key(key);
        write_string(value, &mut self.out);
    }

    /// `,"key":` with a key of ours, which needs no escapes.
    fn write_key(&mut self, key: &str) {
        self.out.push_str(",\"");
        self.out.push_str(key);
        self.out.push_str("\":");
    }

    fn write_strings<'v>(&mut self, values: impl Iterator<Item = &'v str>) {
        self.out.push('[');
        for (at, value) in values.enumerate() {
            if at > 0 {
                self.out.push(',');
            }
            write_string(value, &mut self.out);
        }
        self.out.push(']');
    }
}
