//! The races, one kind a function: who calls what on which node, and what must hold in the end.

use std::time::Instant;

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::super::nodes::{Answer, Node, record};
use super::World;
use super::history::{Call, Entry};

/// What is raced for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Schemas of which each may follow the base and none another.
    Incompatible,
    /// The level changes while schemas are registered.
    Levels,
    /// Versions are deleted while they are registered again.
    Deletes,
    /// A version is referred to while it is removed.
    References,
    /// One content for many subjects at once.
    Identical,
    /// Two contents for one id.
    Imports,
}

impl Kind {
    pub(super) const ALL: [Self; 6] =
        [Self::Incompatible, Self::Levels, Self::Deletes, Self::References, Self::Identical, Self::Imports];
}

/// Clients of a round that race for one subject, and subjects that race for one content.
const CLIENTS: usize = 6;

/// Runs one round; what is wrong goes to the world.
pub(super) async fn run(world: &World, round: usize, kind: Kind) {
    let entries = match kind {
        Kind::Incompatible => incompatible(world, round).await,
        Kind::Levels => levels(world, round).await,
        Kind::Deletes => deletes(world, round).await,
        Kind::References => references(world, round).await,
        Kind::Identical => identical(world, round).await,
        Kind::Imports => imports(world, round).await,
    };
    world.check(round, kind, &entries);
}

async fn incompatible(world: &World, round: usize) -> Vec<Entry> {
    let subject = format!("incompatible-{round}");
    let mut entries = begin(world, round, &subject).await;
    let highest = world.highest_id();
    let racers = (1..=CLIENTS).map(|number| register(world, round, &subject, number, number));
    let answers: Vec<(Entry, Answer)> = join_all(racers).await;

    for (_, answer) in answers.iter().filter(|(_, answer)| answer.is_ok() && answer.id() <= highest) {
        // I9: each content is new, and so is its id.
        world.violation(format!("I9: round {round}: id {} after {highest}", answer.id()));
    }
    let taken = answers.iter().filter(|(_, answer)| answer.is_ok()).count();
    if taken != 1 {
        world.violation(format!("round {round}: {taken} of {CLIENTS} incompatible schemas were taken"));
    }
    entries.extend(answers.into_iter().map(|(entry, _)| entry));
    versions_agree(world, round, &subject, &[1, 2]).await;
    entries
}

async fn levels(world: &World, round: usize) -> Vec<Entry> {
    let subject = format!("levels-{round}");
    let mut entries = begin(world, round, &subject).await;
    let flips = async {
        let mut entries = Vec::new();
        for (place, is_full) in [false, true, false, true].into_iter().enumerate() {
            entries.push(set_level(world, &subject, place, is_full).await);
        }
        entries
    };
    let racers = join_all((1..=CLIENTS).map(|number| register(world, round, &subject, number, number)));
    let (flipped, answers) = futures_util::future::join(flips, racers).await;

    let taken = answers.iter().filter(|(_, answer)| answer.is_ok()).count();
    entries.extend(flipped);
    entries.extend(answers.into_iter().map(|(entry, _)| entry));
    versions_agree(world, round, &subject, &(1..=taken + 1).collect::<Vec<_>>()).await;
    entries
}

async fn deletes(world: &World, round: usize) -> Vec<Entry> {
    let subject = format!("deletes-{round}");
    let mut entries = begin(world, round, &subject).await;
    let removals = join_all([1, 2, 1, 2].into_iter().enumerate().map(|(place, version)| {
        let (node, subject) = (&world.nodes[place % 2], &subject);
        async move {
            let path = format!("/subjects/{subject}/versions/{version}");
            timed(Call::Delete(version), node.call("DELETE", &path, None)).await.0
        }
    }));
    let racers = join_all([0, 1, 1, 0].into_iter().enumerate().map(|(place, schema)| {
        // Not read back: others delete meanwhile.
        register_unread(world, round, &subject, schema, place + 1)
    }));
    let (removed, answers) = futures_util::future::join(removals, racers).await;

    entries.extend(removed);
    entries.extend(answers.into_iter().map(|(entry, _)| entry));
    entries
}

/// I: a version that is referred to is there, and what refers to something that is gone was refused.
async fn references(world: &World, round: usize) -> Vec<Entry> {
    let (base, referrer) = (format!("base-{round}"), format!("referrer-{round}"));
    let name = format!("Base{round}");
    let target = world.nodes[round % 2].register(&base, &record(&name, &[])).await;
    let schema =
        json!({ "type": "record", "name": format!("Refers{round}"), "fields": [{ "name": "f", "type": name }] });
    let body = json!({
        "schema": schema.to_string(),
        "references": [{ "name": name, "subject": base, "version": 1 }],
    });
    let path = format!("/subjects/{referrer}/versions");
    let refer = world.nodes[0].call("POST", &path, Some(body));
    let remove = async {
        let soft = world.nodes[1].call("DELETE", &format!("/subjects/{base}/versions/1"), None).await.unwrap();
        let permanent = format!("/subjects/{base}/versions/1?permanent=true");
        (soft, world.nodes[1].call("DELETE", &permanent, None).await.unwrap())
    };
    let (referred, (soft, permanent)) = futures_util::future::join(refer, remove).await;
    let referred = referred.unwrap();

    let kept = world.nodes[1].get(&format!("/subjects/{base}/versions/1")).await;
    let consistent = match (referred.status, soft.status) {
        // The reference came first: neither delete may have gone through.
        (200, 422) => kept.is_ok() && permanent.status != 200,
        // The delete came first.
        (422, 200) => permanent.is_ok() && !kept.is_ok(),
        _ => false,
    };
    if !target.is_ok() || !consistent {
        world.violation(format!("references, round {round}: {referred:?} {soft:?} {permanent:?} {kept:?}"));
    }
    Vec::new()
}

/// I2: one id, whoever comes first.
async fn identical(world: &World, round: usize) -> Vec<Entry> {
    let schema = record(&format!("Identical{round}"), &[]);
    let calls = (0..CLIENTS).map(|client| {
        let (node, schema) = (&world.nodes[client % 2], &schema);
        async move { node.register(&format!("identical-{round}-{}", client / 2), schema).await }
    });
    for answer in join_all(calls).await {
        if answer.is_ok() && answer.body["version"].as_u64().is_none_or(|version| version == 1) {
            world.saw(answer.id(), &schema);
        } else {
            world.violation(format!("identical, round {round}: {answer:?}"));
        }
    }
    Vec::new()
}

/// An id that two contents want in IMPORT goes to one of them, on both nodes.
async fn imports(world: &World, round: usize) -> Vec<Entry> {
    let id = 1_000_000_000 + u64::try_from(round).unwrap_or_default();
    // A context of its own: its ids are not those of the other rounds.
    let subjects = [format!(":.imports{round}:a"), format!(":.imports{round}:b")];
    for subject in &subjects {
        let path = format!("/mode/{subject}");
        let answer = world.nodes[0].call("PUT", &path, Some(json!({ "mode": "IMPORT" }))).await.unwrap();
        if !answer.is_ok() {
            world.violation(format!("imports, round {round}: {answer:?}"));
        }
    }
    let calls = (0..CLIENTS).map(|client| {
        let (node, subject) = (&world.nodes[client % 2], &subjects[client % 2]);
        let schema = record(&format!("Import{round}x{}", client % 2), &[]);
        async move {
            let body = json!({ "schema": schema.to_string(), "id": id, "version": client / 2 + 1 });
            let answer = node.call("POST", &format!("/subjects/{subject}/versions"), Some(body)).await.unwrap();
            (client % 2, answer)
        }
    });
    let answers: Vec<(usize, Answer)> = join_all(calls).await;

    let winners = |own: usize| answers.iter().filter(|(side, answer)| *side == own && answer.is_ok()).count();
    let refused = answers.iter().filter(|(_, answer)| answer.status == 422 && answer.code() == 42205).count();
    let is_split = (winners(0) > 0) != (winners(1) > 0);
    if !is_split || winners(0) + winners(1) + refused != CLIENTS {
        world.violation(format!("imports, round {round}: {answers:?}"));
    }
    Vec::new()
}

/// The base, under FULL.
async fn begin(world: &World, round: usize, subject: &str) -> Vec<Entry> {
    let level = set_level(world, subject, round, true).await;
    let base = register(world, round, subject, 0, round).await;
    vec![level, base.0]
}

async fn set_level(world: &World, subject: &str, place: usize, is_full: bool) -> Entry {
    let level = if is_full { "FULL" } else { "NONE" };
    let body = json!({ "compatibility": level });
    let path = format!("/config/{subject}");
    timed(Call::SetFull(is_full), world.nodes[place % 2].call("PUT", &path, Some(body))).await.0
}

/// Registers on one node; what is acknowledged is then read from the other (I5).
async fn register(world: &World, round: usize, subject: &str, schema: usize, place: usize) -> (Entry, Answer) {
    let (entry, answer) = register_unread(world, round, subject, schema, place).await;
    if answer.is_ok() {
        let other = &world.nodes[(place + 1) % 2];
        reads_back(world, other, subject, &candidate(round, schema), &answer).await;
    }
    (entry, answer)
}

async fn register_unread(world: &World, round: usize, subject: &str, schema: usize, place: usize) -> (Entry, Answer) {
    let text = candidate(round, schema);
    let call = world.nodes[place % 2].try_register(subject, &text);
    let (entry, answer) = timed(Call::Register(schema), call).await;
    if answer.is_ok() {
        world.saw(answer.id(), &text);
    }
    (entry, answer)
}

async fn timed(call: Call, answer: impl Future<Output = anyhow::Result<Answer>>) -> (Entry, Answer) {
    let started = Instant::now();
    let answer = answer.await.unwrap();
    (Entry { call, status: answer.status, started, ended: Instant::now() }, answer)
}

/// I5: the id and the version are there, with this content.
async fn reads_back(world: &World, node: &Node, subject: &str, schema: &Value, registered: &Answer) {
    let by_id = node.get(&format!("/schemas/ids/{}", registered.id())).await;
    let text = by_id.body["schema"].as_str().unwrap_or_default();
    if serde_json::from_str::<Value>(text).ok().as_ref() != Some(schema) {
        world.violation(format!("I5: {subject}: {registered:?} then {by_id:?}"));
    }
    let uses = node.get(&format!("/schemas/ids/{}/versions", registered.id())).await;
    let is_used = uses.body.as_array().is_some_and(|uses| uses.iter().any(|one| one["subject"] == subject));
    if !is_used {
        world.violation(format!("I5: {subject} is not among the uses of its id: {uses:?}"));
    }
}

/// I3: both nodes tell the same versions, and these.
async fn versions_agree(world: &World, round: usize, subject: &str, expected: &[usize]) {
    for node in &world.nodes {
        let answer = node.get(&format!("/subjects/{subject}/versions")).await;
        if answer.body != json!(expected) {
            world.violation(format!("I3: round {round}: {expected:?} expected, {answer:?} found"));
        }
    }
}

/// Schema `number` of a round. 0 is the base; the others add a field of one name, each of another type.
fn candidate(round: usize, number: usize) -> Value {
    let of = match number {
        1 => json!("boolean"),
        2 => json!("int"),
        3 => json!("string"),
        4 => json!({ "type": "array", "items": "int" }),
        5 => json!({ "type": "map", "values": "int" }),
        _ => json!({ "type": "fixed", "name": "Four", "size": 4 }),
    };
    let name = format!("Race{round}");
    let base = ("a", json!("int"));
    if number == 0 { record(&name, &[base]) } else { record(&name, &[base, ("x", of)]) }
}
