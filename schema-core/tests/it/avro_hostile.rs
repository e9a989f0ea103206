//! Texts made to hurt: an answer within a second, never a crash, on a thread with a small stack.

use std::time::{Duration, Instant};

use schema_core::ParseError;
use schema_core::format::avro::AvroSchema;
use schema_core::format::{Limits, Strictness};

use crate::table::source;

/// Of a thread that serves requests, it is 2 MiB; a debug build needs more of it than a release build.
const STACK_BYTES: usize = 1 << 20;

/// The best of three runs counts, as other work on the machine is not the parser's doing.
const RUNS: usize = 3;

fn check(text: String) -> Result<AvroSchema, ParseError> {
    check_as(text, Strictness::New)
}

fn check_as(text: String, strictness: Strictness) -> Result<AvroSchema, ParseError> {
    let work = move || {
        let mut best = Duration::MAX;
        let mut answer = None;
        for _ in 0..RUNS {
            let start = Instant::now();
            let schema = AvroSchema::parse(&source(&text), strictness, &Limits::default());
            if let Ok(schema) = &schema {
                let _ = (schema.canonical_text(), schema.normalized_text(), schema.fingerprint());
            }
            best = best.min(start.elapsed());
            answer = Some(schema);
            if best < Duration::from_secs(1) {
                break;
            }
        }
        assert!(best < Duration::from_secs(1), "took {best:?}");
        answer.expect("ran at least once")
    };
    let thread = std::thread::Builder::new().stack_size(STACK_BYTES).spawn(work).expect("a thread");
    thread.join().expect("the parser must not panic")
}

fn refused(text: String) -> String {
    check(text).expect_err("must be refused").reason
}

#[test]
fn deep_nesting_is_an_error() {
    let deep = 100_000;
    let brackets = "[".repeat(1 << 20);
    let braces = "{\"a\":".repeat(deep);
    let closed = "[".repeat(deep) + &"]".repeat(deep);
    let arrays = r#"{"type":"array","items":"#.repeat(deep);
    let fields = r#"{"type":"record","name":"R","fields":[{"name":"a","type":"#.repeat(deep / 2);
    for text in [brackets, braces, closed, arrays, fields] {
        let start = text[..20].to_owned();
        assert_eq!(refused(text), "JSON nested deeper than 512 levels", "{start}");
    }
}

#[test]
fn deep_values_are_taken_up_to_the_limit() {
    let deep = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
    let property = |levels: usize| format!(r#"{{"type":"string","p":{}}}"#, deep(levels));
    let default = |levels: usize| {
        let (items, end) = (r#"{"type":"array","items":"#.repeat(levels), "}".repeat(levels));
        let kind = format!("{items}\"int\"{end}");
        format!(r#"{{"type":"record","name":"R","fields":[{{"name":"a","type":{kind},"default":{}}}]}}"#, deep(levels))
    };

    assert!(check(property(511)).is_ok());
    assert!(check(property(512)).is_err());
    // A stored text may be deeper: printing moves definitions to their first use.
    assert!(check_as(property(1_023), Strictness::Stored).is_ok());
    assert!(check_as(property(1_024), Strictness::Stored).is_err());
    assert!(check(default(63)).is_ok());
    assert!(check(default(64)).is_err());
}

#[test]
fn comments_do_not_hide_anything() {
    assert_eq!(refused("/*".to_owned() + &"* /".repeat(300_000)), "unexpected end of text in a comment");
    assert!(check("//\n".repeat(300_000) + "\"int\"").is_ok());
    assert!(refused("/".repeat(1_000_000)).contains("unexpected end of text"));
}

#[test]
fn ten_thousand_branches_are_an_error() {
    let same = format!("[{}\"int\"]", "\"int\",".repeat(10_000));
    let named: Vec<_> = (0..10_000).map(|at| format!("\"F{at}\"")).collect();

    assert!(refused(same).contains("limits.union_branches"));
    assert!(refused(format!("[{}]", named.join(","))).contains("limits.union_branches"));
}

#[test]
fn ten_thousand_equal_keys_are_taken_and_the_last_wins() {
    let many = |key: &str| (0..10_000).map(|at| format!("\"{key}\":{at},")).collect::<String>();
    let names: String = (0..10_000).map(|at| format!("\"name\":\"N{at}\",")).collect();
    let keys: String = (0..10_000).map(|at| format!("\"k{at}\":1,")).collect();

    let property = check(format!(r#"{{{}"type":"string"}}"#, many("p"))).unwrap();
    let nested = check(format!(r#"{{"type":"string","p":{{{}"z":0}}}}"#, many("q"))).unwrap();
    let name = check(format!(r#"{{{names}"type":"fixed","size":1}}"#)).unwrap();
    let twice = check(format!(r#"{{{keys}{keys}"type":"string"}}"#)).unwrap();

    assert_eq!(property.canonical_text(), r#"{"type":"string","p":9999}"#);
    assert_eq!(nested.canonical_text(), r#"{"type":"string","p":{"q":9999,"z":0}}"#);
    assert_eq!(name.canonical_text(), r#"{"type":"fixed","name":"N9999","size":1}"#);
    assert_eq!(twice.node(twice.root()).properties.len(), 10_000);
}

#[test]
fn long_lists_of_names_stay_linear() {
    let symbols: Vec<_> = (0..20_000).map(|at| format!("\"S{at}\"")).collect();
    let symbols = symbols.join(",");
    let aliases = symbols.replace('S', "n.S");
    let spaces = " ".repeat(1_000_000);
    let name = "a.".repeat(200_000);

    assert!(check(format!(r#"{{"type":"enum","name":"E","symbols":[{symbols}]}}"#)).is_ok());
    assert!(check(format!(r#"{{"type":"enum","name":"E","symbols":[],"aliases":[{aliases}]}}"#)).is_ok());
    assert!(check(format!(r#"{{"type":"enum","name":"E","symbols":[{symbols},"S0"]}}"#)).is_err());
    assert!(check(format!("{spaces}\"int\"")).is_ok());
    assert!(check(format!(r#"{{"type":"enum","name":"{name}E","symbols":[]}}"#)).is_ok());
    assert!(check(format!(r#"{{"type":"record","name":"{name}E","fields":[{{"name":"a","type":"X"}}]}}"#)).is_err());
}

#[test]
fn quoted_texts_in_errors_are_cut() {
    let long = "x".repeat(1_000_000);

    let reason = refused(format!(r#"{{"name":"{long}"}}"#));

    assert!(reason.starts_with("No type: {\"name\":\"xxx") && reason.len() < 300, "{} bytes", reason.len());
}

#[test]
fn defaults_that_multiply_run_out_of_steps() {
    // Each level of the value fits both records of the union but for its innermost value: 2^40 ways to fail.
    let records = r#"["null",{"type":"record","name":"A","fields":[{"name":"x","type":["null","A","B"]}]},
        {"type":"record","name":"B","fields":[{"name":"x","type":["null","A","B"]}]}]"#;
    let value = "{\"x\":".repeat(40) + "1" + &"}".repeat(40);
    let text = format!(
        r#"{{"type":"record","name":"R","fields":[{{"name":"u","type":{records}}},
        {{"name":"a","type":{{"type":"map","values":"B"}},"default":{{"k":{value}}}}}]}}"#
    );

    assert_eq!(
        refused(text),
        "checking the defaults takes more than 1000000 steps; a default of fewer levels of unions takes fewer"
    );
}

#[test]
fn defaults_that_need_themselves_end() {
    let loops = r#"{"type":"record","name":"R","fields":[{"name":"a","type":"S","default":{}},
        {"name":"b","type":{"type":"record","name":"S","fields":[{"name":"c","type":"R","default":{}}]}}]}"#;

    assert_eq!(refused(loops.to_owned()), "Schema fields not set yet");
}

#[test]
fn every_short_text_of_json_signs_is_answered() {
    let signs =
        ["{", "}", "[", "]", ":", ",", "\"", "\\", "\"type\"", "\"int\"", "/*", "*/", "-", "1", "e", "\\ud800", "é"];
    let mut texts = vec![String::new()];
    for _ in 0..4 {
        texts = texts.iter().flat_map(|text| signs.iter().map(move |sign| format!("{text}{sign}"))).collect();
        for text in &texts {
            let _ = AvroSchema::parse(&source(text), Strictness::New, &Limits::default());
        }
    }
}
