//! The raw path of a request, judged and cut into decoded segments.
//!
//! A segment is decoded once, so `%2F` stays inside its segment. What a container or a proxy could read
//! in two ways is refused: bad escapes, control characters, `\`, escaped dot segments, empty segments.
//! Literal `.` and `..` are names here: nothing below reads a path as a place in a tree.

use std::borrow::Cow;

/// A path cut into segments; the root has none.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Path<'a> {
    /// Decoded, matrix parameters (`;x`) dropped.
    pub(super) segments: Vec<Cow<'a, str>>,
    /// Whether a slash stood behind the last segment.
    pub(super) has_trailing_slash: bool,
}

/// Why a path was refused; the text is for the client.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BadPath(pub(super) &'static str);

/// Cuts a raw path. A base URL that ends in `/` doubles the first slash, hence those collapse.
pub(super) fn read(raw: &str) -> Result<Path<'_>, BadPath> {
    let rest = raw.trim_start_matches('/');
    let (rest, has_trailing_slash) = match rest.strip_suffix('/') {
        Some(rest) => (rest, true),
        None => (rest, false),
    };
    // Five segments are the most that a route of ours has.
    let mut segments = Vec::with_capacity(5);
    if !rest.is_empty() {
        for segment in rest.split('/') {
            segments.push(read_segment(segment)?);
        }
    }
    Ok(Path { segments, has_trailing_slash })
}

fn read_segment(raw: &str) -> Result<Cow<'_, str>, BadPath> {
    let raw = raw.split(';').next().unwrap_or(raw);
    if raw.is_empty() {
        return Err(BadPath("empty path segment (`//`)"));
    }
    if raw.bytes().any(is_forbidden) {
        return Err(BadPath("control character or backslash in the path"));
    }
    if !raw.contains('%') {
        return Ok(Cow::Borrowed(raw));
    }
    let decoded = decode(raw, Plus::Literal)?;
    if decoded.bytes().any(is_forbidden) {
        return Err(BadPath("control character or backslash in the path"));
    }
    if decoded == "." || decoded == ".." {
        return Err(BadPath("escaped dot segment in the path"));
    }
    Ok(Cow::Owned(decoded))
}

fn is_forbidden(byte: u8) -> bool {
    byte < 0x20 || byte == 0x7f || byte == b'\\'
}

/// What `+` stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Plus {
    /// Itself, in paths.
    Literal,
    /// A space, in queries.
    Space,
}

/// Resolves `%XX` and, in queries, `+`.
pub(super) fn decode(raw: &str, plus: Plus) -> Result<String, BadPath> {
    let mut bytes = raw.bytes();
    let mut decoded = Vec::with_capacity(raw.len());
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => {
                let (high, low) = (bytes.next().and_then(hex), bytes.next().and_then(hex));
                let (Some(high), Some(low)) = (high, low) else {
                    return Err(BadPath("`%` without two hexadecimal digits in the URL"));
                };
                high << 4 | low
            }
            b'+' if plus == Plus::Space => b' ',
            other => other,
        });
    }
    String::from_utf8(decoded).map_err(|_| BadPath("escapes in the URL that are not UTF-8"))
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segments(raw: &str) -> Vec<String> {
        read(raw).expect(raw).segments.into_iter().map(Cow::into_owned).collect()
    }

    #[test]
    fn a_path_is_decoded_segment_by_segment() {
        let cases: [(&str, &[&str]); 11] = [
            ("/", &[]),
            ("//", &[]),
            ("///subjects", &["subjects"]),
            ("/subjects/", &["subjects"]),
            ("/subjects/a%2Fb/versions", &["subjects", "a/b", "versions"]),
            ("/subjects/a+b", &["subjects", "a+b"]),
            ("/subjects/%25", &["subjects", "%"]),
            ("/subjects/a;x=1/versions", &["subjects", "a", "versions"]),
            ("/subjects/a%3Bb", &["subjects", "a;b"]),
            ("/subjects/../versions", &["subjects", "..", "versions"]),
            ("/subjects/t%C3%A9st", &["subjects", "tést"]),
        ];

        for (raw, expected) in cases {
            assert_eq!(segments(raw), expected, "{raw}");
        }
    }

    #[test]
    fn what_can_be_read_in_two_ways_is_refused() {
        for raw in [
            "/subjects//a",
            "/subjects/a//",
            "/config/;",
            "/subjects/;x=1/versions",
            "/a%",
            "/a%2",
            "/a%zz",
            "/a%ff",
            "/a%C3",
            "/a%00",
            "/a%1F",
            "/a%7f",
            "/a%5Cb",
            "/a\\b",
            "/%2e%2e/a",
            "/%2E",
            "/.%2e",
        ] {
            assert!(read(raw).is_err(), "{raw}");
        }
    }
}
