//! The commands in a Markdown text: the lines of `sh` blocks, and those after `$` in `console` blocks. What needs a
//! service stands in blocks of its own, `sh SERVICE`.

use std::process::Command;

/// What the README tells to type, so that `sr` and `registry-server` are commands; pages that name them begin with it.
pub const PROGRAMS_AS_COMMANDS: [&str; 2] =
    ["cargo build --release --bin sr --bin registry-server", "export PATH=\"$PWD/target/release:$PATH\""];

/// The commands of a page behind [`PROGRAMS_AS_COMMANDS`].
///
/// # Panics
/// It does not begin with these, or there is no `bash`.
#[must_use]
pub fn commands_with_programs(markdown: &str) -> Vec<String> {
    let mut found = commands(markdown);
    let first: Vec<String> = found.drain(..PROGRAMS_AS_COMMANDS.len().min(found.len())).collect();
    assert_eq!(first, PROGRAMS_AS_COMMANDS, "how the programs become commands");
    found
}

/// All commands that need no service, in their order. A command that spans lines is one.
///
/// # Panics
/// There is no `bash`.
#[must_use]
pub fn commands(markdown: &str) -> Vec<String> {
    commands_with("", markdown)
}

/// The services that commands need, in the order in which they first appear.
#[must_use]
pub fn services(markdown: &str) -> Vec<&str> {
    let infos = markdown.lines().filter_map(|line| line.trim_start().strip_prefix("```"));
    let mut found: Vec<&str> = infos.filter_map(|info| info.strip_prefix("sh ")).map(str::trim).collect();
    found.dedup();
    found
}

/// The commands that need a service, in their order; of an empty name those that need none.
///
/// # Panics
/// There is no `bash`.
#[must_use]
pub fn commands_with(service: &str, markdown: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut lines = markdown.lines();
    while let Some(line) = lines.next() {
        let Some(language) = line.trim_start().strip_prefix("```") else { continue };
        let block: Vec<&str> = lines.by_ref().take_while(|line| line.trim() != "```").collect();
        let (language, needed) = language.trim().split_once(' ').unwrap_or((language.trim(), ""));
        if needed != service {
            continue;
        }
        match language {
            "sh" | "bash" => found.extend(whole_commands(block.into_iter())),
            "console" => found.extend(whole_commands(block.into_iter().filter_map(typed))),
            _ => {}
        }
    }
    found
}

/// What commands answer, as a page tells it: the lines of its `json` blocks.
#[must_use]
pub fn answers(markdown: &str) -> Vec<&str> {
    let blocks = markdown.split("```json\n").skip(1).filter_map(|rest| rest.split("```").next());
    blocks.flat_map(str::lines).collect()
}

/// What a person typed in a line of a session: after the prompt `$`, or the prompt `>` of a continued line.
fn typed(line: &str) -> Option<&str> {
    line.strip_prefix("$ ").or_else(|| line.strip_prefix("> "))
}

fn whole_commands<'a>(lines: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut command = String::new();
    for line in lines {
        if command.is_empty() && (line.trim().is_empty() || line.trim_start().starts_with('#')) {
            continue;
        }
        if !command.is_empty() {
            command.push('\n');
        }
        command.push_str(line);
        if is_whole(&command) {
            found.push(std::mem::take(&mut command));
        }
    }
    // Half a command is kept, so that running it shows what is wrong with it.
    found.extend(Some(command).filter(|command| !command.is_empty()));
    found
}

fn is_whole(command: &str) -> bool {
    let checked = Command::new("bash").args(["-n", "-c", command]).output().expect("bash starts");
    // A here-document without its end is only worth a warning to bash.
    checked.status.success() && checked.stderr.is_empty() && !command.ends_with('\\')
}
