//! Reading JSON the way Jackson reads it for Confluent: `null` is absent, scalars are coerced.
//!
//! Objects and arrays are never coerced: `"schema": ["int"]` is an error, not a guess.

use std::collections::{BTreeMap, BTreeSet};

use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::fault::{self, Fault};
use super::strings;

/// The key of a schema's text, and what is said of one that is JSON instead.
const SCHEMA: &str = "schema";
const SCHEMA_AS_TEXT: &str = r#"the schema stands there as a text, as in `"{\"type\":\"int\"}"`"#;

/// Why a request body gave no request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// Nothing, blanks or `null`: Confluent answers 422 before anything else.
    #[error("the body is absent")]
    Absent,
    /// No JSON, text after it, or another shape than the request's: 400.
    #[error("{0}")]
    Malformed(String),
}

/// Reads the body of a request: an object, after an optional byte order mark.
///
/// Of two equal keys the last one wins, in nested objects too. Nesting is bounded to 127 levels by `serde_json`.
///
/// # Errors
/// [`ReadError::Absent`] for an empty, blank or `null` body, [`ReadError::Malformed`] for anything else that is
/// not the request.
pub fn read_request<T: DeserializeOwned>(body: &[u8]) -> Result<T, ReadError> {
    read_object(read_value(body)?, body)
}

/// Reads a body of any shape but `null`.
pub(super) fn read_value(body: &[u8]) -> Result<Value, ReadError> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    if body.iter().all(u8::is_ascii_whitespace) {
        return Err(ReadError::Absent);
    }
    if let Some(fields) = strings::read(body) {
        return Ok(Value::Object(fields));
    }
    // Says line and column by itself.
    let parsed =
        serde_json::from_slice(body).map_err(|error| ReadError::Malformed(format!("this is no JSON: {error}")));
    match parsed? {
        Value::Null => Err(ReadError::Absent),
        value => Ok(value),
    }
}

/// The longest body in which a fault is looked for: who sends many long ones that are wrong keeps no server busy.
const SEARCHED_BYTES_MAX: usize = 64 << 10;

/// The request that `value` is, if it is an object; `body` is what it was read from.
pub(super) fn read_object<T: DeserializeOwned>(value: Value, body: &[u8]) -> Result<T, ReadError> {
    if !value.is_object() {
        return Err(ReadError::Malformed(expected("an object", &value)));
    }
    serde_json::from_value(value).map_err(|error| {
        // The body is read a second time, so that the first one needs not to keep anything.
        let again = Some(body).filter(|body| body.len() <= SEARCHED_BYTES_MAX);
        let fault = again.and_then(|body| read_value(body).ok()).and_then(fault::find::<T>);
        ReadError::Malformed(match fault {
            Some(Fault { path, reason }) if path == SCHEMA && reason.starts_with("expected a string") => {
                format!("`{path}`: {reason}; {SCHEMA_AS_TEXT}")
            }
            Some(Fault { path, reason }) => format!("`{path}`: {reason}"),
            None => error.to_string(),
        })
    })
}

/// For `deserialize_with`: `null` and absent are `None`.
pub(super) fn optional<'de, D: Deserializer<'de>, T: Lenient>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::lenient(Value::deserialize(deserializer)?).map_err(D::Error::custom)
}

/// For `deserialize_with`: `null` and absent are the empty value.
pub(super) fn filled<'de, D: Deserializer<'de>, T: Lenient + Default>(deserializer: D) -> Result<T, D::Error> {
    Ok(optional(deserializer)?.unwrap_or_default())
}

/// The text without what Java's `trim` takes off: characters up to U+0020, and no other blanks.
#[must_use]
pub fn trimmed(text: &str) -> &str {
    text.trim_matches(|character| character <= ' ')
}

/// Whether a text stands for `null` where none is wanted.
fn is_null_text(trimmed: &str) -> bool {
    matches!(trimmed, "" | "null")
}

/// A value that Jackson would make of a JSON value; `None` for what counts as `null`.
pub(super) trait Lenient: Sized {
    /// Reads `value`, or says what was expected and found.
    fn lenient(value: Value) -> Result<Option<Self>, String>;
}

impl Lenient for String {
    fn lenient(value: Value) -> Result<Option<Self>, String> {
        match value {
            Value::Null => Ok(None),
            Value::String(text) => Ok(Some(text)),
            Value::Number(number) => Ok(Some(number.to_string())),
            Value::Bool(flag) => Ok(Some(flag.to_string())),
            other => Err(expected("a string", &other)),
        }
    }
}

impl Lenient for bool {
    fn lenient(value: Value) -> Result<Option<Self>, String> {
        match &value {
            Value::Null => Ok(None),
            Value::Bool(flag) => Ok(Some(*flag)),
            Value::Number(number) if !number.is_f64() => Ok(Some(number.as_i64() != Some(0))),
            Value::String(text) => match trimmed(text) {
                text if is_null_text(text) => Ok(None),
                "true" | "True" | "TRUE" => Ok(Some(true)),
                "false" | "False" | "FALSE" => Ok(Some(false)),
                _ => Err(expected("a boolean", &value)),
            },
            _ => Err(expected("a boolean", &value)),
        }
    }
}

/// Integers are read as 64 bits wide and then must fit the field.
fn integer(value: &Value) -> Result<Option<i64>, String> {
    match value {
        Value::Null => Ok(None),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(integer), _) => Ok(Some(integer)),
            // 2^53 bounds what a double holds exactly; fields are narrower anyway.
            (None, Some(double)) if double.abs() < 9_007_199_254_740_992.0 => {
                #[expect(clippy::cast_possible_truncation, reason = "cut to an integer on purpose, as Jackson does")]
                let cut = double.trunc() as i64;
                Ok(Some(cut))
            }
            _ => Err(expected("an integer", value)),
        },
        Value::String(text) if is_null_text(trimmed(text)) => Ok(None),
        Value::String(text) => trimmed(text).parse().map(Some).map_err(|_| expected("an integer", value)),
        _ => Err(expected("an integer", value)),
    }
}

impl Lenient for i32 {
    fn lenient(value: Value) -> Result<Option<Self>, String> {
        integer(&value)?.map(Self::try_from).transpose().map_err(|_| expected("a 32-bit integer", &value))
    }
}

impl Lenient for u32 {
    fn lenient(value: Value) -> Result<Option<Self>, String> {
        integer(&value)?.map(Self::try_from).transpose().map_err(|_| expected("an unsigned 32-bit integer", &value))
    }
}

impl Lenient for i64 {
    fn lenient(value: Value) -> Result<Option<Self>, String> {
        integer(&value)
    }
}

/// No element may be `null`: to leave it out would be to take something else than was sent.
fn element<T: Lenient>(value: Value) -> Result<T, String> {
    T::lenient(value)?.ok_or_else(|| expected("a value", &Value::Null))
}

impl<T: Lenient> Lenient for Vec<T> {
    fn lenient(value: Value) -> Result<Option<Self>, String> {
        match value {
            Value::Null => Ok(None),
            Value::Array(items) => items.into_iter().map(element).collect::<Result<_, _>>().map(Some),
            other => Err(expected("an array", &other)),
        }
    }
}

impl<T: Lenient + Ord> Lenient for BTreeSet<T> {
    fn lenient(value: Value) -> Result<Option<Self>, String> {
        Ok(Vec::lenient(value)?.map(|items| items.into_iter().collect()))
    }
}

impl<T: Lenient> Lenient for BTreeMap<String, T> {
    fn lenient(value: Value) -> Result<Option<Self>, String> {
        match value {
            Value::Null => Ok(None),
            Value::Object(members) => {
                let members = members.into_iter().map(|(key, member)| Ok((key, element(member)?)));
                members.collect::<Result<_, _>>().map(Some)
            }
            other => Err(expected("an object", &other)),
        }
    }
}

/// Reads a nested body; an array is refused here because serde's derive would take one.
pub(super) fn object<T: DeserializeOwned>(value: Value) -> Result<Option<T>, String> {
    match value {
        Value::Null => Ok(None),
        Value::Object(_) => serde_json::from_value(value).map(Some).map_err(|error| error.to_string()),
        other => Err(expected("an object", &other)),
    }
}

/// Marks a struct as read by [`object`].
macro_rules! lenient_object {
    ($($body:ty),+ $(,)?) => {$(
        impl Lenient for $body {
            fn lenient(value: Value) -> Result<Option<Self>, String> {
                object(value)
            }
        }
    )+};
}

lenient_object!(
    super::SchemaReference,
    super::SchemaTags,
    super::SchemaEntity,
    super::Metadata,
    super::RuleSet,
    super::Rule,
);

/// `expected an integer, found "x"`, cut short where the value is long.
pub(super) fn expected(what: &str, found: &Value) -> String {
    let found = match found {
        Value::Array(_) => "an array".to_owned(),
        Value::Object(_) => "an object".to_owned(),
        scalar => shortened(scalar.to_string()),
    };
    format!("expected {what}, found {found}")
}

/// The text, cut where it is long.
pub(super) fn shortened(text: String) -> String {
    match text.char_indices().nth(40) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
