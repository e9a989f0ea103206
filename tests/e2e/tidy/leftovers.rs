//! What must not stay behind: long files, unfinished code, the paths of somebody's machine.

use std::collections::HashSet;

use super::TreeFile;
use super::source::{code_and_comments, code_only, paths, without_tests};

/// Lines that are no test; past this a file is split, or says at its top why it is one idea.
const FILE_LINES_MAX: usize = 600;

/// Characters of a line, as in `rustfmt.toml`, which holds neither comments nor macros to it.
const LINE_WIDTH_MAX: usize = 120;

/// What the top of a long file says.
const ONE_IDEA: &str = "one idea";

/// Names that say nothing about what is inside.
const EMPTY_NAMES: &[&str] = &["utils", "util", "helpers", "helper", "common", "misc", "types", "manager"];

/// Tests that let time pass: these run on a clock that they have stopped, which their callers do here.
const STOPPED_CLOCK: &str = "start_paused";
const ON_A_STOPPED_CLOCK: &str = "producer-core/tests/it/simulated/";

/// Tests in which time passes for what it does, not in the hope that something has happened by then.
const TIMED: [&str; 4] = [
    // How long a node stays frozen.
    "tests/services/postgres/races/nemesis.rs",
    // Clients pause before they try again.
    "tests/services/postgres/load.rs",
    "tests/src/ledger/api.rs",
    // How long a slow line takes.
    "tests/src/services/proxy.rs",
];

pub(super) fn shape_problems(path: &str, text: &str) -> Vec<String> {
    let mut problems = Vec::new();
    let name = path.rsplit('/').next().unwrap_or(path).trim_end_matches(".rs");
    if EMPTY_NAMES.contains(&name) {
        problems.push(format!("{path}: name the file after the noun it is about"));
    }
    // The tests of a module are explained by the module.
    let is_test = path.contains("/tests/") || path.ends_with("/tests.rs");
    let opens_with_docs = text.lines().find(|line| !line.trim().is_empty() && !line.starts_with("#!"));
    if !is_test && !opens_with_docs.is_some_and(|line| line.starts_with("//!")) {
        problems.push(format!("{path}: does not open with `//!`: its job, and what it must not know"));
    }
    let lines = without_tests(&code_only(text)).lines().count();
    let explained = text.lines().take_while(|line| line.starts_with("//!")).any(|line| line.contains(ONE_IDEA));
    if lines > FILE_LINES_MAX && !is_test && !explained {
        problems.push(format!("{path}: {lines} lines without tests, and no note that it is `{ONE_IDEA}`"));
    }
    problems
}

/// Lines that are too wide for another reason than a text in them, or a row of a table.
pub(super) fn wide_lines(path: &str, text: &str) -> Vec<String> {
    let code = code_and_comments(text);
    let found = text.lines().zip(code.lines()).enumerate().filter(|(_, (line, code))| {
        let line_width = line.chars().count();
        let comment = line.trim_start().strip_prefix("//").map(|rest| rest.trim_start_matches(['/', '!']));
        let is_row = comment.is_some_and(|comment| comment.trim_start().starts_with('|'));
        // What is left without the texts, which stand there as spaces.
        let indent = line_width - line.trim_start().chars().count();
        let code_width = indent + code.split_whitespace().map(|word| word.chars().count() + 1).sum::<usize>();
        let width = if comment.is_some() { line_width } else { code_width.min(line_width) };
        width > LINE_WIDTH_MAX && !is_row
    });
    found.map(|(index, _)| format!("{path}:{}: wider than {LINE_WIDTH_MAX} columns", index + 1)).collect()
}

pub(super) fn unfinished(path: &str, text: &str) -> Vec<String> {
    let code = code_only(text);
    let unfinished = ["dbg!", "todo!", "unimplemented!", "#[ignore"];
    let found = code.lines().enumerate().filter_map(|(index, line)| {
        let word = unfinished.iter().find(|word| line.contains(**word))?;
        Some(format!("{path}:{}: `{word}` is left", index + 1))
    });
    found.collect()
}

/// Sleeps in tests whose clock runs: what they hope for is to be waited for, with a deadline.
pub(super) fn sleeps(path: &str, text: &str) -> Vec<String> {
    let is_test = path.starts_with("tests/") || path.contains("/tests/") || path.ends_with("/tests.rs");
    let may_sleep = TIMED.contains(&path) || path.starts_with(ON_A_STOPPED_CLOCK);
    let code = code_only(text);
    if !is_test || may_sleep || code.contains(STOPPED_CLOCK) {
        return Vec::new();
    }
    let sleeping = code.lines().enumerate().filter(|(_, line)| line.contains("tokio::time::sleep"));
    sleeping.map(|(index, _)| format!("{path}:{}: a test that sleeps: wait for a condition", index + 1)).collect()
}

pub(super) fn machine_paths(file: &TreeFile) -> Vec<String> {
    // Put together here, so that this file does not contain them.
    let places = ["home", "Users", "root", "work"].map(|name| format!("/{name}/"));
    let found = file.text.lines().enumerate().filter_map(|(index, line)| {
        let place = places.iter().find(|place| begins_a_path(line, place))?;
        Some(format!("{}:{}: `{place}` is a place on one machine", file.path, index + 1))
    });
    found.collect()
}

/// Public async functions whose documentation does not say what is lost when their future is dropped.
pub(super) fn uncancellable(path: &str, text: &str) -> Vec<String> {
    let mut is_told = false;
    let mut problems = Vec::new();
    for (number, line) in text.lines().map(str::trim_start).enumerate() {
        if line.starts_with("pub async fn ") && !is_told {
            problems.push(format!("{path}:{}: no `# Cancel safety`", number + 1));
        }
        is_told =
            line.starts_with("/// # Cancel safety") || is_told && (line.starts_with("///") || line.starts_with("#["));
    }
    problems
}

/// Whether `place` stands in `line` at the beginning of a path: after nothing, a space, a quote or the like.
fn begins_a_path(line: &str, place: &str) -> bool {
    line.match_indices(place).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !before.is_some_and(|before| before.is_alphanumeric() || "/.-_}*~".contains(before))
    })
}

pub(super) fn forbids_unsafe_code(root: &str) -> bool {
    let lints = root.split("[workspace.lints.rust]").nth(1).unwrap_or_default();
    let lints = lints.split("\n[").next().unwrap_or_default();
    lints.lines().any(|line| line.trim() == r#"unsafe_code = "forbid""#)
}

pub(super) fn lint_problems(member: &str, manifest: &str) -> Option<String> {
    let takes_them = manifest.lines().skip_while(|line| *line != "[lints]").nth(1) == Some("workspace = true");
    (!takes_them).then(|| format!("{member}/Cargo.toml: does not take the lints of the workspace"))
}

/// Dependencies of a manifest that no source names in its code.
pub(super) fn unused_dependencies(member: &str, manifest: &str, sources: &[&str]) -> Vec<String> {
    let named: HashSet<String> = sources
        .iter()
        .flat_map(|source| paths(&code_only(source)))
        .map(|path| path.split("::").next().unwrap_or_default().to_owned())
        .collect();
    let mut section = "";
    let mut problems = Vec::new();
    for line in manifest.lines() {
        if let Some(name) = line.strip_prefix('[') {
            section = name.trim_end_matches(']');
        } else if section.ends_with("dependencies")
            && let Some((name, _)) = line.split_once(['.', ' ', '='])
            && !name.starts_with('#')
        {
            // The library of a package may leave out the dash: `md-5` is `md5`.
            let names = [name.replace('-', "_"), name.replace('-', "")];
            if !names.iter().any(|name| named.contains(name)) {
                problems.push(format!("{member}/Cargo.toml: nothing uses `{name}`"));
            }
        }
    }
    problems
}

pub(super) fn migration_problems(left: &[String], right: &[String]) -> Vec<String> {
    let missing = |one: &[String], other: &[String]| -> Vec<String> {
        one.iter()
            .filter(|name| !other.contains(name))
            .map(|name| format!("`{name}` exists on one side only"))
            .collect()
    };
    [missing(left, right), missing(right, left)].concat()
}

#[test]
fn planted_violations_are_found() {
    let long = "//! A file.\n".to_owned() + &"fn f() {}\n".repeat(FILE_LINES_MAX + 1);
    let place = format!("see /{}/me/notes", "home");
    let file = TreeFile { path: "docs/a.md".to_owned(), text: place };

    assert_eq!(shape_problems("cli/src/long.rs", &long).len(), 1);
    assert_eq!(shape_problems("cli/src/utils.rs", "//! Things.\n").len(), 1);
    assert_eq!(shape_problems("cli/src/bare.rs", "fn f() {}\n").len(), 1);
    assert_eq!(unfinished("a.rs", "fn f() { todo!() }\n"), ["a.rs:1: `todo!` is left"]);
    assert_eq!(unfinished("a.rs", "\n#[ignore = \"later\"]\n").len(), 1);
    assert_eq!(machine_paths(&file).len(), 1);
    let words = "word ".repeat(30);
    let wide = format!("fn f() {{ {}() }}\n    // {words}\nf(); // {words}\n", "g".repeat(LINE_WIDTH_MAX));
    let found = [1, 2, 3].map(|line| format!("a.rs:{line}: wider than 120 columns"));
    assert_eq!(wide_lines("a.rs", &wide), found);
    let sleeping = "async fn f() {\n    tokio::time::sleep(TIME).await;\n}\n";
    assert_eq!(
        sleeps("cli/tests/it/a.rs", sleeping),
        ["cli/tests/it/a.rs:2: a test that sleeps: wait for a condition"]
    );
    let second = "/// # Cancel safety\npub async fn a() {}\n\n/// Waits.\npub async fn b() {}\n";
    assert_eq!(uncancellable("a.rs", second), ["a.rs:5: no `# Cancel safety`"]);
    assert!(!forbids_unsafe_code("[workspace.lints.rust]\nmissing_docs = \"warn\"\n[x]\nunsafe_code = \"forbid\"\n"));
    assert!(lint_problems("cli", "[package]\n[lints]\n").is_some());
    let source = "// a_b::C is not used\nuse std::d::E;\nlet text = \"a_b::C\"; c::a_b();\n";
    let unused = unused_dependencies("cli", "[dependencies]\na-b.workspace = true\nc = \"1\"\nd = \"1\"\n", &[source]);
    assert_eq!(unused, ["cli/Cargo.toml: nothing uses `a-b`", "cli/Cargo.toml: nothing uses `d`"]);
    assert_eq!(migration_problems(&["0001_a.sql".to_owned()], &["0001_b.sql".to_owned()]).len(), 2);
}

#[test]
fn what_is_in_order_passes() {
    let long = "//! This is one idea: a table.\n".to_owned() + &"fn f() {}\n".repeat(FILE_LINES_MAX + 1);
    let tests = "//! A file.\n#[cfg(test)]\nmod tests {\n".to_owned() + &"\n".repeat(FILE_LINES_MAX) + "}\n";
    let file = TreeFile { path: "a.rs".to_owned(), text: "GET /a/work/b, crate/work/".to_owned() };

    assert_eq!(shape_problems("cli/src/long.rs", &long), [""; 0]);
    assert_eq!(shape_problems("cli/src/tested.rs", &tests), [""; 0]);
    assert_eq!(unfinished("a.rs", "// todo!\nlet text = \"dbg!\";"), [""; 0]);
    assert_eq!(machine_paths(&file), [""; 0]);
    let wide = "w".repeat(LINE_WIDTH_MAX);
    let texts = format!("f(\"{wide}\");\ng(\"// {wide}\"); // short\n//! | {wide} |\n{}\n", "é".repeat(120));
    assert_eq!(wide_lines("a.rs", &texts), [""; 0]);
    let sleeping = "tokio::time::sleep(TIME).await;\n";
    let stopped = format!("#[tokio::test(start_paused = true)]\n{sleeping}");
    assert_eq!(sleeps("cli/tests/it/a.rs", &stopped), [""; 0]);
    assert_eq!(sleeps("cli/src/a.rs", sleeping), [""; 0]);
    assert_eq!(sleeps(TIMED[0], sleeping), [""; 0]);
    let told = "    /// # Cancel safety\n    /// None.\n    #[must_use]\n    pub async fn a() {}\nasync fn b() {}\n";
    assert_eq!(uncancellable("a.rs", told), [""; 0]);
    assert!(forbids_unsafe_code("[workspace.lints.rust]\nunsafe_code = \"forbid\"\n"));
    assert_eq!(lint_problems("cli", "[lints]\nworkspace = true\n"), None);
}
