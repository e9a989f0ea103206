//! Two registries, one database, clients on both at once: whatever they race for, it is as if all had come one by one.
//!
//! Each round has subjects of its own and one kind of race, written down as a [`script`]. After the race both nodes are
//! asked for all that was acknowledged, and a search looks for an order of the calls that explains every answer
//! ([`history`]). In some rounds a [`nemesis`] kills a node, or freezes it.
//!
//! What must hold, by the names that violations begin with:
//!
//! | | |
//! |---|---|
//! | I1 | an id stands for one content in its context, for ever |
//! | I2 | a content has one id in its context, until its last version is removed; imports choose their ids |
//! | I3 | versions are unique, their contents do not change, their numbers have no gap but for removed ones, and marked ones registered again |
//! | I4 | another judge of compatibility takes and refuses what was taken and refused, at the level then in force |
//! | I5 | what is acknowledged is seen by every later read on either node; what was removed, by none after 5 s |
//! | I6 | every answer, a refusal, too, is that of a registry of one node at one moment of the call |
//! | I7 | a call without an answer took effect once or never |
//! | I8 | a node answers everything, and nothing with 408 or a status from 500 on, unless nodes are killed or frozen |
//! | I9 | ids are in the order of their commits: whoever comes after an id was told gets a higher one |
//!
//! The search ([`history`]) finds breaches of I6, of I7, of I3's numbers and of I5's lists. It reports them as I7 in a
//! round with calls that had no answer, and else as I6. [`world`] finds those of I1, I2, I3 and I9, [`oracle`] of I4,
//! [`script`] of I1, I3, I5 and I8. [`tally`] counts what was judged by each.

mod contexts;
mod growing;
mod history;
mod identical;
mod imports;
mod nemesis;
mod oracle;
mod reborn;
mod references;
mod script;
mod settings;
mod subject;
mod tally;
mod world;

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use futures_util::future::join_all;
use tokio::sync::Barrier;

use super::nodes::start_together;
use nemesis::{Fault, Strike};
use references::By;
use script::{Batch, play};
use settings::At;
use tally::Rule;
use world::World;

/// How many rounds: quick, and with `SR_LONG`.
type Rounds = (usize, usize);

/// Rounds of all kinds.
const ROUNDS: Rounds = (320, 20_000);

/// Rounds of mutually incompatible candidates alone.
const INCOMPATIBLE_ROUNDS: Rounds = (200, 4_000);

/// Rounds of removals alone: a read of what another node is removing is a matter of luck, about one in a hundred.
const REMOVAL_ROUNDS: Rounds = (400, 8_000);

/// Rounds of imports alone that refer to what is removed.
const IMPORTED_REFERENCE_ROUNDS: Rounds = (200, 8_000);

/// Rounds of references alone to what grows.
const GROWING_ROUNDS: Rounds = (40, 1_000);

/// Rounds alone of what goes and comes again.
const REBORN_ROUNDS: Rounds = (120, 4_000);

/// Rounds of settings alone, of a context and of all contexts.
const SETTING_ROUNDS: Rounds = (100, 4_000);

/// Rounds that run side by side, each with clients of its own on both nodes.
const AT_ONCE: usize = 4;

/// What is raced for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    Incompatible,
    Levels,
    Deletes,
    Removals,
    /// References to a version that is removed.
    References,
    /// The same, from another context.
    ReferencesElsewhere,
    /// References, from another context, to a subject that is removed.
    ReferencesToSubject,
    /// References, from another context, to one that is set to IMPORT and purged.
    ReferencesToContext,
    /// References of imports to what is marked, and removed.
    ImportedReferences(By),
    Identical,
    Imports,
    /// Settings of a context.
    Settings,
    /// The end of a context.
    Contexts,
    /// Settings of all contexts, which no other round may run beside.
    GlobalSettings,
    /// References to a version beside which others come.
    ReferencesToGrowing,
    /// A version that goes and comes again with what it refers to.
    Reborn,
}

impl Kind {
    /// Those that leave each other alone, and are short enough for calls without an answer, which the search tries at
    /// every place.
    const ALL: [Self; 16] = [
        Self::Incompatible,
        Self::Levels,
        Self::Deletes,
        Self::Removals,
        Self::References,
        Self::Identical,
        Self::Imports,
        Self::Settings,
        Self::ReferencesElsewhere,
        Self::ReferencesToSubject,
        Self::ReferencesToContext,
        Self::Contexts,
        Self::ImportedReferences(By::VersionInContext),
        Self::ImportedReferences(By::VersionElsewhere),
        Self::ImportedReferences(By::Subject),
        Self::ImportedReferences(By::Mode),
    ];

    async fn play(self, world: &World, batch: &Batch, round: usize) {
        match self {
            Self::Incompatible => play(world, batch, round, subject::incompatible()).await,
            Self::Levels => play(world, batch, round, subject::levels()).await,
            Self::Deletes => play(world, batch, round, subject::deletes()).await,
            Self::Removals => play(world, batch, round, subject::removals()).await,
            Self::References => play(world, batch, round, references::references(By::Version)).await,
            Self::ReferencesElsewhere => {
                play(world, batch, round, references::references(By::VersionElsewhere)).await;
            }
            Self::ReferencesToSubject => play(world, batch, round, references::references(By::Subject)).await,
            Self::ReferencesToContext => play(world, batch, round, references::references(By::Mode)).await,
            Self::ImportedReferences(by) => {
                play(world, batch, round, references::imported_references(by, round)).await;
            }
            Self::Identical => play(world, batch, round, identical::identical()).await,
            Self::Imports => play(world, batch, round, imports::imports()).await,
            Self::Contexts => play(world, batch, round, contexts::contexts()).await,
            Self::Settings => play(world, batch, round, settings::settings(At::Context)).await,
            Self::GlobalSettings => play(world, batch, round, settings::settings(At::All)).await,
            Self::ReferencesToGrowing => play(world, batch, round, growing::growing()).await,
            Self::Reborn => play(world, batch, round, reborn::reborn()).await,
        }
    }
}

/// What to run.
struct Plan {
    rounds: Rounds,
    /// Rounds side by side.
    at_once: usize,
    kinds: &'static [Kind],
    /// A fault that is planted in both nodes.
    mutant: Option<&'static str>,
    /// Whether nodes fail in some rounds.
    has_nemesis: bool,
}

/// What came of a plan.
struct Outcome {
    violations: Vec<String>,
    /// Rules that nothing was judged by.
    unjudged: Vec<Rule>,
    /// What raced while what was done to which node.
    strikes: HashSet<(Kind, Fault, usize)>,
}

/// Runs rounds on two nodes until all are done or one has shown a violation.
fn run(plan: &Plan) -> Outcome {
    let variables: Vec<(&str, &str)> = plan.mutant.iter().map(|mutant| ("SCHEMA_REGISTRY_MUTANT", *mutant)).collect();
    let registries = start_together(2, &variables).unwrap();
    let world = World::new(registries.iter().map(|registry| registry.url().to_owned()));
    let registries: Vec<_> = registries.into_iter().map(|registry| Arc::new(Mutex::new(registry))).collect();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let planned = if std::env::var_os("SR_LONG").is_some() { plan.rounds.1 } else { plan.rounds.0 };
    let (mut done, mut struck, mut strikes) = (0, 0, HashSet::new());
    while done < planned && world.is_well() {
        let count = plan.at_once.min(planned - done);
        let strike = Strike::of(done / plan.at_once).filter(|_| plan.has_nemesis && count == plan.at_once);
        let members = count + usize::from(strike.is_some());
        let batch = Batch { is_struck: strike.is_some(), gate: Barrier::new(members) };
        let kind = |round: usize| plan.kinds[round % plan.kinds.len()];
        let rounds = (done..done + count).map(|round| kind(round).play(&world, &batch, round));
        let nemesis = async {
            if let Some(strike) = strike {
                batch.gate.wait().await;
                strike.strike(&world, &registries).await;
                batch.gate.wait().await;
            }
        };
        runtime.block_on(futures_util::future::join(join_all(rounds), nemesis));
        if let Some(strike) = strike {
            struck += 1;
            strikes.extend((done..done + count).map(|round| (kind(round), strike.fault, strike.place)));
        }
        done += count;
    }

    let known = world.end();
    let (ids, mut tally) = (known.ids(), known.tally);
    if tally.violations.is_empty() {
        let refuted = oracle::refuted(&known.judgements).unwrap();
        tally.held(Rule::I4, known.judgements.len() - refuted.len());
        refuted.into_iter().for_each(|judgement| tally.judge(Rule::I4, false, || judgement));
    }
    println!(
        "races: {done} rounds, {struck} strikes, {} calls, {} of them without an answer, longest history {}, {ids} ids, \
         mutant {:?}; violations: {tally}",
        known.calls, known.unknown, known.longest_history, plan.mutant
    );
    Outcome { unjudged: tally.unjudged(), violations: tally.violations, strikes }
}

#[test]
fn every_race_is_as_if_all_had_come_one_by_one() {
    let plan = Plan { rounds: ROUNDS, at_once: AT_ONCE, kinds: &Kind::ALL, mutant: None, has_nemesis: true };
    let Outcome { violations, unjudged, strikes } = run(&plan);

    assert!(violations.is_empty(), "{}", violations.join("\n"));
    assert_eq!(unjudged, []);
    for (kind, fault) in Kind::ALL.into_iter().flat_map(|kind| Fault::ALL.map(|fault| (kind, fault))) {
        let has_met = strikes.iter().any(|&(struck, by, _)| (struck, by) == (kind, fault));
        assert!(has_met, "{kind:?} has not met {fault:?}");
    }
    for (kind, place) in Kind::ALL.into_iter().flat_map(|kind| [0, 1].map(|place| (kind, place))) {
        let has_met = strikes.iter().any(|&(struck, _, at)| (struck, at) == (kind, place));
        assert!(has_met, "{kind:?} has met no fault at place {place}");
    }
}

const INCOMPATIBLE: Plan = Plan {
    rounds: INCOMPATIBLE_ROUNDS,
    at_once: AT_ONCE,
    kinds: &[Kind::Incompatible],
    mutant: None,
    has_nemesis: false,
};

#[test]
fn of_mutually_incompatible_schemas_exactly_one_is_taken() {
    let violations = run(&INCOMPATIBLE).violations;

    assert!(violations.is_empty(), "{}", violations.join("\n"));
}

#[test]
fn what_is_removed_while_it_is_looked_at_fails_no_call() {
    let violations = run(&Plan { rounds: REMOVAL_ROUNDS, kinds: &[Kind::Removals], ..INCOMPATIBLE }).violations;

    assert!(violations.is_empty(), "{}", violations.join("\n"));
}

/// Not `VersionInContext`: an import locks its whole context, so that nothing races there.
const REFERENCES_ACROSS: [Kind; 3] = [
    Kind::ImportedReferences(By::VersionElsewhere),
    Kind::ImportedReferences(By::Subject),
    Kind::ImportedReferences(By::Mode),
];

#[test]
fn what_is_soft_deleted_is_removed_or_imports_refer_to_it() {
    let plan = Plan { rounds: IMPORTED_REFERENCE_ROUNDS, kinds: &REFERENCES_ACROSS, ..INCOMPATIBLE };
    let violations = run(&plan).violations;

    assert!(violations.is_empty(), "{}", violations.join("\n"));
}

#[test]
fn versions_that_come_beside_one_keep_nobody_from_referring_to_it() {
    let violations =
        run(&Plan { rounds: GROWING_ROUNDS, kinds: &[Kind::ReferencesToGrowing], ..INCOMPATIBLE }).violations;

    assert!(violations.is_empty(), "{}", violations.join("\n"));
}

#[test]
fn what_is_told_of_a_version_was_there_with_what_it_refers_to() {
    let violations = run(&Plan { rounds: REBORN_ROUNDS, kinds: &[Kind::Reborn], ..INCOMPATIBLE }).violations;

    assert!(violations.is_empty(), "{}", violations.join("\n"));
}

#[test]
fn a_setting_of_its_context_counts_for_every_register_from_its_answer_on() {
    let violations = run(&Plan { rounds: SETTING_ROUNDS, kinds: &[Kind::Settings], ..INCOMPATIBLE }).violations;

    assert!(violations.is_empty(), "{}", violations.join("\n"));
}

#[test]
fn a_setting_of_all_contexts_counts_for_every_register_from_its_answer_on() {
    let violations =
        run(&Plan { rounds: SETTING_ROUNDS, at_once: 1, kinds: &[Kind::GlobalSettings], ..INCOMPATIBLE }).violations;

    assert!(violations.is_empty(), "{}", violations.join("\n"));
}

#[test]
fn a_check_outside_the_lock_is_found() {
    for mutant in ["check-outside-the-lock", "check-outside-the-lock-in-steps"] {
        let violations = run(&Plan { mutant: Some(mutant), ..INCOMPATIBLE }).violations;

        assert!(violations.iter().any(|violation| violation.starts_with("I6:")), "{mutant}: {violations:#?}");
    }
}

#[test]
fn a_number_taken_without_the_lock_is_found() {
    for mutant in ["number-without-the-lock", "number-without-the-lock-in-steps"] {
        // In each of many subjects the first version comes from both nodes.
        let plan = Plan { kinds: &[Kind::Identical], mutant: Some(mutant), ..INCOMPATIBLE };
        let violations = run(&plan).violations;

        // The tables refuse a number that another has, and rows that are taken in any order are a deadlock: who comes
        // second is told that the store failed. Or both nodes give a content an id before either sees the other's.
        let is_of_it = |violation: &String| ["I2:", "I8:"].iter().any(|rule| violation.starts_with(rule));
        assert!(violations.iter().any(is_of_it), "{mutant}: {violations:#?}");
    }
}

#[test]
fn a_reference_without_the_lock_is_found() {
    let mutant = Some("reference-without-the-lock");
    let plan = Plan { rounds: REMOVAL_ROUNDS, kinds: &REFERENCES_ACROSS, mutant, ..INCOMPATIBLE };
    let violations = run(&plan).violations;

    // The tables refuse a reference to what is gone, and the end of what is referred to: either is told that the store
    // failed.
    assert!(violations.iter().any(|violation| violation.starts_with("I8:")), "{violations:#?}");
}

#[test]
fn a_removal_that_no_cache_is_told_of_is_found() {
    let kinds = &[Kind::References, Kind::Contexts];
    let violations = run(&Plan { kinds, mutant: Some("untold-uses"), ..INCOMPATIBLE }).violations;

    let is_of_it = |violation: &String| violation.starts_with("I5:") && violation.contains("was removed, and");
    assert!(violations.iter().any(is_of_it), "{violations:#?}");
}

#[test]
fn a_write_without_the_lock_is_found_that_shares_its_transaction_with_no_other() {
    // A number that another has sends it the way of those that share. What is deleted meanwhile does not.
    let kinds = &[Kind::Deletes, Kind::Removals];
    let plan = Plan { rounds: REMOVAL_ROUNDS, at_once: 1, kinds, mutant: Some("lone-write-unlocked"), ..INCOMPATIBLE };

    assert!(!run(&plan).violations.is_empty());
}
