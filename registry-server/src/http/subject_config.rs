//! `/config`: settings of the registry and of subjects.

use futures_util::future::LocalBoxFuture;
use schema_core::wire::{Change, Config, ConfigUpdate};

use crate::registry::{ConfigChange, ConfigView, Inherit, RegistryError, Subject};

use super::{Answer, Call, json};

/// `GET /config`.
pub(crate) fn get_global<'a>(call: &'a Call<'a>) -> LocalBoxFuture<'a, Answer> {
    Box::pin(async { json(&config(call.registry.global_config().await?)) })
}

/// `GET /config/{subject}`; with `defaultToGlobal` also of a subject without settings.
pub(crate) fn get<'a>(call: &'a Call<'a>) -> LocalBoxFuture<'a, Answer> {
    Box::pin(async {
        let subject = Subject::parse(call.argument(0));
        let inherit = if call.query.flag("defaultToGlobal")? { Inherit::Yes } else { Inherit::No };
        json(&config(call.registry.subject_config(&subject, inherit).await?))
    })
}

/// `PUT /config`.
pub(crate) fn put_global<'a>(call: &'a Call<'a>) -> LocalBoxFuture<'a, Answer> {
    Box::pin(async {
        let update = call.read("updateTopLevelConfig").await?;
        json(&echo(call.registry.change_config(None, change(update)?).await?))
    })
}

/// `PUT /config/{subject}`; the subject need not have versions.
pub(crate) fn put<'a>(call: &'a Call<'a>) -> LocalBoxFuture<'a, Answer> {
    Box::pin(async {
        let update = call.read("updateSubjectLevelConfig").await?;
        let subject = Subject::parse_to_write(call.argument(0))?;
        json(&echo(call.registry.change_config(Some(&subject), change(update)?).await?))
    })
}

/// What a request changes, or which of its settings are not there yet. Clearing one of those changes nothing.
fn change(update: ConfigUpdate) -> Result<ConfigChange, RegistryError> {
    fn is_set<T>(change: &Change<T>) -> bool {
        matches!(change, Change::Set(_))
    }
    let given = [
        (is_set(&update.alias), "`alias`"),
        (is_set(&update.validate_fields), "`validateFields`"),
        (is_set(&update.validate_new_schemas), "`validateNewSchemas`"),
        (is_set(&update.validate_rules), "`validateRules`"),
        (is_set(&update.compatibility_policy), "`compatibilityPolicy`"),
        (is_set(&update.compatibility_group), "`compatibilityGroup`"),
        (is_set(&update.default_metadata), "`defaultMetadata`"),
        (is_set(&update.override_metadata), "`overrideMetadata`"),
        (is_set(&update.default_rule_set), "`defaultRuleSet`"),
        (is_set(&update.override_rule_set), "`overrideRuleSet`"),
    ];
    match given.into_iter().find(|(is_given, _)| *is_given) {
        Some((_, what)) => Err(RegistryError::NotSupported { what: format!("{what} in a config") }),
        None => Ok(ConfigChange { compatibility: update.compatibility, normalize: update.normalize }),
    }
}

/// Reads call the level `compatibilityLevel` ...
fn config(view: ConfigView) -> Config {
    Config {
        compatibility_level: view.compatibility.map(|level| level.as_str().to_owned()),
        normalize: view.normalize,
        ..Config::default()
    }
}

/// ... and the echo of a write calls it `compatibility`.
fn echo(view: ConfigView) -> ConfigUpdate {
    ConfigUpdate {
        compatibility: view.compatibility.map(|level| level.as_str().to_owned()).into(),
        normalize: view.normalize.into(),
        ..ConfigUpdate::default()
    }
}
