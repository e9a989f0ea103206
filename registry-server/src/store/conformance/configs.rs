//! Configs of the three scopes.

use schema_core::Level;

use super::super::names::LEVELS;
use super::super::{ConfigRecord, Deleted, Scope, Scopes};
use super::*;

fn scopes() -> [Scope; 4] {
    [Scope::Global, Scope::Context(Arc::from(".")), Scope::Subject(subject("s")), Scope::Subject(subject(""))]
}

async fn configs_for(store: &Arc<dyn Store>, key: &SubjectKey) -> Scopes<Option<ConfigRecord>> {
    let settings = store.subject_snapshot(key).await.unwrap().settings;
    Scopes {
        subject: settings.subject.config,
        context: settings.context.config,
        default_context: settings.default_context.config,
        global: settings.global.config,
    }
}

fn record(compatibility: Option<Level>, normalize: Option<bool>) -> ConfigRecord {
    ConfigRecord { compatibility, normalize, ..ConfigRecord::default() }
}

pub async fn a_config_reads_back_at_every_scope(store: &Arc<dyn Store>) {
    for scope in scopes() {
        assert_eq!(config_of(store, &scope).await, None, "{scope:?}");
    }

    let levels = [Level::Full, Level::None, Level::Forward, Level::BackwardTransitive];
    for (scope, level) in scopes().iter().zip(levels) {
        put_config(store, scope, record(Some(level), Some(true))).await;
    }

    for (scope, level) in scopes().iter().zip(levels) {
        assert_eq!(config_of(store, scope).await, Some(record(Some(level), Some(true))), "{scope:?}");
    }
    let expected = Scopes {
        subject: Some(record(Some(Level::Forward), Some(true))),
        context: Some(record(Some(Level::None), Some(true))),
        default_context: Some(record(Some(Level::None), Some(true))),
        global: Some(record(Some(Level::Full), Some(true))),
    };
    assert_eq!(configs_for(store, &subject("s")).await, expected);
    let elsewhere = Scopes { subject: None, context: None, ..expected };
    assert_eq!(configs_for(store, &subject_in(".team", "s")).await, elsewhere);
}

pub async fn a_config_replaces_the_one_before(store: &Arc<dyn Store>) {
    let scope = Scope::Subject(subject("s"));

    for level in LEVELS {
        for normalize in [None, Some(false), Some(true)] {
            for config in [record(Some(level), normalize), record(None, normalize)] {
                put_config(store, &scope, config.clone()).await;
                assert_eq!(config_of(store, &scope).await, Some(config));
            }
        }
    }
}

pub async fn a_config_alone_is_no_subject(store: &Arc<dyn Store>) {
    let key = subject("s");
    put_config(store, &Scope::Subject(key.clone()), record(Some(Level::Full), None)).await;

    assert_eq!(subjects(store, ".", "", Deleted::Include).await, Vec::<Arc<str>>::new());
    assert_eq!(versions(store, &key).await, []);
    assert_eq!(register(store, &key, "one").await, pair(1, 1));
}

pub async fn an_empty_config_is_a_config(store: &Arc<dyn Store>) {
    for scope in scopes() {
        put_config(store, &scope, ConfigRecord::default()).await;
        assert_eq!(config_of(store, &scope).await, Some(ConfigRecord::default()), "{scope:?}");
    }
}

pub async fn every_setting_of_a_config_reads_back(store: &Arc<dyn Store>) {
    let text = |text: &str| Some(Arc::from(text));
    let config = ConfigRecord {
        compatibility: Some(Level::FullTransitive),
        compatibility_policy: text("LENIENT"),
        compatibility_group: text("major"),
        normalize: Some(false),
        validate_fields: Some(true),
        validate_new_schemas: Some(false),
        validate_rules: Some(true),
        alias: text(":.team:target"),
        alias_for_deks: text("keys"),
        default_metadata: text(r#"{"properties":{"owner":"\u00e9 ' \""}}"#),
        override_metadata: text("{}"),
        default_rule_set: text(r#"{"domainRules":[]}"#),
        override_rule_set: text("{\"a\":1}"),
    };
    for scope in scopes() {
        put_config(store, &scope, config.clone()).await;
        assert_eq!(config_of(store, &scope).await.as_ref(), Some(&config), "{scope:?}");

        put_config(store, &scope, ConfigRecord::default()).await;
        assert_eq!(config_of(store, &scope).await, Some(ConfigRecord::default()), "{scope:?}");
    }
}

pub async fn a_config_that_is_removed_is_not_set(store: &Arc<dyn Store>) {
    register(store, &subject("s"), "one").await;
    for scope in scopes() {
        put_config(store, &scope, record(Some(Level::Full), None)).await;
        let before = store.scope_snapshot(&scope).await.unwrap().revision;

        put_config(store, &scope, None).await;

        assert_eq!(config_of(store, &scope).await, None, "{scope:?}");
        assert_ne!(store.scope_snapshot(&scope).await.unwrap().revision, before, "{scope:?}");
        put_config(store, &scope, None).await;
    }
    assert_eq!(versions(store, &subject("s")).await, [(1, 1, false)]);
}
