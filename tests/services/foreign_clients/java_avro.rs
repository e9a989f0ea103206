//! Schemas at random before Apache Avro's own reader and checker: what is taken and in which text it comes back, and
//! what one that reads another is told.

mod json;
mod schemas;

use std::fmt::Write as _;
use std::time::Duration;

use end_to_end_tests::services::java::Java;
use fastrand::Rng;
use schema_core::compatibility::STEPS_DEFAULT;
use schema_core::format::avro::AvroSchema;
use schema_core::format::avro::compatibility::can_read;
use schema_core::format::{Limits, Strictness};
use schema_core::schema::{SchemaType, Source};
use serde::Deserialize;
use serde_json::json;

use schemas::Schemas;

/// Pairs: quick, and with `SR_LONG`.
const PAIRS: (usize, usize) = (20_000, 500_000);

const SEED: u64 = 12;

const PATIENCE: Duration = Duration::from_secs(600);

/// Of all pairs so many come to each end at least: one in so many.
const RARELY: usize = 20;

/// What Java makes of a pair.
#[derive(Debug, PartialEq, Deserialize)]
struct Verdict {
    /// The text of the reader, if it is taken.
    text: Option<String>,
    /// Why not.
    refused: Option<String>,
    /// What keeps it from reading the writer, if that is taken, too.
    problems: Option<Vec<(String, String, String)>>,
}

/// How often each end was met.
#[derive(Debug, Default)]
struct Count {
    refused: usize,
    compatible: usize,
    incompatible: usize,
}

#[test]
fn avro_schemas_are_what_java_takes_them_for() {
    let pairs = pairs();
    let folder = tempfile::tempdir().unwrap();
    let asked = folder.path().join("pairs");
    let lines: Vec<_> = pairs.iter().map(|[reader, writer]| json!({"reader": reader, "writer": writer})).collect();
    std::fs::write(&asked, lines.iter().fold(String::new(), |text, line| text + &line.to_string() + "\n")).unwrap();
    let path = asked.display().to_string();
    let java = Java::with_avro().unwrap().run_source("java/AvroSchemas.java", &[&path], PATIENCE).unwrap();
    let verdicts: Vec<Verdict> = java.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(verdicts.len(), pairs.len());

    let (mut count, mut wrong) = (Count::default(), String::new());
    for ([reader, writer], java) in pairs.iter().zip(verdicts) {
        let ours = judge(reader, writer);
        match &java {
            Verdict { text: None, .. } => count.refused += 1,
            Verdict { problems: Some(problems), .. } if problems.is_empty() => count.compatible += 1,
            Verdict { problems, .. } => count.incompatible += usize::from(problems.is_some()),
        }
        // What is wrong is told in words of our own; where two things are, either may be.
        let is_same = ours.refused.is_some() == java.refused.is_some()
            && (&ours.text, &ours.problems) == (&java.text, &java.problems);
        if !is_same {
            writeln!(wrong, "reader {reader}\nwriter {writer}\njava {java:?}\nours {ours:?}\n").unwrap();
        }
    }

    println!("{} pairs: {count:?}", pairs.len());
    assert!(wrong.is_empty(), "{wrong}");
    let Count { refused, compatible, incompatible } = count;
    let least = [refused, compatible, incompatible].into_iter().min().unwrap();
    assert!(least > pairs.len() / RARELY, "{count:?} of {} pairs", pairs.len());
}

/// Schemas, of which one in four has something wrong, each with one that it may go on from.
fn pairs() -> Vec<[String; 2]> {
    let mut rng = Rng::with_seed(SEED);
    let mut schemas = Schemas::new(rng.fork());
    let count = if std::env::var_os("SR_LONG").is_some() { PAIRS.1 } else { PAIRS.0 };
    let pair = |_| {
        let writer = schemas.any();
        let likely = [0.05, 0.12, 0.3][rng.usize(..3)];
        let mut reader = schemas.changed(&writer, likely);
        if rng.u8(..4) == 0 {
            schemas.spoil(&mut reader);
        }
        [reader.to_string(), writer.to_string()]
    };
    (0..count).map(pair).collect()
}

fn judge(reader: &str, writer: &str) -> Verdict {
    let reader = match parse(reader) {
        Ok(reader) => reader,
        Err(refused) => return Verdict { text: None, refused: Some(refused), problems: None },
    };
    // Java's comparison ends without an answer, too, where a field has two names in the other record.
    let found = parse(writer).ok().and_then(|writer| can_read(&reader, &writer, STEPS_DEFAULT).ok());
    let problems = found.map(|found| {
        found.into_iter().map(|found| (found.kind.to_owned(), found.path, found.additional_info)).collect()
    });
    Verdict { text: Some(reader.canonical_text()), refused: None, problems }
}

fn parse(text: &str) -> Result<AvroSchema, String> {
    let source = Source { schema_type: SchemaType::Avro, text: text.to_owned(), references: Vec::new() };
    AvroSchema::parse(&source, Strictness::New, &Limits::default()).map_err(|error| error.to_string())
}
