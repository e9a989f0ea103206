//! Metadata of a version: what is inherited and merged, and the number that it may carry.

use schema_core::Version;
use schema_core::wire::Metadata;

/// The property that carries the version's own number, once a client has asked for a number.
const VERSION_PROPERTY: &str = "confluent:version";

/// `over` laid on `under`: of two values for one key, that of `over` stands; sensitive names add up.
pub(super) fn merged(under: Option<Metadata>, over: Option<Metadata>) -> Option<Metadata> {
    let (mut merged, over) = match (under, over) {
        (Some(under), Some(over)) => (under, over),
        (one, other) => return one.or(other),
    };
    merged.tags.extend(over.tags);
    merged.properties.extend(over.properties);
    merged.sensitive.extend(over.sensitive);
    Some(merged)
}

/// The version number that metadata claims; `Some(None)` when what it claims is no number.
pub(super) fn claimed_version(metadata: &Metadata) -> Option<Option<i32>> {
    metadata.properties.get(VERSION_PROPERTY).map(|text| text.parse().ok())
}

/// Metadata that carries a version's number.
pub(super) fn numbered(metadata: Option<&Metadata>, version: Version) -> Metadata {
    let mut numbered = metadata.cloned().unwrap_or_default();
    numbered.properties.insert(VERSION_PROPERTY.to_owned(), version.to_string());
    numbered
}

/// Whether what a client asks for is what is stored. Nothing asked for is always met; the version number that metadata
/// carries does not count.
pub(super) fn is_met(wanted: Option<&Metadata>, stored: Option<&Metadata>) -> bool {
    let Some(wanted) = wanted else { return true };
    let Some(stored) = stored else { return false };
    let others = |metadata: &Metadata| {
        let mut metadata = metadata.clone();
        metadata.properties.remove(VERSION_PROPERTY);
        metadata
    };
    wanted == stored || others(wanted) == others(stored)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn metadata(json: serde_json::Value) -> Metadata {
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn of_two_values_for_a_key_the_upper_one_stands() {
        let under =
            metadata(json!({"tags": {"a": ["x"], "b": ["y"]}, "properties": {"p": "1", "q": "1"}, "sensitive": ["p"]}));
        let over = metadata(json!({"tags": {"a": ["z"]}, "properties": {"q": "2"}, "sensitive": ["q"]}));

        let expected = metadata(
            json!({"tags": {"a": ["z"], "b": ["y"]}, "properties": {"p": "1", "q": "2"}, "sensitive": ["p", "q"]}),
        );
        assert_eq!(merged(Some(under.clone()), Some(over)), Some(expected));
        assert_eq!(merged(None, Some(under.clone())), Some(under.clone()));
        assert_eq!(merged(Some(under.clone()), None), Some(under));
        assert_eq!(merged(None, None), None);
    }

    #[test]
    fn absent_metadata_meets_any_and_the_version_does_not_count() {
        let numbered = metadata(json!({"properties": {"a": "1", "confluent:version": "2"}}));
        let plain = metadata(json!({"properties": {"a": "1"}}));
        let empty = Metadata::default();

        assert!(is_met(None, Some(&numbered)));
        assert!(is_met(None, None));
        assert!(is_met(Some(&plain), Some(&numbered)));
        assert!(is_met(Some(&numbered), Some(&plain)));
        assert!(!is_met(Some(&empty), None));
        assert!(!is_met(Some(&empty), Some(&plain)));
        assert_eq!(claimed_version(&numbered), Some(Some(2)));
        assert_eq!(claimed_version(&plain), None);
        assert_eq!(claimed_version(&metadata(json!({"properties": {"confluent:version": "x"}}))), Some(None));
    }
}
