//! Just enough of Rust's grammar: code without comments, strings and tests, and the paths it names.

/// The text with comments and the insides of literals replaced by spaces; lines stay where they are.
pub(super) fn code_only(text: &str) -> String {
    blank(text, |_| true)
}

/// The text with the insides of literals replaced by spaces.
pub(super) fn code_and_comments(text: &str) -> String {
    blank(text, |piece| !piece.starts_with('/'))
}

/// Replaces those comments and literals by spaces that are to be.
fn blank(text: &str, is_blank: impl Fn(&str) -> bool) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = literal_or_comment(rest, code.chars().next_back());
        let taken = if length == 0 { first.len_utf8() } else { length };
        let (piece, after) = rest.split_at(taken);
        if length > 0 && is_blank(piece) {
            code.extend(piece.chars().map(|character| if character == '\n' { '\n' } else { ' ' }));
        } else {
            code.push_str(piece);
        }
        rest = after;
    }
    code
}

/// The bytes of the comment or literal that `rest` begins with; 0 if it begins with neither.
fn literal_or_comment(rest: &str, before: Option<char>) -> usize {
    if rest.starts_with("//") {
        return rest.find('\n').unwrap_or(rest.len());
    }
    if rest.starts_with("/*") {
        return rest.find("*/").map_or(rest.len(), |end| end + 2);
    }
    if rest.starts_with('"') {
        return quoted(rest, '"');
    }
    if rest.starts_with('\'') && is_character(rest) {
        return quoted(rest, '\'');
    }
    let raw = rest.strip_prefix('r').filter(|_| !before.is_some_and(is_name_character) || before == Some('b'));
    let Some(raw) = raw else { return 0 };
    let hashes = raw.len() - raw.trim_start_matches('#').len();
    if !raw[hashes..].starts_with('"') {
        return 0;
    }
    let end = format!("\"{}", "#".repeat(hashes));
    let body = 1 + hashes + 1;
    rest[body..].find(&end).map_or(rest.len(), |at| body + at + end.len())
}

/// Whether a quote opens a character and not a lifetime.
fn is_character(rest: &str) -> bool {
    let mut characters = rest.chars().skip(1);
    characters.next() == Some('\\') || characters.next() == Some('\'')
}

fn quoted(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, character) in rest.char_indices().skip(1) {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if character == quote => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// The code before the tests, which stand at the end of a file.
pub(super) fn without_tests(code: &str) -> &str {
    let mut from = 0;
    while let Some(at) = code[from..].find("#[cfg(test)]") {
        let after = code[from + at + "#[cfg(test)]".len()..].trim_start();
        if after.starts_with("mod ") && !after.lines().next().is_some_and(|line| line.ends_with(';')) {
            return &code[..from + at];
        }
        from += at + 1;
    }
    code
}

/// Every path with at least one `::` in the code, with the groups of `use` written out.
pub(super) fn paths(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut lines = code.lines();
    while let Some(line) = lines.next() {
        if use_tree(line).is_none() {
            found.extend(plain_paths(line));
            continue;
        }
        let mut statement = line.to_owned();
        while !statement.contains(';') {
            let Some(more) = lines.next() else { break };
            statement.push_str(more);
        }
        expand(use_tree(&statement).unwrap_or_default(), "", &mut found);
    }
    found
}

/// What follows `use` in a line that begins an import.
fn use_tree(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let line = match line.strip_prefix("pub") {
        Some(rest) => rest.trim_start_matches(|character| character != ' ').trim_start(),
        None => line,
    };
    line.strip_prefix("use ").map(|tree| tree.trim().trim_end_matches(';'))
}

fn expand(tree: &str, prefix: &str, found: &mut Vec<String>) {
    let tree = tree.trim();
    let Some((head, group)) = tree.split_once('{') else {
        let path = tree.split(" as ").next().unwrap_or_default().trim();
        found.push(format!("{prefix}{path}"));
        return;
    };
    let prefix = format!("{prefix}{}", head.trim());
    let group = group.trim_end().strip_suffix('}').unwrap_or(group);
    for part in split_top_level(group) {
        expand(part, &prefix, found);
    }
}

/// Splits at the commas that are not inside braces.
fn split_top_level(group: &str) -> Vec<&str> {
    let (mut depth, mut start, mut parts) = (0_i32, 0, Vec::new());
    for (at, character) in group.char_indices() {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&group[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&group[start..]);
    parts.retain(|part| !part.trim().is_empty());
    parts
}

fn plain_paths(code: &str) -> Vec<String> {
    let words = code.split(|character: char| !is_name_character(character) && character != ':');
    words.filter(|word| word.contains("::") && !word.starts_with(':')).map(str::to_owned).collect()
}

fn is_name_character(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_literals_vanish_and_code_stays() {
        let text = "let a = \"x::y \\\" z\"; // c::d\nlet b: &'a str = r#\"e::f\"#; /* g::h */ i::j('\"', '\\'')";

        let code = code_only(text);

        assert_eq!(paths(&code), ["i::j"]);
        assert_eq!(code.lines().count(), 2);
        assert!(code.contains("&'a str"));
    }

    #[test]
    fn groups_are_written_out() {
        let code = "pub(crate) use crate::{\n    a::{B, c::D},\n    e as f,\n};\nuse g::h;\nfn x() { i::j::k() }\n";

        let mut found = paths(code);

        found.sort();
        assert_eq!(found, ["crate::a::B", "crate::a::c::D", "crate::e", "g::h", "i::j::k"]);
    }

    #[test]
    fn the_tests_of_a_file_are_cut_off() {
        let code = "#[cfg(test)]\nmod tests;\nfn a() {}\n#[cfg(test)]\nmod tests {\n fn b() {}\n}\n";

        assert!(without_tests(code).contains("fn a") && !without_tests(code).contains("fn b"));
    }
}
