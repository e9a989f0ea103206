//! What Avro and Rust call a type: names of kinds and of union branches.

use schema_core::format::avro::{AvroSchema, Kind, Name, Node, NodeId};

/// What a union branch is called in Avro's JSON encoding: the full name, or the kind.
pub(super) fn branch_name(kind: &Kind) -> String {
    kind.name().map_or_else(|| kind.word().to_owned(), Name::full)
}

/// Whether `name` is the full name of `named`; compares without building the full name.
pub(super) fn is_full_name(named: &Name, name: &str) -> bool {
    match &named.namespace {
        None => named.name == name,
        Some(namespace) => name
            .strip_prefix(namespace.as_str())
            .and_then(|rest| rest.strip_prefix('.'))
            .is_some_and(|short| short == named.name),
    }
}

/// The branch of a union that a Rust enum's variant means: by full name, by short name, by the word
/// for its kind, in this order and each only if a single branch has it.
pub(super) fn branch_of_variant(schema: &AvroSchema, branches: &[NodeId], variant: &str) -> Option<usize> {
    let only = |matches: &dyn Fn(&Kind) -> bool| {
        let mut found = branches.iter().enumerate().filter(|(_, branch)| matches(&schema.node(**branch).kind));
        let (index, _) = found.next()?;
        found.next().is_none().then_some(index)
    };
    only(&|kind| kind.name().is_some_and(|name| is_full_name(name, variant)))
        .or_else(|| only(&|kind| kind.name().is_some_and(|name| name.name == variant)))
        .or_else(|| only(&|kind| kind.name().is_none() && kind.word().eq_ignore_ascii_case(variant)))
}

/// The names of a union's branches, for messages; cut when there are many.
pub(super) fn list_branches(schema: &AvroSchema, branches: &[NodeId]) -> String {
    const SHOWN: usize = 8;
    let mut names: Vec<String> =
        branches.iter().take(SHOWN).map(|branch| branch_name(&schema.node(*branch).kind)).collect();
    if branches.len() > SHOWN {
        names.push(format!("and {} more", branches.len() - SHOWN));
    }
    names.join(", ")
}

/// Every node that the root leads to, each once, in the order of the text.
pub(super) fn reachable(schema: &AvroSchema) -> Vec<&Node> {
    let mut is_seen = vec![false; schema.node_count()];
    let mut nodes = Vec::with_capacity(schema.node_count());
    let mut open = vec![schema.root()];
    while let Some(id) = open.pop() {
        if std::mem::replace(&mut is_seen[id.index()], true) {
            continue;
        }
        let node = schema.node(id);
        nodes.push(node);
        match &node.kind {
            Kind::Array { items } => open.push(*items),
            Kind::Map { values } => open.push(*values),
            Kind::Union { branches } => open.extend(branches.iter().rev()),
            Kind::Record(record) => open.extend(record.fields.iter().rev().map(|field| field.schema)),
            _ => {}
        }
    }
    nodes
}
