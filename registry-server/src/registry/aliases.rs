//! Names that stand for other subjects, as lists show them (`GET /schemas?aliases=true`).

use std::collections::HashMap;
use std::sync::Arc;

use crate::store::SubjectKey;

use super::subject::qualified;
use super::{Registry, RegistryError, Subject};

impl Registry {
    /// The names that stand for another subject, by that subject.
    ///
    /// # Errors
    /// The store's.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn aliases(&self) -> Result<HashMap<SubjectKey, Vec<Arc<str>>>, RegistryError> {
        let mut aliases: HashMap<SubjectKey, Vec<Arc<str>>> = HashMap::new();
        for (subject, target) in self.store.aliases().await? {
            if !target.is_empty() {
                let target = Subject::parse_in(&subject.context, &target).key;
                aliases.entry(target).or_default().push(qualified(&subject));
            }
        }
        Ok(aliases)
    }
}
