//! Avro's Parsing Canonical Form: what a reader needs to decode, and nothing else. Its CRC-64-AVRO is the
//! fingerprint of the Avro specification. Not what a registry stores: that is `canonical.rs`.

use super::{AvroSchema, Kind, NodeId};
use crate::json::write_string;

/// The form: full names, no docs, aliases, defaults, order or properties.
pub(super) fn text(schema: &AvroSchema) -> String {
    let mut printer = Printer { schema, printed: vec![false; schema.nodes.len()], out: String::new() };
    printer.write(schema.root);
    printer.out
}

struct Printer<'s> {
    schema: &'s AvroSchema,
    printed: Vec<bool>,
    out: String,
}

impl Printer<'_> {
    fn write(&mut self, id: NodeId) {
        let kind = &self.schema.nodes[id.index()].kind;
        let Some(name) = kind.name() else {
            return self.write_unnamed(kind);
        };
        if std::mem::replace(&mut self.printed[id.index()], true) {
            return write_string(&name.full(), &mut self.out);
        }
        self.out.push_str("{\"name\":");
        write_string(&name.full(), &mut self.out);
        self.out.push_str(",\"type\":\"");
        self.out.push_str(kind.word());
        self.out.push('"');
        match kind {
            Kind::Record(record) => {
                self.out.push_str(",\"fields\":");
                self.write_list(&record.fields, |printer, field| {
                    printer.out.push_str("{\"name\":");
                    write_string(&field.name, &mut printer.out);
                    printer.out.push_str(",\"type\":");
                    printer.write(field.schema);
                    printer.out.push('}');
                });
            }
            Kind::Enum(r#enum) => {
                self.out.push_str(",\"symbols\":");
                self.write_list(&r#enum.symbols, |printer, symbol| write_string(symbol, &mut printer.out));
            }
            Kind::Fixed(fixed) => {
                self.out.push_str(",\"size\":");
                self.out.push_str(&fixed.size.to_string());
            }
            _ => {}
        }
        self.out.push('}');
    }

    fn write_unnamed(&mut self, kind: &Kind) {
        match kind {
            Kind::Array { items } => self.write_container("array\",\"items", *items),
            Kind::Map { values } => self.write_container("map\",\"values", *values),
            Kind::Union { branches } => self.write_list(branches, |printer, branch| printer.write(*branch)),
            primitive => {
                self.out.push('"');
                self.out.push_str(primitive.word());
                self.out.push('"');
            }
        }
    }

    fn write_container(&mut self, words: &str, inner: NodeId) {
        self.out.push_str("{\"type\":\"");
        self.out.push_str(words);
        self.out.push_str("\":");
        self.write(inner);
        self.out.push('}');
    }

    fn write_list<T>(&mut self, items: &[T], mut write: impl FnMut(&mut Self, &T)) {
        self.out.push('[');
        for (at, item) in items.iter().enumerate() {
            if at > 0 {
                self.out.push(',');
            }
            write(self, item);
        }
        self.out.push(']');
    }
}
