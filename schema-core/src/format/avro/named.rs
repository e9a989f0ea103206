//! Enums, fixed, and what all named types share: name, aliases, and one definition per name.

use std::collections::HashSet;

use super::attributes::TypeAttributes;
use super::parse::{Parser, primitive};
use super::{Enum, Fixed, Kind, Name, Node, NodeId, identity, logical, names};
use crate::error::ParseError;
use crate::json::{Entry, Json, shorten};

/// What Java has room for in one array, and so Confluent's server in a fixed (Avro's `SystemLimitException`).
const FIXED_BYTES_MAX: u32 = i32::MAX.unsigned_abs() - 8;

impl<'p> Parser<'p, '_, '_> {
    pub(super) fn enumeration(
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
        let kind = Kind::Enum(Box::new(Enum { name, aliases, doc, symbols, default }));
        self.define(entry, first_node, kind, properties)
    }

    pub(super) fn fixed(
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
        if size > FIXED_BYTES_MAX {
            let reason = format!("Cannot read arrays longer than {FIXED_BYTES_MAX} bytes in Java library");
            return self.fail(attributes.size.unwrap_or(entry), reason);
        }
        let first_node = self.arena.nodes.len();
        let aliases = self.type_aliases(entry, attributes, &name)?;
        let properties = self.properties(attributes);
        let doc = self.text(attributes.doc);
        let kind = Kind::Fixed(Box::new(Fixed { name, aliases, doc, size }));
        self.define(entry, first_node, kind, properties)
    }

    /// Makes a named type known. A second definition of a name must be identical, and then is the first one.
    pub(super) fn define(
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
        if !identity::same_definition(&self.arena.nodes, &self.arena.nodes[known.index()], &node) {
            return self.fail(entry, format!("Can't redefine: {full_name}"));
        }
        // Invariant: an identical definition adds no name, so nothing refers to the nodes made for it.
        self.arena.nodes.truncate(first_node);
        Ok(known)
    }

    pub(super) fn name(
        &self,
        entry: Entry,
        attributes: &TypeAttributes<'_>,
        namespace: Option<&str>,
    ) -> Result<Name, ParseError> {
        let Some((at, text)) = attributes.name.and_then(|at| Some((at, self.tape.string(at)?))) else {
            return self.fail(entry, format!("No name in schema: {}", self.quote(entry)));
        };
        let own = attributes.namespace.and_then(|at| Some((at, self.tape.string(at)?)));
        let name = Name::of(text, own.map(|(_, own)| own).or(namespace));
        self.check_name(at, &name.name)?;
        if name.namespace.is_none() && primitive(&name.name).is_some() {
            return self.fail(at, format!("Schemas may not be named after primitives: {}", name.name));
        }
        let namespace_at = own.filter(|_| !text.contains('.')).map_or(at, |(at, _)| at);
        for part in name.namespace.iter().flat_map(|namespace| namespace.split('.')) {
            if let Err(reason) = names::check(part, self.alphabet) {
                return self.fail(namespace_at, format!("Namespace part \"{part}\" is invalid: {reason}"));
            }
        }
        Ok(name)
    }

    pub(super) fn check_name(&self, entry: Entry, name: &str) -> Result<(), ParseError> {
        names::check(name, self.alphabet).or_else(|reason| self.fail(entry, reason))
    }

    /// Aliases as full names, repeated ones merged. Only their last part is checked, as Avro does.
    pub(super) fn type_aliases(
        &self,
        entry: Entry,
        attributes: &TypeAttributes<'_>,
        name: &Name,
    ) -> Result<Vec<Name>, ParseError> {
        let list = self.alias_list(entry, attributes.aliases)?;
        let mut aliases = Vec::with_capacity(list.len());
        let mut seen = HashSet::with_capacity(list.len());
        for (at, text) in list {
            let alias = Name::of(text, name.namespace.as_deref());
            self.check_name(at, &alias.name)?;
            if seen.insert(alias.clone()) {
                aliases.push(alias);
            }
        }
        Ok(aliases)
    }

    pub(super) fn field_aliases(&self, entry: Entry, list: Option<Entry>) -> Result<Vec<String>, ParseError> {
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
}
