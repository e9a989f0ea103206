//! Order and prefixes of names. Databases sort by bytes, which for UTF-8 is the order of code points; clients expect
//! UTF-16 code units. The two differ where surrogate pairs meet U+E000 to U+FFFF.

use std::cmp::Ordering;

/// By UTF-16 code units.
pub(super) fn by_utf16(a: &str, b: &str) -> Ordering {
    // Bytes that differ first belong to chars at one place. Lead bytes 0xEE and 0xEF are U+E000 to U+FFFF, those above
    // are surrogate pairs, whose code units are lower.
    let rank = |byte: u8| if byte == 0xee || byte == 0xef { byte + 0x10 } else { byte };
    let different = a.bytes().zip(b.bytes()).find(|(a, b)| a != b);
    different.map_or_else(|| a.len().cmp(&b.len()), |(a, b)| rank(a).cmp(&rank(b)))
}

/// The first text, by code points, behind all that begin with `prefix`; `None` when nothing is behind them.
///
/// So `prefix <= name AND name < end` is what an index can answer.
pub(super) fn prefix_end(prefix: &str) -> Option<String> {
    let mut end = prefix.to_owned();
    while let Some(last) = end.pop() {
        // Stepping from a char to a char leaves the surrogates out.
        if let Some(next) = (last..=char::MAX).nth(1) {
            end.push(next);
            return Some(end);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_ends_before_the_next_code_point() {
        for (prefix, end) in [
            ("a", Some("b")),
            ("ab", Some("ac")),
            ("a\u{10ffff}", Some("b")),
            ("\u{d7ff}", Some("\u{e000}")),
            ("", None),
            ("\u{10ffff}\u{10ffff}", None),
        ] {
            assert_eq!(prefix_end(prefix).as_deref(), end, "{prefix:?}");
        }
    }

    #[test]
    fn names_sort_as_their_code_units_do() {
        let parts = ["", "a", "b", "\u{7f}", "\u{80}", "\u{7ff}", "\u{800}", "\u{d7ff}", "\u{e000}", "\u{ffff}"];
        let parts: Vec<&str> = parts.into_iter().chain(["\u{10000}", "\u{10ffff}"]).collect();
        let names: Vec<String> =
            parts.iter().flat_map(|first| parts.iter().map(move |second| format!("{first}{second}"))).collect();

        for a in &names {
            for b in &names {
                assert_eq!(by_utf16(a, b), a.encode_utf16().cmp(b.encode_utf16()), "{a:?} {b:?}");
            }
        }
    }
}
