//! Lines that a person may paste into a shell.

use std::borrow::Cow;

/// A command line that asks the registry; what a path is made of is escaped.
pub(crate) fn curl(registry: &str, path: &[&str], query: &str) -> String {
    let mut url = registry.trim_end_matches('/').to_owned();
    for segment in path {
        url.push('/');
        for byte in segment.bytes() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => url.push(char::from(byte)),
                _ => url.push_str(&format!("%{byte:02X}")),
            }
        }
    }
    format!("curl {}", quoted(&(url + query)))
}

/// A text as one word of a shell.
pub(crate) fn quoted(text: &str) -> Cow<'_, str> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | '/' | ':' | '%' | '@' | '+');
    if !text.is_empty() && text.chars().all(is_plain) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(format!("'{}'", text.replace('\'', r"'\''")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_of_a_proposed_line_is_one_for_the_shell() {
        for (text, word) in [
            ("users-value", "users-value"),
            ("a b", "'a b'"),
            ("it's", r"'it'\''s'"),
            ("$HOME;`x`", "'$HOME;`x`'"),
            ("", "''"),
        ] {
            assert_eq!(quoted(text), word);
        }
        assert_eq!(curl("http://[::1]:81/", &["subjects"], ""), "curl 'http://[::1]:81/subjects'");
        assert_eq!(curl("http://r", &["mode", "a&b"], "?x=true"), "curl 'http://r/mode/a%26b?x=true'");
    }
}
