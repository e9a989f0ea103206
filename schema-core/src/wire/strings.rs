//! Objects of strings, as most bodies are: a schema, which is JSON in a string, with an escape every few bytes. Read in
//! half the time that `serde_json` takes for them (`benches/parse.rs`); it reads the other members, and whatever else a
//! body is (`lenient`).

use serde_json::{Map, Value};

/// `serde_json` takes an object that begins with this key for a raw value.
const RAW_VALUE: &str = "$serde_json::private::RawValue";

/// A member with so many opening brackets may be nested deeper than `serde_json` reads a body, of which it is a level.
const BRACKETS_MAX: usize = 100;

/// Bytes that are looked at together.
const STEP: usize = 8;

/// The object that a body is, as `serde_json` reads it. `None` for whatever else a body may be: no JSON, no members, an
/// escape by number, a value that is deeply nested.
pub(super) fn read(body: &[u8]) -> Option<Map<String, Value>> {
    let mut fields = Map::new();
    let mut rest = behind(body, b'{')?;
    loop {
        let (key, after_key) = string(behind(rest, b'"')?)?;
        let (value, after_value) = value(behind(after_key, b':')?)?;
        if fields.is_empty() && key == RAW_VALUE {
            return None;
        }
        fields.insert(key, value);
        match behind(after_value, b',') {
            Some(next) => rest = next,
            None => return behind(after_value, b'}')?.iter().all(|byte| is_blank(*byte)).then_some(fields),
        }
    }
}

/// The value that comes next, and what stands behind it.
fn value(rest: &[u8]) -> Option<(Value, &[u8])> {
    if let Some(inside) = behind(rest, b'"') {
        let (text, after) = string(inside)?;
        return Some((Value::String(text), after));
    }
    let mut values = serde_json::Deserializer::from_slice(rest).into_iter();
    let value = values.next()?.ok()?;
    let (read, after) = rest.split_at_checked(values.byte_offset())?;
    let brackets = read.iter().filter(|byte| matches!(byte, b'[' | b'{')).count();
    (brackets <= BRACKETS_MAX).then_some((value, after))
}

/// What stands behind the next byte that is no blank, if that is `expected`.
fn behind(rest: &[u8], expected: u8) -> Option<&[u8]> {
    let start = rest.iter().position(|byte| !is_blank(*byte))?;
    rest[start..].strip_prefix(&[expected])
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// The string that begins behind its quotation mark, and what stands behind its end.
fn string(mut rest: &[u8]) -> Option<(String, &[u8])> {
    let mut text = Vec::new();
    loop {
        let plain = match rest.first_chunk::<STEP>() {
            Some(step) => {
                let plain = plain_bytes(*step);
                // A copy of a known length, of which the end may be too much.
                text.extend_from_slice(step);
                text.truncate(text.len() - (STEP - plain));
                plain
            }
            None => {
                let plain = rest.iter().position(|byte| is_special(*byte))?;
                text.extend_from_slice(&rest[..plain]);
                plain
            }
        };
        rest = &rest[plain..];
        if plain == STEP {
            continue;
        }
        match *rest {
            [b'"', ref after @ ..] => return Some((String::from_utf8(text).ok()?, after)),
            [b'\\', escaped, ref after @ ..] => {
                text.push(unescaped(escaped)?);
                rest = after;
            }
            _ => return None,
        }
    }
}

/// Whether a byte of a string stands for more than itself, or must not be there.
fn is_special(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

/// How many bytes there are before the first that [`is_special`].
fn plain_bytes(step: [u8; STEP]) -> usize {
    const fn in_each(byte: u8) -> u64 {
        u64::from_le_bytes([byte; STEP])
    }
    let bytes = u64::from_le_bytes(step);
    // The highest bit of each byte below `bound`; exact up to the first, from which on a subtraction may have borrowed.
    let below = |bytes: u64, bound: u8| bytes.wrapping_sub(in_each(bound)) & !bytes & in_each(0x80);
    let special = below(bytes, 0x20) | below(bytes ^ in_each(b'"'), 1) | below(bytes ^ in_each(b'\\'), 1);
    (special.trailing_zeros() / u8::BITS) as usize
}

/// What a byte behind a backslash stands for; `None` for `u`, behind which a number stands, and for what is no escape.
fn unescaped(byte: u8) -> Option<u8> {
    Some(match byte {
        b'"' | b'\\' | b'/' => byte,
        b'n' => b'\n',
        b't' => b'\t',
        b'r' => b'\r',
        b'b' => 0x08,
        b'f' => 0x0c,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by_serde(body: &[u8]) -> Option<Value> {
        serde_json::from_slice(body).ok()
    }

    #[test]
    fn what_is_read_is_what_serde_json_reads() {
        let long = format!(r#"{{"schema":"{}\"{}"}}"#, "x".repeat(100), "é\\n".repeat(100));
        let bodies = [
            r#"{"schema":"{\"type\":\"record\",\"name\":\"R\",\"fields\":[]}"}"#,
            r#"{"schema": "\"int\"", "schemaType": "AVRO"}"#,
            " \t\r\n{ \"a\" \n:\t\"b\" , \"c\":\"\" } \n",
            r#"{"a":"1","a":"2"}"#,
            r#"{"a":"1","$serde_json::private::RawValue":"2"}"#,
            r#"{"":""}"#,
            r#"{"a":"\"\\\/\b\f\n\r\t"}"#,
            r#"{"\"k\\":"ключ 🔑"}"#,
            r#"{"schema":"\"int\"","references":[],"id":1}"#,
            r#"{"a":1,"b":-1.5e3 ,"c":18446744073709551616}"#,
            r#"{"a":null,"b":true,"c": false}"#,
            r#"{"a":{"b":"\u0041","b":{}},"c":[{"d":[1,"]}"]}]}"#,
            "{\"a\":\"\u{7f}\u{80}\u{a0}\"}",
            &long,
        ];

        for body in bodies {
            let read = read(body.as_bytes());
            assert!(read.is_some(), "{body}");
            assert_eq!(read.map(Value::Object), by_serde(body.as_bytes()), "{body}");
        }
    }

    /// Each byte at each place of a step, for itself and behind a backslash.
    #[test]
    fn no_byte_is_read_otherwise_than_by_serde_json() {
        let string = |inner: &[u8]| [b"{\"a\":\"", inner, b"\"}"].concat();
        for byte in 0..=u8::MAX {
            for before in 0..2 * STEP {
                let filled = "x".repeat(before).into_bytes();
                let plain = string(&[&*filled, &[byte, b'y']].concat());
                let escaped = string(&[&*filled, &[b'\\', byte, b'0', b'0', b'4', b'1']].concat());

                let text = String::from_utf8_lossy(&plain);
                assert_eq!(read(&plain).map(Value::Object), by_serde(&plain), "{text}");
                // A number is left to it.
                let expected = by_serde(&escaped).filter(|_| byte != b'u');
                assert_eq!(read(&escaped).map(Value::Object), expected, "{}", String::from_utf8_lossy(&escaped));
            }
        }
    }

    #[test]
    fn other_bodies_are_left_to_serde_json() {
        let bodies = [
            "",
            "null",
            "{}",
            "[]",
            r#"{"a":01}"#,
            r#"{"a":-}"#,
            r#"{"a":1e999}"#,
            r#"{"a":1"b":2}"#,
            r#"{"a":nullb}"#,
            r#"{"a":[1}"#,
            r#"{"a":[1]]}"#,
            r#"{"a":}"#,
            r#"{"a":1"#,
            r#"{"a":"\u0041"}"#,
            r#"{"$serde_json::private::RawValue":"[1]"}"#,
            r#"{"a":"b"} c"#,
            r#"{"a":"b"}{"#,
            r#"{"a":"b",}"#,
            "{\"a\":\"b\"}\u{c}",
            r#"{"a":"b"#,
            r#"{"a":"b\"#,
            r#"{"a":"b"c"#,
            r#"{"a""b"}"#,
            r#"{a:"b"}"#,
            "{\"a\":\"\n\"}",
            "\u{feff}{\"a\":\"b\"}",
        ];

        for body in bodies {
            assert_eq!(read(body.as_bytes()), None, "{body}");
        }
        assert_eq!(read(b"{\"a\":\"\xff\"}"), None);
    }

    #[test]
    fn the_depth_of_a_body_is_bounded_as_by_serde_json() {
        for levels in 1..200 {
            let body = format!("{{\"a\":{}{}}}", "[".repeat(levels), "]".repeat(levels));

            let value = read(body.as_bytes()).map(Value::Object);
            assert!(value.is_none() || value == by_serde(body.as_bytes()), "{levels}");
            assert_eq!(value.is_some(), levels <= BRACKETS_MAX, "{levels}");
        }
    }
}
