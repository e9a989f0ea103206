//! A line of standard input as value and key, and what to try where it is none.

use serde_json::Value;

/// Fields that advice names at most: more are no help.
const FIELDS_SHOWN: usize = 10;

/// What a line looks like, for who does not know JSON.
const FORM: &str =
    "one JSON value a line, such as `{\"id\": 1, \"plan\": \"pro\"}`: names and texts stand in double quotes";

/// Why a line is no record. Its number is told by who counts lines.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LineError {
    /// No JSON.
    #[error("this is no JSON, seen at column {column}: {reason}")]
    NotJson {
        /// From 1.
        column: usize,
        reason: String,
        /// What to try.
        advice: &'static str,
    },
    /// The key is to come from a field that the value does not have.
    #[error("the value has no field `{field}` to take the key from")]
    FieldMissing {
        field: String,
        /// Fields that could be keys.
        fields: Vec<String>,
    },
    /// The key is to come from a field that is none.
    #[error("the field `{field}` is an object or array, which is no key; expected text, a number, a boolean or null")]
    FieldNested {
        field: String,
        /// Fields that could be keys.
        fields: Vec<String>,
    },
}

impl LineError {
    /// What to try.
    pub(crate) fn advice(&self) -> String {
        const WITHOUT: &str = "without `--key`, records have no key";
        match self {
            Self::NotJson { advice, .. } => (*advice).to_owned(),
            Self::FieldMissing { fields, .. } | Self::FieldNested { fields, .. } if fields.is_empty() => {
                WITHOUT.to_owned()
            }
            Self::FieldMissing { fields, .. } | Self::FieldNested { fields, .. } => {
                let more = if fields.len() > FIELDS_SHOWN { " and others" } else { "" };
                let shown: Vec<String> = fields.iter().take(FIELDS_SHOWN).map(|field| format!("`{field}`")).collect();
                format!("`--key FIELD` with a field of this value: {}{more}; {WITHOUT}", shown.join(", "))
            }
        }
    }
}

/// The line as JSON. Places in it are named by column: it is one line.
pub(super) fn parse(line: &str) -> Result<Value, LineError> {
    serde_json::from_str(line).map_err(|error: serde_json::Error| {
        let column = error.column();
        let (said, place) = (error.to_string(), format!(" at line {} column {column}", error.line()));
        let reason = match said.strip_suffix(&place).unwrap_or(&said) {
            // The parser's words for these tell nobody what stands there.
            "expected ident" | "expected value" => "a text outside of double quotes, or no value at all".to_owned(),
            said if error.is_eof() => format!("{said}; a record is one line"),
            said => said.to_owned(),
        };
        let advice = if error.is_eof() {
            "`jq -c . FILE` makes a line of each JSON value in a file, however it is laid out"
        } else {
            FORM
        };
        LineError::NotJson { column, reason, advice }
    })
}

/// The key as text; a null field means no key.
pub(super) fn key_of(value: &Value, field: &str) -> Result<Option<String>, LineError> {
    match value.get(field) {
        Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(scalar @ (Value::Number(_) | Value::Bool(_))) => Ok(Some(scalar.to_string())),
        Some(_) => Err(LineError::FieldNested { field: field.to_owned(), fields: scalars(value) }),
        None => Err(LineError::FieldMissing { field: field.to_owned(), fields: scalars(value) }),
    }
}

/// The fields that could be keys; one that is null makes none.
fn scalars(value: &Value) -> Vec<String> {
    let fields = value.as_object().into_iter().flatten();
    let is_key = |value: &Value| value.is_string() || value.is_number() || value.is_boolean();
    fields.filter(|(_, value)| is_key(value)).map(|(field, _)| field.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_json_is_named_by_its_column() {
        let said = parse(r#"{"id": 1,, }"#).unwrap_err().to_string();

        assert!(said.contains("at column 10") && !said.contains("line"), "{said}");
        let cut_short = parse("{").unwrap_err();
        assert!(cut_short.to_string().ends_with("; a record is one line"), "{cut_short}");
        assert!(cut_short.advice().starts_with("`jq -c . FILE`"), "{}", cut_short.advice());
    }

    #[test]
    fn what_is_no_json_is_told_in_words_and_with_what_a_line_looks_like() {
        for (line, column, reason) in [
            ("name=ada", 2, "outside of double quotes"),
            ("hello", 1, "outside of double quotes"),
            ("{'id': 1}", 2, "key must be a string"),
            ("1 2", 3, "trailing characters"),
        ] {
            let error = parse(line).unwrap_err();
            let said = error.to_string();
            assert!(said.contains(&format!("at column {column}: ")) && said.contains(reason), "{said}");
            assert!(!said.contains("ident"), "{said}");
            assert_eq!(error.advice(), FORM);
        }
    }

    #[test]
    fn a_key_is_the_text_of_a_scalar_field() {
        let value = serde_json::json!({"text": "x", "number": 7, "yes": true, "null": null, "array": []});

        assert_eq!(key_of(&value, "text"), Ok(Some("x".to_owned())));
        assert_eq!(key_of(&value, "number"), Ok(Some("7".to_owned())));
        assert_eq!(key_of(&value, "yes"), Ok(Some("true".to_owned())));
        assert_eq!(key_of(&value, "null"), Ok(None));
    }

    #[test]
    fn a_field_that_is_no_key_is_told_with_those_that_are() {
        let value = serde_json::json!({"a": 1, "b": {"c": 1}, "d": [], "e": null, "f": true});

        let (missing, nested) = (key_of(&value, "missing").unwrap_err(), key_of(&value, "b").unwrap_err());

        assert!(missing.to_string().contains("`missing`") && nested.to_string().contains("`b`"));
        assert!(nested.to_string().ends_with("expected text, a number, a boolean or null"), "{nested}");
        for error in [missing, nested] {
            assert_eq!(
                error.advice(),
                "`--key FIELD` with a field of this value: `a`, `f`; without `--key`, records have no key"
            );
        }
        let no_object = key_of(&serde_json::json!(1), "a").unwrap_err();
        assert_eq!(no_object.advice(), "without `--key`, records have no key");
        let wide: Value = (0..99).map(|number| (format!("f{number}"), Value::from(number))).collect();
        assert!(key_of(&wide, "x").unwrap_err().advice().contains(" and others; "));
    }
}
