//! JSON as Java's Jackson prints it: compact, non-ASCII unescaped, control characters as `\u001F`.

use std::cmp::Ordering;

use super::{Json, JsonValue, write_number};

/// Appends `text` in quotes.
pub(crate) fn write_string(text: &str, out: &mut String) {
    out.push('"');
    let mut run = 0;
    for (at, byte) in text.bytes().enumerate() {
        let escape = match byte {
            b'"' => "\\\"",
            b'\\' => "\\\\",
            0x08 => "\\b",
            0x09 => "\\t",
            0x0A => "\\n",
            0x0C => "\\f",
            0x0D => "\\r",
            0..0x20 => "",
            _ => continue,
        };
        out.push_str(&text[run..at]);
        run = at + 1;
        if escape.is_empty() {
            out.push_str("\\u00");
            out.push(char::from(b'0' + (byte >> 4)));
            out.push(char::from(b"0123456789ABCDEF"[usize::from(byte & 0xF)]));
        } else {
            out.push_str(escape);
        }
    }
    out.push_str(&text[run..]);
    out.push('"');
}

/// Appends the compact text of a value. Recurses; a value's depth is bounded by its reader.
pub(crate) fn write_json(json: &Json, out: &mut String) {
    write_value(json, out, &|members| members.iter().map(|(key, value)| (key.as_str(), value)).collect());
}

/// Like [`write_json`], the members of every object sorted by key.
pub(crate) fn write_json_sorted(json: &Json, out: &mut String) {
    write_value(json, out, &|members| {
        let mut sorted: Vec<_> = members.iter().map(|(key, value)| (key.as_str(), value)).collect();
        sorted.sort_by(|a, b| compare_utf16(a.0, b.0));
        sorted
    });
}

type Arrange<'f> = &'f dyn for<'m> Fn(&'m [(String, Json)]) -> Vec<(&'m str, &'m Json)>;

fn write_value(json: &Json, out: &mut String, arrange: Arrange<'_>) {
    match &json.value {
        JsonValue::Null => out.push_str("null"),
        JsonValue::Bool(true) => out.push_str("true"),
        JsonValue::Bool(false) => out.push_str("false"),
        JsonValue::Number(number) => write_number(number, out),
        JsonValue::String(text) => write_string(text, out),
        JsonValue::Array(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                write_value(item, out, arrange);
            }
            out.push(']');
        }
        JsonValue::Object(members) => {
            out.push('{');
            for (at, (key, value)) in arrange(members).into_iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                write_string(key, out);
                out.push(':');
                write_value(value, out, arrange);
            }
            out.push('}');
        }
    }
}

/// Java's order of strings: by UTF-16 code units.
///
/// Differs from the order of bytes in one case only: a supplementary character (lead byte 0xF0 and up) is written
/// with surrogates, which come before U+E000 to U+FFFF (lead bytes 0xEE and 0xEF).
#[must_use]
pub fn compare_utf16(a: &str, b: &str) -> Ordering {
    let differing = a.bytes().zip(b.bytes()).find(|(a, b)| a != b);
    match differing {
        Some((0xEE | 0xEF, 0xF0..)) => Ordering::Greater,
        Some((0xF0.., 0xEE | 0xEF)) => Ordering::Less,
        Some((a, b)) => a.cmp(&b),
        None => a.len().cmp(&b.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_ordered_by_utf16_code_units() {
        let parts = ["", "a", "b", "\u{7f}", "\u{80}", "\u{7ff}", "\u{800}", "\u{d7ff}", "\u{e000}", "\u{ffff}"];
        let parts: Vec<&str> = parts.into_iter().chain(["\u{10000}", "\u{10ffff}"]).collect();
        let texts: Vec<String> =
            parts.iter().flat_map(|first| parts.iter().map(move |second| format!("{first}{second}"))).collect();
        for a in &texts {
            for b in &texts {
                assert_eq!(compare_utf16(a, b), a.encode_utf16().cmp(b.encode_utf16()), "{a:?} {b:?}");
            }
        }
    }
}
