use std::any::Any;

use super::*;
use crate::error::ParseError;
use crate::schema::SchemaType;

/// What each comparison here takes.
const STEPS: u32 = 7;

/// A schema that reads what it is told to read.
#[derive(Debug)]
struct Scripted {
    text: String,
    reads: &'static [&'static str],
}

impl Scripted {
    fn new(text: &str, reads: &'static [&'static str]) -> Self {
        Self { text: text.to_owned(), reads }
    }
}

impl ParsedSchema for Scripted {
    fn schema_type(&self) -> SchemaType {
        SchemaType::Avro
    }

    fn canonical_text(&self) -> String {
        self.text.clone()
    }

    fn normalized_text(&self) -> Result<String, ParseError> {
        Ok(self.text.clone())
    }

    fn memory_bytes(&self) -> usize {
        size_of::<Self>()
    }

    fn can_read(&self, writer: &dyn ParsedSchema, steps_max: u32) -> Comparison {
        if steps_max < STEPS {
            return Comparison { answer: Err(NoAnswer::OutOfSteps), steps: steps_max };
        }
        let written = writer.canonical_text();
        let answer = match written.as_str() {
            "odd" => Err(NoAnswer::Ambiguous("cannot compare".to_owned())),
            text if self.reads.contains(&text) => Ok(Vec::new()),
            text => Ok(vec![problem(text)]),
        };
        Comparison { answer, steps: STEPS }
    }

    fn can_read_at_once(&self, writer: &dyn ParsedSchema, steps_max: u32) -> Option<Comparison> {
        Some(self.can_read(writer, steps_max))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

fn problem(name: &str) -> Incompatibility {
    Incompatibility {
        kind: "KIND",
        form: "{errorType:'%k', description:'%i at %p: %r, %w', additionalInfo:'%i'}",
        path: "/0".to_owned(),
        additional_info: name.to_owned(),
        hint: Hint { new_reads_old: "change the reader".to_owned(), old_reads_new: "change the writer".to_owned() },
    }
}

fn run_in(steps_max: u32, level: Level, new: &Scripted, newest_first: &[&Scripted]) -> Result<(), Failure> {
    let count = u32::try_from(newest_first.len()).unwrap();
    let earlier =
        newest_first.iter().zip(0..).map(|(&schema, index)| Earlier { version: Version(count - index), schema });
    check(level, new, earlier, steps_max)
}

fn run(level: Level, new: &Scripted, newest_first: &[&Scripted]) -> Result<(), Failure> {
    run_in(STEPS_DEFAULT, level, new, newest_first)
}

fn breach(outcome: Result<(), Failure>) -> Breach {
    match outcome {
        Err(Failure::Breach(breach)) => *breach,
        other => panic!("{other:?}"),
    }
}

fn messages(level: Level, new: &Scripted, newest_first: &[&Scripted]) -> Vec<String> {
    breach(run(level, new, newest_first)).messages
}

#[test]
fn levels_are_named_in_any_case_and_shown_in_upper_case() {
    for level in Level::ALL {
        assert_eq!(level.as_str().to_lowercase().parse(), Ok(level));
        assert_eq!(level.to_string().parse(), Ok(level));
    }
    for wrong in ["", " FULL", "FULLY", "BACKWARD-TRANSITIVE"] {
        assert_eq!(wrong.parse::<Level>(), Err(UnknownLevel(wrong.to_owned())));
    }
}

/// For each level: does it fail when the new schema does not read the latest, the latest does not read the new one,
/// the new schema does not read an older version, an older version does not read the new one?
#[test]
fn each_level_asks_for_its_versions_and_directions() {
    let table = [
        (Level::None, [false, false, false, false]),
        (Level::Backward, [true, false, false, false]),
        (Level::BackwardTransitive, [true, false, true, false]),
        (Level::Forward, [false, true, false, false]),
        (Level::ForwardTransitive, [false, true, false, true]),
        (Level::Full, [true, true, false, false]),
        (Level::FullTransitive, [true, true, true, true]),
    ];
    let reader = |reads| Scripted::new("new", reads);
    let scenarios = [
        (reader(&["v1"]), Scripted::new("v2", &["new"]), Scripted::new("v1", &["new"])),
        (reader(&["v1", "v2"]), Scripted::new("v2", &[]), Scripted::new("v1", &["new"])),
        (reader(&["v2"]), Scripted::new("v2", &["new"]), Scripted::new("v1", &["new"])),
        (reader(&["v1", "v2"]), Scripted::new("v2", &["new"]), Scripted::new("v1", &[])),
    ];

    for (level, fails) in table {
        for (index, (new, latest, first)) in scenarios.iter().enumerate() {
            assert_eq!(run(level, new, &[latest, first]).is_err(), fails[index], "{level} in scenario {index}");
        }
    }
}

#[test]
fn a_breach_is_told_in_confluents_words_and_then_repaired() {
    let new = Scripted::new("new", &[]);
    let old = Scripted::new("old", &[]);

    assert_eq!(
        messages(Level::Backward, &new, &[&old]),
        [
            "{errorType:'KIND', description:'old at /0: new, old', additionalInfo:'old'}",
            "{oldSchemaVersion: 1}",
            "{oldSchema: 'old'}",
            "{validateFields: 'false', compatibility: 'BACKWARD'}",
            "{hint: '/0: change the reader'}",
        ]
    );
    assert_eq!(
        messages(Level::FullTransitive, &new, &[&old]),
        [
            "{errorType:'KIND', description:'new at /0: old, new', additionalInfo:'new'}",
            "{errorType:'KIND', description:'old at /0: new, old', additionalInfo:'old'}",
            "{oldSchemaVersion: 1}",
            "{oldSchema: 'old'}",
            "{validateFields: 'false', compatibility: 'FULL_TRANSITIVE'}",
            "{hint: '/0: change the writer'}",
            "{hint: '/0: change the reader'}",
        ]
    );
}

#[test]
fn a_full_check_that_fails_forward_alone_does_not_show_the_old_schema() {
    let new = Scripted::new("new", &["old"]);
    let old = Scripted::new("old", &[]);

    assert_eq!(
        messages(Level::Full, &new, &[&old]),
        [
            "{errorType:'KIND', description:'new at /0: old, new', additionalInfo:'new'}",
            "{validateFields: 'false', compatibility: 'FULL'}",
            "{hint: '/0: change the writer'}",
        ]
    );
    assert_eq!(messages(Level::Forward, &new, &[&old])[1], "{oldSchemaVersion: 1}");
}

#[test]
fn the_newest_version_that_fails_is_reported_alone() {
    let new = Scripted::new("new", &["v3"]);
    let (v3, v2, v1) = (Scripted::new("v3", &[]), Scripted::new("v2", &[]), Scripted::new("v1", &[]));

    let breach = breach(run(Level::BackwardTransitive, &new, &[&v3, &v2, &v1]));

    assert_eq!(breach.version, Version(2));
    assert_eq!(breach.problems, [(Direction::NewReadsOld, problem("v2"))]);
    assert!(breach.messages.contains(&"{oldSchema: 'v2'}".to_owned()));
}

#[test]
fn a_comparison_that_cannot_be_made_is_a_breach() {
    let new = Scripted::new("new", &[]);
    let old = Scripted::new("odd", &[]);

    let expected = [
        "cannot compare",
        "{oldSchemaVersion: 1}",
        "{oldSchema: 'odd'}",
        "{validateFields: 'false', compatibility: 'BACKWARD'}",
    ];
    assert_eq!(messages(Level::Backward, &new, &[&old]), expected);
}

#[test]
fn nothing_to_compare_with_is_compatible() {
    for level in Level::ALL {
        assert_eq!(run_in(0, level, &Scripted::new("new", &[]), &[]), Ok(()));
    }
}

#[test]
fn a_check_ends_at_the_version_at_which_the_steps_run_out() {
    let new = Scripted::new("new", &["v1", "v2", "v3"]);
    let old = ["v3", "v2", "v1"].map(|text| Scripted::new(text, &["new"]));
    let newest_first = old.each_ref();
    let out_at = |version| Err(Failure::OutOfSteps { version: Version(version) });

    for (level, comparisons, outcome) in [
        (Level::None, 0, Ok(())),
        (Level::Backward, 0, out_at(3)),
        (Level::Backward, 1, Ok(())),
        (Level::Full, 1, out_at(3)),
        (Level::Full, 2, Ok(())),
        (Level::ForwardTransitive, 2, out_at(1)),
        (Level::ForwardTransitive, 3, Ok(())),
        (Level::FullTransitive, 3, out_at(2)),
        (Level::FullTransitive, 6, Ok(())),
    ] {
        let steps = comparisons * STEPS;
        assert_eq!(run_in(steps, level, &new, &newest_first), outcome, "{level} in {steps} steps");
        if outcome.is_ok() && steps > 0 {
            assert!(run_in(steps - 1, level, &new, &newest_first).is_err(), "{level} in {} steps", steps - 1);
        }
    }
}

#[test]
fn what_is_found_before_the_steps_run_out_is_a_breach() {
    let new = Scripted::new("new", &[]);
    let old = Scripted::new("old", &[]);

    let found = breach(run_in(STEPS, Level::Full, &new, &[&old]));

    assert_eq!(found.problems, [(Direction::OldReadsNew, problem("new"))]);
    assert_eq!(
        found.messages,
        [
            "{errorType:'KIND', description:'new at /0: old, new', additionalInfo:'new'}",
            "{oldSchemaVersion: 1}",
            "{oldSchema: 'old'}",
            "{validateFields: 'false', compatibility: 'FULL'}",
            "{hint: '/0: change the writer'}",
        ]
    );
}

#[test]
fn a_long_old_schema_is_cut_by_utf_16_units() {
    let just_fits = "a".repeat(10 * 1024);
    assert_eq!(message::old_schema(&just_fits), format!("{{oldSchema: '{just_fits}'}}"));
    assert_eq!(message::old_schema(&format!("{just_fits}b")), format!("{{oldSchema: <truncated> '{just_fits}...'}}"));

    let pairs = "😀".repeat(5 * 1024);
    assert_eq!(message::old_schema(&format!("{pairs}é")), format!("{{oldSchema: <truncated> '{pairs}...'}}"));
}

#[test]
fn percent_signs_in_names_stay() {
    let mut odd = problem("%r%d%");
    odd.path = "/%k".to_owned();

    assert_eq!(
        message::entry(&odd, Direction::NewReadsOld),
        "{errorType:'KIND', description:'%r%d% at /%k: new, old', additionalInfo:'%r%d%'}"
    );
}
