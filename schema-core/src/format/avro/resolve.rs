//! The end of a text: forward references are tied to their definitions, and what had to wait for that is checked.

use super::defaults::{Check, Place};
use super::meant::meant;
use super::parse::{Arena, Parser, Pending, over_limit};
use super::{Kind, NodeId};
use crate::error::ParseError;

impl Parser<'_, '_, '_> {
    /// Ties every use of a name to its node. `first_node` is the first node of this text.
    pub(super) fn resolve(mut self, root: NodeId, first_node: usize) -> Result<NodeId, ParseError> {
        if self.pending.is_empty() {
            return Ok(root);
        }
        let mut targets = Vec::with_capacity(self.pending.len());
        for pending in &self.pending {
            match self.arena.names.get(&pending.full_name) {
                Some(id) => targets.push(*id),
                None => return self.undefined(pending),
            }
        }
        self.tie(&targets, first_node);
        let root = root.as_pending().map_or(root, |pending| targets[pending]);
        for (union, entry) in std::mem::take(&mut self.open_unions) {
            // The union may have gone with an identical definition; then its twin was checked.
            if let Some(Kind::Union { branches }) = self.arena.nodes.get(union.index()).map(|node| &node.kind) {
                self.check_branches(entry, branches)?;
            }
        }
        self.check_deferred()?;
        self.arena.check_printed_depth(root)?;
        Ok(root)
    }

    /// In Avro's words, with the type that was meant behind them.
    fn undefined<T>(&self, pending: &Pending) -> Result<T, ParseError> {
        let name = &pending.full_name;
        // What was written already, and not found because of the namespace around it, is no help.
        let written = self.tape.string(pending.entry).unwrap_or_default();
        let known = self.arena.names.keys().map(String::as_str).filter(|known| *known != written);
        let meant = meant(name, known);
        let hint = meant.map_or_else(String::new, |meant| format!("; did you mean `{meant}`?"));
        self.fail(pending.entry, format!("Undefined schema: {name}{hint}"))
    }

    fn tie(&mut self, targets: &[NodeId], first_node: usize) {
        let tie = |link: &mut NodeId| {
            if let Some(pending) = link.as_pending() {
                *link = targets[pending];
            }
        };
        for node in &mut self.arena.nodes[first_node..] {
            match &mut node.kind {
                Kind::Array { items } => tie(items),
                Kind::Map { values } => tie(values),
                Kind::Union { branches } => branches.iter_mut().for_each(tie),
                Kind::Record(record) => record.fields.iter_mut().for_each(|field| tie(&mut field.schema)),
                _ => {}
            }
        }
    }

    fn check_deferred(&mut self) -> Result<(), ParseError> {
        for deferred in std::mem::take(&mut self.deferred) {
            let place = Place { complete: deferred.complete, position: self.tape.position(deferred.field) };
            match self.check_default(deferred.schema, deferred.default, Some(place)) {
                Ok(Check::Valid | Check::ValidSoFar) => {}
                Ok(Check::Invalid) => {
                    return self.invalid_default(&deferred.field_name, deferred.schema, deferred.default);
                }
                Err(reason) => return self.fail(deferred.default, reason),
            }
        }
        Ok(())
    }
}

impl Arena<'_> {
    /// A forward reference is printed as the definition, so the text may come out deeper than it went in: types
    /// that stand side by side can be a chain; and so can those of references. The limit holds for all, and every
    /// later walk relies on it.
    pub(super) fn check_printed_depth(&self, root: NodeId) -> Result<(), ParseError> {
        let limit = self.limits.schema_nesting;
        let mut printed = vec![false; self.nodes.len()];
        let mut open: Vec<(NodeId, usize)> = vec![(root, 0)];
        while let Some((id, child)) = open.pop() {
            let node = &self.nodes[id.index()];
            if child == 0 && std::mem::replace(&mut printed[id.index()], true) {
                continue;
            }
            let Some(next) = node.kind.child(child) else {
                continue;
            };
            open.push((id, child + 1));
            open.push((next, 0));
            // A primitive at the end of a chain is no level of its own.
            if open.len() > limit + 1 {
                let reason = over_limit("levels of nested types", open.len() - 1, limit, "schema_nesting");
                return Err(ParseError { reason, position: node.position, pointer: String::new() });
            }
        }
        Ok(())
    }
}

impl Kind {
    /// The type at `index` among those that this one is made of.
    fn child(&self, index: usize) -> Option<NodeId> {
        match self {
            Self::Array { items } => (index == 0).then_some(*items),
            Self::Map { values } => (index == 0).then_some(*values),
            Self::Union { branches } => branches.get(index).copied(),
            Self::Record(record) => record.fields.get(index).map(|field| field.schema),
            _ => None,
        }
    }
}
