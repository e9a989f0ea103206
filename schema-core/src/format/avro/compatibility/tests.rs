//! What needs an arena made by hand; the rules are tested by the table in `tests/it/compatibility.rs`.

use super::super::{Field, Kind, Name, Node, NodeId, Order, Record};
use super::*;
use crate::compatibility::STEPS_DEFAULT;
use crate::json::Position;

/// Record 0 has a field of record 1, and so on; the last one has a field of `end`.
fn chain(length: u32, end: Kind) -> AvroSchema {
    let node = |kind| Node { kind, logical: None, properties: Vec::new(), position: Position::default() };
    let mut nodes: Vec<Node> = (0..length)
        .map(|index| {
            let field = Field {
                name: "next".into(),
                aliases: Vec::new(),
                doc: None,
                schema: NodeId(index + 1),
                default: None,
                order: Order::Ascending,
                properties: Vec::new(),
                position: Position::default(),
            };
            node(Kind::Record(Box::new(Record {
                name: Name { namespace: None, name: format!("R{index}") },
                aliases: Vec::new(),
                doc: None,
                is_error: false,
                fields: vec![field],
            })))
        })
        .collect();
    nodes.push(node(end));
    AvroSchema { nodes, root: NodeId(0), references: Vec::new() }
}

#[test]
fn a_deep_graph_does_not_overflow_the_stack() {
    const DEPTH: u32 = 100_000;
    let (reader, writer) = (chain(DEPTH, Kind::Int), chain(DEPTH, Kind::String));

    let found = can_read(&reader, &writer, STEPS_DEFAULT).unwrap();

    assert_eq!(found.len(), 1);
    assert_eq!(found[0].path, "/fields/0/type".repeat(DEPTH as usize));
    assert_eq!(can_read(&reader, &chain(DEPTH, Kind::Int), STEPS_DEFAULT), Ok(Vec::new()));
}
