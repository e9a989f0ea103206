//! Where in the JSON of a request its fault is, as `references[1].version`.
//!
//! It is looked for once a request could not be read, by reading parts of it again, so that the first reading has
//! nothing to remember. Each step goes by halves: of many parts no more is read, all in all, than there is.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::lenient::shortened;

/// What cannot be read of a request.
pub(super) struct Fault {
    /// Where it stands.
    pub(super) path: String,
    /// Why it cannot be read.
    pub(super) reason: String,
}

/// From an object or an array to what it holds.
enum Step {
    Key(String),
    Index(usize),
}

/// The first fault of `body`, as deep inside as it can be told; `None` if it is of no part of it. `T` is read without
/// any of them, too.
pub(super) fn find<T: DeserializeOwned>(body: Value) -> Option<Fault> {
    let (mut path, mut found, mut value) = (Vec::new(), None, body);
    while let Some((empty, parts)) = parts_of(value) {
        // Not an object where there has to be a text, for one.
        if why_not::<T>(&path, empty).is_some() {
            break;
        }
        let Some((step, part)) = first_wrong::<T>(&path, parts) else { break };
        path.push(step);
        let Some(reason) = why_not::<T>(&path, part.clone()) else { break };
        found = Some(Fault { path: written(&path), reason });
        value = part;
    }
    found
}

/// An object or an array without what it holds, and that.
fn parts_of(value: Value) -> Option<(Value, Vec<(Step, Value)>)> {
    match value {
        Value::Object(members) => {
            let parts = members.into_iter().map(|(key, member)| (Step::Key(key), member)).collect();
            Some((Value::Object(Map::new()), parts))
        }
        Value::Array(items) => {
            let parts = items.into_iter().enumerate().map(|(index, item)| (Step::Index(index), item)).collect();
            Some((Value::Array(Vec::new()), parts))
        }
        _ => None,
    }
}

/// The first of the parts below `path`, which cannot be read together, that cannot be read by itself.
fn first_wrong<T: DeserializeOwned>(path: &[Step], mut parts: Vec<(Step, Value)>) -> Option<(Step, Value)> {
    while parts.len() > 1 {
        let second = parts.split_off(parts.len() / 2);
        if why_not::<T>(path, together(&parts)).is_none() {
            parts = second;
        }
    }
    parts.pop()
}

/// The object or the array that holds these parts.
fn together(parts: &[(Step, Value)]) -> Value {
    match parts {
        [(Step::Key(_), _), ..] => parts
            .iter()
            .filter_map(|(step, part)| match step {
                Step::Key(key) => Some((key.clone(), part.clone())),
                Step::Index(_) => None,
            })
            .collect(),
        _ => parts.iter().map(|(_, part)| part.clone()).collect(),
    }
}

/// Why a request that has nothing but `value` below `path` cannot be read.
fn why_not<T: DeserializeOwned>(path: &[Step], value: Value) -> Option<String> {
    let body = path.iter().rev().fold(value, |inner, step| match step {
        Step::Key(key) => Value::Object(Map::from_iter([(key.clone(), inner)])),
        Step::Index(_) => Value::Array(vec![inner]),
    });
    serde_json::from_value::<T>(body).err().map(|error| error.to_string())
}

/// As JavaScript writes it: `ruleSet.domainRules[0].params["a b"]`.
fn written(path: &[Step]) -> String {
    let mut written = String::new();
    for step in path {
        match step {
            Step::Index(index) => written += &format!("[{index}]"),
            Step::Key(key) if is_plain(key) && written.is_empty() => written += key,
            Step::Key(key) if is_plain(key) => written += &format!(".{key}"),
            Step::Key(key) => written += &format!("[{}]", shortened(Value::from(key.as_str()).to_string())),
        }
    }
    written
}

/// Whether a key needs no quotation marks.
fn is_plain(key: &str) -> bool {
    (1..=40).contains(&key.len()) && key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use serde::{Deserialize, Deserializer};
    use serde_json::json;

    use super::super::RegisterRequest;
    use super::*;

    thread_local! {
        static READINGS: Cell<usize> = const { Cell::new(0) };
    }

    struct Counted;

    impl<'de> Deserialize<'de> for Counted {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            READINGS.set(READINGS.get() + 1);
            RegisterRequest::deserialize(deserializer).map(|_| Self)
        }
    }

    #[test]
    fn a_fault_among_many_parts_takes_few_readings() {
        for at in [0, 1, 500, 999] {
            let mut references = vec![json!({"name": "a"}); 1000];
            references[at] = json!({"version": []});
            READINGS.set(0);

            let found = find::<Counted>(json!({ "schema": "x", "references": references }));

            assert_eq!(found.map(|fault| fault.path), Some(format!("references[{at}].version")));
            assert!(READINGS.get() < 30, "{}", READINGS.get());
        }
    }
}
