//! The attributes of a type or field, gathered in one pass over its object. Of equal keys the last counts.

use crate::json::{Entry, Members, Tape};

/// The attributes of a type.
#[derive(Debug, Default)]
pub(super) struct TypeAttributes<'t> {
    pub(super) kind: Option<Entry>,
    pub(super) name: Option<Entry>,
    pub(super) namespace: Option<Entry>,
    pub(super) doc: Option<Entry>,
    pub(super) fields: Option<Entry>,
    pub(super) items: Option<Entry>,
    pub(super) values: Option<Entry>,
    pub(super) size: Option<Entry>,
    pub(super) symbols: Option<Entry>,
    pub(super) aliases: Option<Entry>,
    /// Also in `properties`: only an enum knows it.
    pub(super) default: Option<Entry>,
    pub(super) properties: Members<'t>,
}

impl<'t> TypeAttributes<'t> {
    pub(super) fn read(tape: &'t Tape<'_>, entry: Entry) -> Self {
        let mut attributes = Self::default();
        for (key, value) in tape.members(entry) {
            let slot = match key {
                "type" => &mut attributes.kind,
                "name" => &mut attributes.name,
                "namespace" => &mut attributes.namespace,
                "doc" => &mut attributes.doc,
                "fields" => &mut attributes.fields,
                "items" => &mut attributes.items,
                "values" => &mut attributes.values,
                "size" => &mut attributes.size,
                "symbols" => &mut attributes.symbols,
                "aliases" => &mut attributes.aliases,
                _ => {
                    if key == "default" {
                        attributes.default = Some(value);
                    }
                    attributes.properties.put(key, value);
                    continue;
                }
            };
            *slot = Some(value);
        }
        attributes
    }
}

/// The attributes of a field.
#[derive(Debug, Default)]
pub(super) struct FieldAttributes<'t> {
    pub(super) kind: Option<Entry>,
    pub(super) name: Option<Entry>,
    pub(super) doc: Option<Entry>,
    pub(super) default: Option<Entry>,
    pub(super) order: Option<Entry>,
    pub(super) aliases: Option<Entry>,
    pub(super) properties: Members<'t>,
}

impl<'t> FieldAttributes<'t> {
    pub(super) fn read(tape: &'t Tape<'_>, entry: Entry) -> Self {
        let mut attributes = Self::default();
        for (key, value) in tape.members(entry) {
            let slot = match key {
                "type" => &mut attributes.kind,
                "name" => &mut attributes.name,
                "doc" => &mut attributes.doc,
                "default" => &mut attributes.default,
                "order" => &mut attributes.order,
                "aliases" => &mut attributes.aliases,
                _ => {
                    attributes.properties.put(key, value);
                    continue;
                }
            };
            *slot = Some(value);
        }
        attributes
    }
}
