//! What a name may look like, and how a written name becomes a full one.

use super::{Kind, Name};

/// The letters that names may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Alphabet {
    /// `A` to `Z`, `a` to `z`: what Avro promises to every language.
    Ascii,
    /// Any letter of the Basic Multilingual Plane: what older registries let through.
    Unicode,
}

/// Checks one part of a name; the error is in Avro's words.
pub(super) fn check(name: &str, alphabet: Alphabet) -> Result<(), String> {
    let is_letter = |c: char| match alphabet {
        Alphabet::Ascii => c.is_ascii_alphabetic(),
        Alphabet::Unicode => c.is_alphabetic() && c <= '\u{FFFF}',
    };
    let is_digit = |c: char| match alphabet {
        Alphabet::Ascii => c.is_ascii_digit(),
        Alphabet::Unicode => c.is_numeric() && c <= '\u{FFFF}',
    };
    let mut chars = name.chars();
    match chars.next() {
        None => return Err("Empty name".to_owned()),
        Some(first) if !is_letter(first) && first != '_' => return Err(format!("Illegal initial character: {name}")),
        Some(_) => {}
    }
    if chars.any(|c| !is_letter(c) && !is_digit(c) && c != '_') {
        return Err(format!("Illegal character in: {name}"));
    }
    Ok(())
}

impl Name {
    /// A name as written in a schema: dots in it win over `namespace`; an empty namespace is none.
    pub(super) fn of(text: &str, namespace: Option<&str>) -> Self {
        let (namespace, name) = match text.rsplit_once('.') {
            Some((namespace, name)) => (Some(namespace), name),
            None => (namespace, text),
        };
        Self { namespace: namespace.filter(|n| !n.is_empty()).map(str::to_owned), name: name.to_owned() }
    }

    /// Whether a use of this name inside `namespace` must be written in full. A name like `n.record` always is,
    /// as `record` alone would be read as the kind.
    pub(super) fn needs_full(&self, namespace: Option<&str>) -> bool {
        self.namespace.as_deref() != namespace || self.namespace.is_none() || is_kind(&self.name)
    }
}

fn is_kind(name: &str) -> bool {
    super::parse::primitive(name).is_some() || matches!(name, "record" | "enum" | "array" | "map" | "union" | "fixed")
}

impl Kind {
    /// The name of a named type.
    #[must_use]
    pub fn name(&self) -> Option<&Name> {
        match self {
            Self::Record(record) => Some(&record.name),
            Self::Enum(r#enum) => Some(&r#enum.name),
            Self::Fixed(fixed) => Some(&fixed.name),
            _ => None,
        }
    }

    /// Avro's word for the kind: `record` (also for an `error`), `int`, ...
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Boolean => "boolean",
            Self::Int => "int",
            Self::Long => "long",
            Self::Float => "float",
            Self::Double => "double",
            Self::Bytes => "bytes",
            Self::String => "string",
            Self::Array { .. } => "array",
            Self::Map { .. } => "map",
            Self::Union { .. } => "union",
            Self::Record(_) => "record",
            Self::Enum(_) => "enum",
            Self::Fixed(_) => "fixed",
        }
    }
}
