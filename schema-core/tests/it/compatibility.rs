//! Avro compatibility against a table of reader/writer pairs, and on schemas made to be hard.
//!
//! Each line of `testdata/avro-compatibility.jsonl` is one pair with the whole list of problems, `[kind, path,
//! additional info]` each, or `"unexpected": true` where the comparison itself is refused. The lists are what Java's
//! `SchemaCompatibility` of Avro 1.12.1 answers.

use std::collections::HashMap;
use std::fmt::Write as _;

use schema_core::compatibility::{
    Checked, Direction, Earlier, Failure, NoAnswer, STEPS_DEFAULT, TakesLong, check, check_one, check_one_at_once,
};
use schema_core::format::avro::AvroSchema;
use schema_core::format::avro::compatibility::{can_read, can_read_at_once};
use schema_core::format::{Limits, Strictness};
use schema_core::schema::{SchemaType, Source, Version};
use schema_core::{Incompatibility, Level};
use serde::Deserialize;
use serde_json::value::RawValue;

const TABLE: &str = include_str!("../../testdata/avro-compatibility.jsonl");

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case<'a> {
    case: String,
    #[serde(borrow)]
    reader: &'a RawValue,
    #[serde(borrow)]
    writer: &'a RawValue,
    problems: Option<Vec<(String, String, String)>>,
    #[serde(default)]
    unexpected: bool,
}

fn cases() -> Vec<Case<'static>> {
    TABLE.lines().map(|line| serde_json::from_str(line).expect("a line is a case")).collect()
}

fn parse(text: &str) -> AvroSchema {
    let source = Source { schema_type: SchemaType::Avro, text: text.to_owned(), references: Vec::new() };
    AvroSchema::parse(&source, Strictness::Stored, &Limits::default()).expect("the schemas here are good")
}

fn problems(reader: &str, writer: &str) -> Vec<Incompatibility> {
    can_read(&parse(reader), &parse(writer), STEPS_DEFAULT).expect("these can be compared")
}

#[test]
fn every_pair_of_the_table_gives_its_whole_list() {
    let mut wrong = String::new();
    for case in cases() {
        let answer = can_read(&parse(case.reader.get()), &parse(case.writer.get()), STEPS_DEFAULT);
        match (answer, case.problems) {
            (Ok(found), Some(expected)) => {
                let found: Vec<_> = found
                    .into_iter()
                    .map(|problem| (problem.kind.to_owned(), problem.path, problem.additional_info))
                    .collect();
                if found != expected {
                    writeln!(wrong, "{}: expected {expected:?}, found {found:?}", case.case).unwrap();
                }
            }
            (Err(NoAnswer::Ambiguous(reason)), None) if case.unexpected => {
                assert!(reason.starts_with("Unexpected exception during compatibility check: "), "{reason}");
            }
            (answer, _) => writeln!(wrong, "{}: {answer:?}", case.case).unwrap(),
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn the_table_is_wide() {
    let cases = cases();
    let mut kinds: HashMap<&str, usize> = HashMap::new();
    for (kind, _, _) in cases.iter().filter_map(|case| case.problems.as_ref()).flatten() {
        *kinds.entry(kind).or_default() += 1;
    }

    assert!(cases.len() >= 150, "{} cases", cases.len());
    let every_kind = [
        "NAME_MISMATCH",
        "FIXED_SIZE_MISMATCH",
        "MISSING_ENUM_SYMBOLS",
        "READER_FIELD_MISSING_DEFAULT_VALUE",
        "TYPE_MISMATCH",
        "MISSING_UNION_BRANCH",
    ];
    for kind in every_kind {
        assert!(kinds.get(kind).is_some_and(|&count| count >= 2), "{kind}: {:?}", kinds.get(kind));
    }
    let primitives = ["null", "boolean", "int", "long", "float", "double", "bytes", "string"];
    for reader in primitives {
        for writer in primitives {
            let name = format!("{reader} reads {writer}");
            assert!(cases.iter().any(|case| case.case == name), "{name}");
        }
    }
}

#[test]
fn every_problem_comes_with_a_hint_for_either_direction() {
    for case in cases().iter().filter(|case| !case.unexpected) {
        for problem in problems(case.reader.get(), case.writer.get()) {
            for direction in [Direction::NewReadsOld, Direction::OldReadsNew] {
                let hint = problem.hint.toward(direction);
                assert!(!hint.is_empty() && !hint.contains(['\n', '\'']), "{}: {hint}", case.case);
            }
        }
    }
}

/// What a person reads who got it wrong: (old, new, hint when new reads old, hint when old reads new).
#[test]
fn hints_say_how_to_repair() {
    let record = |fields: &str| format!(r#"{{"type":"record","name":"R","fields":[{fields}]}}"#);
    let a = record(r#"{"name":"a","type":"int"}"#);
    let b = record(r#"{"name":"b","type":"int"}"#);
    let ab = record(r#"{"name":"a","type":"int"},{"name":"b","type":["null","string"]}"#);
    let cases = [
        (a.clone(), ab.clone(), "give field `b` the default `null`, or leave it out of the new schema", ""),
        (ab, a.clone(), "", "keep field `b` in the new schema: the old schema has no default for it"),
        (
            a.clone(),
            b,
            "if `b` is the old field `a` renamed, add `\"aliases\": [\"a\"]` to it; if not, give it a default, or leave it \
             out of the new schema",
            "keep the name `a` in the new schema if `b` took its place, else keep the field: the old schema has no default \
             for it",
        ),
        (
            r#""int""#.to_owned(),
            r#""string""#.to_owned(),
            "the old schema wrote `int` here: keep it, widen it to `long`, `float` or `double`, or use a union with a \
             branch for it",
            "the old schema reads `int` here: keep it",
        ),
        (
            r#"["null","int"]"#.to_owned(),
            r#"["null","string"]"#.to_owned(),
            "keep a branch that reads `int` in the union of the new schema",
            "leave `string` out of the new schema here: the old union has no branch for it",
        ),
        (
            format!(r#"["null",{a}]"#),
            format!(r#"["null",{}]"#, record(r#"{"name":"a","type":"string"}"#)),
            "record `R` is in both, but differs at `/fields/0/type` inside it: the old schema wrote `int` here: keep it, \
             widen it to `long`, `float` or `double`, or use a union with a branch for it",
            "record `R` is in both, but differs at `/fields/0/type` inside it: the old schema reads `int` here: keep it",
        ),
        (
            r#"{"type":"enum","name":"n.E","symbols":["A","B"]}"#.to_owned(),
            r#"{"type":"enum","name":"n.E","symbols":["A","C"]}"#.to_owned(),
            "keep `B` in the new enum, or give the enum a `default` symbol",
            "leave `C` out of the new enum: the old enum has no `default` for symbols it does not know",
        ),
        (
            r#"{"type":"fixed","name":"n.F","size":4}"#.to_owned(),
            r#"{"type":"fixed","name":"n.F","size":8}"#.to_owned(),
            "keep the size of 4 bytes, or add a field of another fixed beside it",
            "keep the size of 4 bytes, or add a field of another fixed beside it",
        ),
        (
            r#"{"type":"fixed","name":"n.F","size":4}"#.to_owned(),
            r#"{"type":"fixed","name":"n.G","size":4}"#.to_owned(),
            "name it `n.F` again, or add `\"aliases\": [\"n.F\"]` to it",
            "keep the name `n.F`: aliases in the new schema do not help the old one",
        ),
        (
            r#"{"type":"fixed","name":"F","size":4}"#.to_owned(),
            r#"{"type":"fixed","name":"n.G","size":4}"#.to_owned(),
            "name it `F` again, or add `\"aliases\": [\".F\"]` to it",
            "keep the name `F`: aliases in the new schema do not help the old one",
        ),
        (
            r#"["null",{"type":"fixed","name":"F","size":4}]"#.to_owned(),
            r#"["null",{"type":"fixed","name":"n.G","size":4}]"#.to_owned(),
            "if fixed `n.G` is fixed `F` renamed, add `\"aliases\": [\".F\"]` to it; if not, keep a branch that reads fixed \
             `F` in the union of the new schema",
            "leave fixed `n.G` out of the new schema here: the old union has no branch for it",
        ),
    ];

    for (old, new, backward, forward) in cases {
        let first = |found: Vec<Incompatibility>, direction| {
            found.first().map(|problem| problem.hint.toward(direction).to_owned()).unwrap_or_default()
        };
        assert_eq!(first(problems(&new, &old), Direction::NewReadsOld), backward, "{old} -> {new}");
        assert_eq!(first(problems(&old, &new), Direction::OldReadsNew), forward, "{old} -> {new}");
    }
}

#[test]
fn an_alias_that_a_hint_proposes_is_one_that_helps() {
    let old = r#"{"type":"fixed","name":"F","size":4}"#;
    let with = |aliases: &str| format!(r#"{{"type":"fixed","name":"n.G","size":4,"aliases":[{aliases}]}}"#);

    assert!(!problems(&with(r#""F""#), old).is_empty(), "it is `n.F`");
    assert!(problems(&with(r#"".F""#), old).is_empty());
}

#[test]
fn a_check_answers_in_confluents_words_with_our_hints_behind() {
    let old = parse(r#"{"type":"record","name":"R","fields":[{"name":"a","type":"int"}]}"#);
    let new = parse(r#"{"type":"record","name":"R","fields":[{"name":"b","type":"int"}]}"#);

    let checked = check(Level::Full, &new, [Earlier { version: Version(1), schema: &old }], STEPS_DEFAULT);

    let Err(Failure::Breach(breach)) = checked else { panic!("{checked:?}") };
    assert_eq!(
        breach.messages,
        [
            "{errorType:'READER_FIELD_MISSING_DEFAULT_VALUE', description:'The field 'a' at path '/fields/0' in the old \
             schema has no default value and is missing in the new schema', additionalInfo:'a'}",
            "{errorType:'READER_FIELD_MISSING_DEFAULT_VALUE', description:'The field 'b' at path '/fields/0' in the new \
             schema has no default value and is missing in the old schema', additionalInfo:'b'}",
            "{oldSchemaVersion: 1}",
            "{oldSchema: '{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"a\",\"type\":\"int\"}]}'}",
            "{validateFields: 'false', compatibility: 'FULL'}",
            "{hint: '/fields/0: keep the name `a` in the new schema if `b` took its place, else keep the field: the old \
             schema has no default for it'}",
            "{hint: '/fields/0: if `b` is the old field `a` renamed, add `\"aliases\": [\"a\"]` to it; if not, give it a \
             default, or leave it out of the new schema'}",
        ]
    );
}

/// Each level against two versions: version 2 gained an optional field, version 1 has a field that the others lack.
#[test]
fn every_level_holds_its_promise_on_real_schemas() {
    let record = |fields: &[&str]| parse(&format!(r#"{{"type":"record","name":"R","fields":[{}]}}"#, fields.join(",")));
    let a = r#"{"name":"a","type":"int"}"#;
    let optional = r#"{"name":"o","type":["null","int"],"default":null}"#;
    let required = r#"{"name":"r","type":"int"}"#;
    let versions = [record(&[a, optional]), record(&[a, required])];
    let earlier = || (1..).zip(versions.iter().rev()).map(|(n, schema)| Earlier { version: Version(n), schema });
    let newest_first = || earlier().collect::<Vec<_>>().into_iter().rev();

    // What the new schema has, and the levels under which it is refused.
    let table: [(&[&str], &[Level]); 3] = [
        (&[a], &[Level::ForwardTransitive, Level::FullTransitive]),
        (&[a, required], &[Level::Backward, Level::BackwardTransitive, Level::Full, Level::FullTransitive]),
        (&[optional], &[Level::Forward, Level::ForwardTransitive, Level::Full, Level::FullTransitive]),
    ];
    for (fields, refused) in table {
        for level in Level::ALL {
            let verdict = check(level, &record(fields), newest_first(), STEPS_DEFAULT);
            assert_eq!(verdict.is_err(), refused.contains(&level), "{level} {fields:?}: {verdict:?}");
        }
    }
}

/// Records in each other, each with the one inside in two fields; the innermost is `end`.
fn doubling(levels: usize, end: &str) -> AvroSchema {
    let text = (0..levels).fold(format!("\"{end}\""), |inner, level| {
        let again = if level == 0 { inner.clone() } else { format!("\"R{}\"", level - 1) };
        format!(
            r#"{{"type":"record","name":"R{level}","fields":[{{"name":"a","type":{inner}}},{{"name":"b","type":{again}}}]}}"#
        )
    });
    parse(&text)
}

#[test]
fn repeated_pairs_that_double_at_each_level_use_up_the_steps() {
    const STEPS: u32 = 1_000_000;

    let (ints, strings) = (doubling(40, "int"), doubling(40, "string"));

    assert_eq!(can_read(&ints, &strings, STEPS), Err(NoAnswer::OutOfSteps));
    assert_eq!(can_read(&ints, &ints, STEPS), Ok(Vec::new()));
}

#[test]
fn a_comparison_has_its_answer_in_the_steps_that_it_takes_and_none_in_one_less() {
    let (new, other) = (doubling(10, "int"), doubling(10, "string"));
    for (old, level) in [(&new, Level::Backward), (&new, Level::Full), (&other, Level::Forward)] {
        let check = |steps_max| check_one(level, &new, Earlier { version: Version(4), schema: old }, steps_max);
        let all = check(STEPS_DEFAULT);

        let (enough, less) = (check(all.steps), check(all.steps - 1));

        assert_eq!(enough, all, "{level}");
        assert_eq!(less.outcome, Err(Failure::OutOfSteps { version: Version(4) }), "{level}");
        assert!(less.steps < all.steps, "{level}: {} of {}", less.steps, all.steps);
    }
}

#[test]
fn a_comparison_at_once_tells_that_its_steps_do_not_suffice() {
    let (reader, writer) = (doubling(40, "int"), doubling(40, "string"));
    let earlier = Earlier { version: Version(1), schema: &writer };
    let at_once = |steps_max| check_one_at_once(Level::Backward, &reader, earlier, steps_max);

    let Ok(Checked { outcome, .. }) = at_once(1_000) else { panic!("1000 steps are made at once") };

    assert_eq!(outcome, Err(Failure::OutOfSteps { version: Version(1) }));
    assert_eq!(at_once(1_000_000), Err(TakesLong));
}

#[test]
fn a_comparison_at_once_has_the_same_answer_or_none() {
    for (levels, end) in [(40, "int"), (3, "string"), (9, "string")] {
        let (reader, writer) = (doubling(levels, "int"), doubling(levels, end));
        let (at_once, at_leisure) =
            (can_read_at_once(&reader, &writer, STEPS_DEFAULT), can_read(&reader, &writer, STEPS_DEFAULT));
        assert_eq!(at_once, Some(at_leisure), "{levels} {end}");
    }
    // Beyond the first bound it finds too many problems, beyond the second it takes too many steps.
    for levels in [10, 20, 40] {
        let at_once = can_read_at_once(&doubling(levels, "int"), &doubling(levels, "string"), STEPS_DEFAULT);
        assert_eq!(at_once, None, "{levels}");
    }
    let (reader, writer) = (doubling(40, "int"), doubling(40, "string"));
    let check_at_once =
        |level, schema| check_one_at_once(level, &reader, Earlier { version: Version(1), schema }, STEPS_DEFAULT);
    assert_eq!(check_at_once(Level::Backward, &writer), Err(TakesLong));
    let one_way = check_at_once(Level::Backward, &reader).unwrap();
    let both_ways = check_at_once(Level::Full, &reader).unwrap();
    assert_eq!(one_way.outcome, Ok(()));
    assert!(one_way.steps > 0 && both_ways.steps == 2 * one_way.steps, "{one_way:?}, {both_ways:?}");
}

#[test]
fn unions_of_two_hundred_records_are_compared_branch_by_branch() {
    let union = |prefix: &str, field_type: &str| {
        let branches: Vec<String> = (0..200)
            .map(|branch| {
                let fields: Vec<String> =
                    (0..20).map(|field| format!(r#"{{"name":"f{field}","type":"{field_type}"}}"#)).collect();
                format!(r#"{{"type":"record","name":"{prefix}{branch}","fields":[{}]}}"#, fields.join(","))
            })
            .collect();
        format!("[{}]", branches.join(","))
    };

    let found = problems(&union("B", "int"), &union("A", "int"));

    assert_eq!(found.len(), 200);
    assert_eq!((found[199].kind, found[199].path.as_str()), ("MISSING_UNION_BRANCH", "/199"));
    assert!(problems(&union("A", "long"), &union("A", "int")).is_empty());
}
