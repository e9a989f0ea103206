//! Configs of the three scopes.

use schema_core::Level;

use super::super::{ConfigRecord, ConfigScope, ConfigScopes, Deleted};
use super::*;

const LEVELS: [Level; 7] = [
    Level::None,
    Level::Backward,
    Level::BackwardTransitive,
    Level::Forward,
    Level::ForwardTransitive,
    Level::Full,
    Level::FullTransitive,
];

fn scopes() -> [ConfigScope; 4] {
    [
        ConfigScope::Global,
        ConfigScope::Context(Arc::from(".")),
        ConfigScope::Subject(subject("s")),
        ConfigScope::Subject(subject("")),
    ]
}

fn record(compatibility: Option<Level>, normalize: Option<bool>) -> ConfigRecord {
    ConfigRecord { compatibility, normalize }
}

pub(crate) async fn a_config_reads_back_at_every_scope(store: &Arc<dyn Store>) {
    for scope in scopes() {
        assert_eq!(store.config(&scope).await.unwrap(), None, "{scope:?}");
    }

    let levels = [Level::Full, Level::None, Level::Forward, Level::BackwardTransitive];
    for (scope, level) in scopes().iter().zip(levels) {
        store.put_config(scope, record(Some(level), Some(true))).await.unwrap();
    }

    for (scope, level) in scopes().iter().zip(levels) {
        assert_eq!(store.config(scope).await.unwrap(), Some(record(Some(level), Some(true))), "{scope:?}");
    }
    let expected = ConfigScopes {
        subject: Some(record(Some(Level::Forward), Some(true))),
        context: Some(record(Some(Level::None), Some(true))),
        global: Some(record(Some(Level::Full), Some(true))),
    };
    assert_eq!(store.subject_snapshot(&subject("s")).await.unwrap().config, expected);
    let elsewhere = ConfigScopes { global: expected.global, ..ConfigScopes::default() };
    assert_eq!(store.subject_snapshot(&subject_in(".team", "s")).await.unwrap().config, elsewhere);
}

pub(crate) async fn a_config_replaces_the_one_before(store: &Arc<dyn Store>) {
    let scope = ConfigScope::Subject(subject("s"));

    for level in LEVELS {
        for normalize in [None, Some(false), Some(true)] {
            for config in [record(Some(level), normalize), record(None, normalize)] {
                store.put_config(&scope, config.clone()).await.unwrap();
                assert_eq!(store.config(&scope).await.unwrap(), Some(config));
            }
        }
    }
}

pub(crate) async fn a_config_alone_is_no_subject(store: &Arc<dyn Store>) {
    let key = subject("s");
    store.put_config(&ConfigScope::Subject(key.clone()), record(Some(Level::Full), None)).await.unwrap();

    assert_eq!(store.subjects(".", Deleted::Include).await.unwrap(), Vec::<Arc<str>>::new());
    assert_eq!(versions(store, &key).await, []);
    assert_eq!(register(store, &key, "one").await, pair(1, 1));
}

pub(crate) async fn an_empty_config_is_a_config(store: &Arc<dyn Store>) {
    for scope in scopes() {
        store.put_config(&scope, ConfigRecord::default()).await.unwrap();
        assert_eq!(store.config(&scope).await.unwrap(), Some(ConfigRecord::default()), "{scope:?}");
    }
}
