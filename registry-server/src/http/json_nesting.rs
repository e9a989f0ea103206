//! How deep JSON is nested: counted before it is parsed.

/// Whether objects and arrays stand in each other deeper than `levels`. Of what is no JSON the answer may be either.
pub(super) fn is_deeper(json: &[u8], levels: usize) -> bool {
    // Few bodies have so many brackets at all, and to count them costs next to nothing. One before a backslash stands
    // in a string, as most of those do that open a schema's objects and arrays; JSON ends in none that opens.
    let may_open = |pair: &&[u8]| matches!(pair[0], b'{' | b'[') && pair[1] != b'\\';
    let brackets = json.windows(2).filter(may_open).count();
    brackets > levels && is_nested_deeper(json, levels)
}

fn is_nested_deeper(json: &[u8], levels: usize) -> bool {
    let mut depth: usize = 0;
    let mut bytes = json.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => skip_string(&mut bytes),
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > levels {
            return true;
        }
    }
    false
}

/// Goes on behind the quotation mark that ends a string.
fn skip_string<'j>(bytes: &mut impl Iterator<Item = &'j u8>) {
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => return,
            // What is escaped ends nothing.
            b'\\' => _ = bytes.next(),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_those_of_objects_and_arrays_outside_of_strings() {
        for (json, levels) in [
            ("1", 0),
            ("[]", 1),
            (r#"{"a": [1, {}], "b": [[]]}"#, 3),
            ("[[], [], []]", 2),
            (r#"["[[[", "{\"[[", "\\"]"#, 1),
            (r#"["\\", [2]]"#, 2),
        ] {
            assert!(!is_deeper(json.as_bytes(), levels), "{json}");
            assert_eq!(is_deeper(json.as_bytes(), levels.saturating_sub(1)), levels > 0, "{json}");
        }
        for malformed in ["[[", "\"[", "\"\\", "]]]]", "[\"\\"] {
            assert!(!is_deeper(malformed.as_bytes(), 2), "{malformed}");
        }
    }

    /// The most that can be set is what serde_json reads.
    #[test]
    fn the_parser_reads_as_deep_as_can_be_set() {
        let nested = |levels| format!("{}{}", "[".repeat(levels), "]".repeat(levels));

        assert!(serde_json::from_str::<serde_json::Value>(&nested(127)).is_ok());
        assert!(serde_json::from_str::<serde_json::Value>(&nested(128)).is_err());
    }
}
