//! Metadata and rules as the store keeps them: JSON whose members are sorted by their types, so that equal values have
//! equal texts.

use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::RegistryError;

/// The text of a value.
///
/// # Errors
/// None in fact: maps with texts for keys always have a JSON text.
pub(super) fn write(value: &impl Serialize) -> Result<Arc<str>, RegistryError> {
    let text = serde_json::to_string(value).map(Arc::from);
    text.map_err(|error| RegistryError::Aborted { reason: error.to_string() })
}

/// The value of a text. `corrupt` makes the error of a text that is none of ours.
pub(super) fn read<T: DeserializeOwned, E>(
    text: Option<&Arc<str>>,
    corrupt: impl FnOnce(String) -> E,
) -> Result<Option<T>, E> {
    let value = text.map(|text| serde_json::from_str(text)).transpose();
    value.map_err(|error| corrupt(error.to_string()))
}

/// The value of a config's text.
///
/// # Errors
/// [`RegistryError::CorruptConfig`].
pub(super) fn read_config<T: DeserializeOwned>(text: Option<&Arc<str>>) -> Result<Option<T>, RegistryError> {
    read(text, |reason| RegistryError::CorruptConfig { reason })
}
