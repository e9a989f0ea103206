//! The pages of `docs/` that the code writes: they are what it would write now.
//!
//! `UPDATE_DOCS=1 cargo test --workspace --all-features --test e2e -- docs` writes them anew.

use std::fmt::Write as _;

use end_to_end_tests::binaries::workspace;
use schema_core::error_code::{Entry, TABLE};

#[test]
fn the_page_of_settings_is_what_the_code_says() {
    check("config.md", &registry_server::config::reference());
}

#[test]
fn the_page_of_the_producers_settings_is_what_the_code_says() {
    check("producer-config.md", &producer_core::config::reference());
}

#[test]
fn the_page_of_error_codes_is_what_the_table_says() {
    check("error-codes.md", &error_codes());
}

/// A page longer than this is no record of one decision.
const DECISION_LINES_MAX: usize = 40;

#[test]
fn every_decision_is_a_short_page_that_the_architecture_names() {
    let folder = workspace().join("docs/decisions");
    let architecture = std::fs::read_to_string(workspace().join("ARCHITECTURE.md")).unwrap();
    let named: Vec<&str> =
        architecture.split("(docs/decisions/").skip(1).filter_map(|rest| rest.split(')').next()).collect();
    let entries = std::fs::read_dir(&folder).unwrap();
    let mut pages: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    pages.sort();

    assert_eq!(named, pages, "ARCHITECTURE.md and docs/decisions/");
    for (number, page) in (1..).zip(&pages) {
        assert!(page.starts_with(&format!("{number:04}-")), "{page} is the {number}th");
        let text = std::fs::read_to_string(folder.join(page)).unwrap();
        let headings: Vec<&str> = text.lines().filter(|line| line.starts_with("## ")).collect();
        assert_eq!(headings, ["## Context", "## Decision", "## Consequences"], "{page}");
        assert!(text.starts_with("# ") && text.lines().count() <= DECISION_LINES_MAX, "{page}");
    }
}

/// Compares a page with what the code says, or writes it when told so.
fn check(name: &str, expected: &str) {
    let path = workspace().join("docs").join(name);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, expected).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    let at = found.lines().zip(expected.lines()).position(|(found, expected)| found != expected);
    assert!(
        found == expected,
        "docs/{name} is not what the code says, from line {} on; \
         `UPDATE_DOCS=1 cargo test --workspace --all-features --test e2e -- docs` writes it anew",
        at.unwrap_or_else(|| found.lines().count().min(expected.lines().count())) + 1
    );
}

const HEAD: &str = "\
# Error codes

Every error has a JSON body with a number and a message: `{\"error_code\":40401,\"message\":\"Subject 'orders-value' not
found.\"}`. The HTTP status is the number itself or, of five digits, the first three. Clients should branch on the
number: messages are Confluent's, and say more here where more is known.

Some requests that look wrong are none of these, as with Confluent. Keys of a body and parameters of a query that the
registry does not know are passed over. So a `PUT /config` whose body has none of the known keys
(`{\"compatibilityLevel\":\"FULL\"}`; the key is `compatibility`) changes nothing, and is answered 200 with what is set
there, `{}` where nothing is. A register whose body has no `schema` takes that of the subject's newest version, and is an
error only where there is none.

| code | HTTP | name |
|---|---|---|
";

fn error_codes() -> String {
    let mut page = HEAD.to_owned();
    for entry in TABLE {
        let (code, name) = (entry.code.number(), entry.name);
        writeln!(page, "| [{code}](#{code}-{}) | {} | `{name}` |", anchor(name), entry.code.status()).unwrap();
    }
    for entry in TABLE {
        section(&mut page, entry);
    }
    page
}

fn section(page: &mut String, entry: &Entry) {
    let code = entry.code.number();
    writeln!(page, "\n## {code} {}\n", entry.name.replace('_', " ")).unwrap();
    for form in entry.forms.iter().filter(|form| **form != "%s") {
        writeln!(page, "> {}\n", form.replace('*', "\\*")).unwrap();
    }
    writeln!(page, "- **Cause**: {}", entry.cause).unwrap();
    writeln!(page, "- **Cure**: {}", entry.cure).unwrap();
    writeln!(page, "- **From**: <{}>", entry.source).unwrap();
}

/// As renderers of Markdown make it from a heading.
fn anchor(name: &str) -> String {
    name.replace('_', "-")
}
