//! The rules of the tree that no compiler checks: who imports whom, how long a file is, what is left over.
//!
//! Each check is a function of a text, and is shown to find a planted violation.

mod imports;
mod leftovers;
mod source;

use std::path::{Path, PathBuf};

use end_to_end_tests::binaries::workspace;

/// Folders that hold no text of ours.
const SKIPPED_FOLDERS: &[&str] = &["target", ".git", "fixtures", "corpus", "artifacts", "data", "node_modules"];

/// A file of the tree: its path from the root with `/` between the parts, and its text.
struct TreeFile {
    path: String,
    text: String,
}

#[test]
fn imports_follow_the_layers() {
    report(rust_files().iter().flat_map(|file| imports::problems(&file.path, &file.text)));
}

#[test]
fn files_are_short_documented_and_named_after_their_noun() {
    report(rust_files().iter().flat_map(|file| leftovers::shape_problems(&file.path, &file.text)));
}

#[test]
fn lines_keep_within_their_width() {
    report(rust_files().iter().flat_map(|file| leftovers::wide_lines(&file.path, &file.text)));
}

#[test]
fn nothing_unfinished_is_left() {
    report(rust_files().iter().flat_map(|file| leftovers::unfinished(&file.path, &file.text)));
}

#[test]
fn no_test_waits_by_the_clock() {
    report(rust_files().iter().flat_map(|file| leftovers::sleeps(&file.path, &file.text)));
}

#[test]
fn public_async_functions_tell_what_dropping_them_does() {
    let is_api = |file: &&TreeFile| {
        let parts: Vec<&str> = file.path.split('/').collect();
        matches!(parts[..], ["schema-core" | "avro-serde" | "producer-core" | "registry-server", "src", ..])
            && !parts.contains(&"conformance")
            && !file.path.ends_with("/conformance.rs")
    };
    report(rust_files().iter().filter(is_api).flat_map(|file| leftovers::uncancellable(&file.path, &file.text)));
}

#[test]
fn no_text_names_a_place_on_one_machine() {
    report(files(&["rs", "md", "toml", "py", "sql", "xml", "sh", ""]).iter().flat_map(leftovers::machine_paths));
}

#[test]
fn every_crate_takes_the_lints_of_the_workspace() {
    let root = read(&workspace().join("Cargo.toml"));
    let forbidden = leftovers::forbids_unsafe_code(&root);
    assert!(forbidden, "the root manifest does not forbid unsafe code");

    let members = workspace_members(&root);
    assert!(members.len() >= 6, "only {members:?} are members");
    report(
        members
            .iter()
            .flat_map(|member| leftovers::lint_problems(member, &read(&workspace().join(member).join("Cargo.toml")))),
    );
}

#[test]
fn every_dependency_has_a_user() {
    let sources = rust_files();
    let root = read(&workspace().join("Cargo.toml"));
    report(workspace_members(&root).iter().flat_map(|member| {
        let inside = format!("{member}/");
        let own: Vec<&str> =
            sources.iter().filter(|file| file.path.starts_with(&inside)).map(|file| &*file.text).collect();
        leftovers::unused_dependencies(member, &read(&workspace().join(member).join("Cargo.toml")), &own)
    }));
}

#[test]
fn both_databases_have_the_same_migrations() {
    let folders = ["sqlite", "postgres"].map(|name| workspace().join("migrations").join(name));
    // A backend that is not there yet has no folder.
    let present: Vec<_> = folders.iter().filter(|folder| folder.is_dir()).collect();
    if let [left, right] = present[..] {
        report(leftovers::migration_problems(&names(left), &names(right)).into_iter());
    }
}

fn report(problems: impl Iterator<Item = String>) {
    let problems: Vec<String> = problems.collect();
    assert!(problems.is_empty(), "{} problems:\n{}", problems.len(), problems.join("\n"));
}

fn rust_files() -> Vec<TreeFile> {
    let files = files(&["rs"]);
    assert!(files.len() > 30, "only {} files were found", files.len());
    files
}

/// All files of the tree with one of these extensions; `""` means without one.
fn files(extensions: &[&str]) -> Vec<TreeFile> {
    let mut paths = Vec::new();
    walk(workspace(), &mut paths);
    paths
        .into_iter()
        .filter(|path| extensions.contains(&path.extension().map_or("", |extension| extension.to_str().unwrap_or("?"))))
        .filter_map(|path| Some(TreeFile { text: std::fs::read_to_string(&path).ok()?, path: relative(&path) }))
        .collect()
}

fn walk(folder: &Path, paths: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy();
        if path.is_dir() && !SKIPPED_FOLDERS.contains(&&*name) {
            walk(&path, paths);
        } else if path.is_file() && name != ".git" {
            paths.push(path);
        }
    }
}

fn relative(path: &Path) -> String {
    let parts = path.strip_prefix(workspace()).unwrap().components();
    parts.map(|part| part.as_os_str().to_string_lossy().into_owned()).collect::<Vec<_>>().join("/")
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect()
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The quoted names in the line that begins with `members`.
fn workspace_members(root: &str) -> Vec<String> {
    let line = root.lines().find(|line| line.starts_with("members")).expect("the root manifest names its members");
    line.split('"').skip(1).step_by(2).map(str::to_owned).collect()
}
