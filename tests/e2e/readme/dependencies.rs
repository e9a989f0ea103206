//! The lines for a user's `Cargo.toml` are enough for the programs beside them, and name what there is.

use std::process::Command;

use end_to_end_tests::binaries::workspace;

/// Where the README lets a user have this tree.
const CLONE: &str = "../schema-registry";

#[test]
fn the_dependencies_of_the_readme_resolve_and_are_all_that_its_programs_use() {
    let readme = std::fs::read_to_string(workspace().join("README.md")).expect("README.md is there");
    let [manifest] = blocks(&readme, "toml")[..] else { panic!("one block of dependencies was expected") };
    for program in blocks(&readme, "rust") {
        for name in crates(program) {
            assert!(
                manifest.contains(&format!("\n{} = ", name.replace('_', "-"))),
                "`{name}` is not among\n{manifest}"
            );
        }
    }

    let folder = tempfile::tempdir().unwrap();
    let head = "[package]\nname = \"user\"\nedition = \"2024\"\n\n";
    let manifest = manifest.replace(CLONE, workspace().to_str().unwrap());
    std::fs::write(folder.path().join("Cargo.toml"), format!("{head}{manifest}")).unwrap();
    std::fs::create_dir(folder.path().join("src")).unwrap();
    std::fs::write(folder.path().join("src/main.rs"), "fn main() {}\n").unwrap();
    // The versions that are here already.
    std::fs::copy(workspace().join("Cargo.lock"), folder.path().join("Cargo.lock")).unwrap();
    // For this machine alone: of what only others need nothing is here.
    let resolved = Command::new(env!("CARGO")).args(["tree", "--offline"]).current_dir(folder.path()).output().unwrap();

    assert!(resolved.status.success(), "{}", String::from_utf8_lossy(&resolved.stderr));
}

/// The texts between fences of a language.
fn blocks<'a>(markdown: &'a str, language: &str) -> Vec<&'a str> {
    let fence = format!("```{language}\n");
    markdown.split(&fence).skip(1).filter_map(|rest| rest.split("```").next()).collect()
}

/// The crates that a program names, but for the standard library.
fn crates(program: &str) -> Vec<&str> {
    let used = program.lines().filter_map(|line| line.strip_prefix("use ").or_else(|| line.strip_prefix("#[")));
    let names = used.filter_map(|line| line.split_once("::")?.0.rsplit('(').next());
    names.filter(|name| *name != "std").collect()
}
