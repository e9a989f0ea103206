//! Modes, and the way into IMPORT.

use super::super::{ConfigRecord, DeleteMode, Deleted, ImportDemand, Mode, ModePut, Put, Scopes};
use super::references::refer;
use super::*;

const MODES: [Mode; 5] = [Mode::ReadWrite, Mode::ReadOnly, Mode::ReadOnlyOverride, Mode::Import, Mode::Forward];

fn scopes() -> [Scope; 4] {
    [
        Scope::Global,
        Scope::Context(Arc::from(".")),
        Scope::Context(Arc::from(".team")),
        Scope::Subject(subject_in(".team", "s")),
    ]
}

async fn put(store: &Arc<dyn Store>, scope: &Scope, mode: Option<Mode>, demand: ImportDemand) -> ModePut {
    let revision = store.scope_snapshot(scope).await.unwrap().revision;
    store.put_mode(scope, mode, revision, demand).await.unwrap()
}

async fn mode_of(store: &Arc<dyn Store>, scope: &Scope) -> Option<Mode> {
    store.scope_snapshot(scope).await.unwrap().settings.at(scope).mode
}

async fn soft_delete(store: &Arc<dyn Store>, key: &SubjectKey) {
    let revision = store.revision(key).await.unwrap();
    store.delete_subject(key, DeleteMode::Soft, revision).await.unwrap();
}

pub async fn a_mode_reads_back_at_every_scope(store: &Arc<dyn Store>) {
    for scope in scopes() {
        assert_eq!(mode_of(store, &scope).await, None, "{scope:?}");
        for mode in MODES {
            assert_eq!(put(store, &scope, Some(mode), ImportDemand::Nothing).await, ModePut::Done);
            assert_eq!(mode_of(store, &scope).await, Some(mode), "{scope:?}");
        }
    }

    for (scope, mode) in scopes().iter().zip(MODES) {
        put(store, scope, Some(mode), ImportDemand::Nothing).await;
    }
    let settings = store.subject_snapshot(&subject_in(".team", "s")).await.unwrap().settings;
    let modes = Scopes {
        subject: settings.subject.mode,
        context: settings.context.mode,
        default_context: settings.default_context.mode,
        global: settings.global.mode,
    };
    let expected = Scopes {
        global: Some(Mode::ReadWrite),
        default_context: Some(Mode::ReadOnly),
        context: Some(Mode::ReadOnlyOverride),
        subject: Some(Mode::Import),
    };
    assert_eq!(modes, expected);
}

pub async fn of_what_is_narrower_than_a_scope_only_the_default_context_is_shown(store: &Arc<dyn Store>) {
    for scope in scopes() {
        put(store, &scope, Some(Mode::Forward), ImportDemand::Nothing).await;
    }

    let of_context = store.scope_snapshot(&Scope::Context(Arc::from(".team"))).await.unwrap();
    let of_global = store.scope_snapshot(&Scope::Global).await.unwrap();

    assert_eq!((of_context.settings.subject.mode, of_context.revision.subject), (None, 0));
    assert_eq!(of_context.settings.default_context.mode, Some(Mode::Forward));
    assert_eq!(of_context.settings.global.mode, Some(Mode::Forward));
    let Scopes { subject, context, default_context, global } = of_global.settings;
    assert_eq!((subject.mode, context.mode), (None, None));
    assert_eq!((default_context.mode, global.mode), (Some(Mode::Forward), Some(Mode::Forward)));
    let expected = Revision { subject: 0, context: 0, ..of_context.revision };
    assert_eq!(of_global.revision, expected);
}

pub async fn a_mode_that_is_removed_is_not_set(store: &Arc<dyn Store>) {
    for scope in scopes() {
        put_config(store, &scope, ConfigRecord::default()).await;
        put(store, &scope, Some(Mode::ReadOnly), ImportDemand::Nothing).await;

        assert_eq!(put(store, &scope, None, ImportDemand::Nothing).await, ModePut::Done);
        assert_eq!(mode_of(store, &scope).await, None, "{scope:?}");
        assert_eq!(config_of(store, &scope).await, Some(ConfigRecord::default()), "the config stays");
        assert_eq!(put(store, &scope, None, ImportDemand::Nothing).await, ModePut::Done, "again");
    }
}

pub async fn a_stale_change_of_settings_is_refused(store: &Arc<dyn Store>) {
    for scope in scopes() {
        let stale = store.scope_snapshot(&scope).await.unwrap().revision;
        put(store, &scope, Some(Mode::ReadOnly), ImportDemand::Nothing).await;

        let mode = store.put_mode(&scope, Some(Mode::Import), stale, ImportDemand::Nothing).await.unwrap();
        let config = store.put_config(&scope, Some(ConfigRecord::default()), stale).await.unwrap();

        assert_eq!((mode, config), (ModePut::Moved, Put::Moved), "{scope:?}");
        assert_eq!(mode_of(store, &scope).await, Some(Mode::ReadOnly));
        assert_eq!(config_of(store, &scope).await, None);
    }
}

pub async fn import_wants_no_live_version_in_its_scope(store: &Arc<dyn Store>) {
    register(store, &subject_in(".team", "s"), "one").await;
    register(store, &subject_in(".team", "t"), "two").await;
    let demand = ImportDemand::NoLiveSubject;
    let import = Some(Mode::Import);

    for scope in [Scope::Global, Scope::Context(Arc::from(".team")), Scope::Subject(subject_in(".team", "s"))] {
        assert_eq!(put(store, &scope, import, demand).await, ModePut::NotEmpty, "{scope:?}");
        assert_eq!(mode_of(store, &scope).await, None);
        assert_eq!(put(store, &scope, import, ImportDemand::Nothing).await, ModePut::Done);
        put(store, &scope, None, ImportDemand::Nothing).await;
    }
    for scope in [Scope::Context(Arc::from(".")), Scope::Subject(subject_in(".team", "u"))] {
        let anywhere = put(store, &scope, import, ImportDemand::NoLiveSubjectAnywhere).await;
        assert_eq!((anywhere, mode_of(store, &scope).await), (ModePut::NotEmpty, None), "{scope:?}");
        assert_eq!(put(store, &scope, import, demand).await, ModePut::Done, "{scope:?}");
    }
}

pub async fn import_takes_soft_deleted_remains_of_its_scope_along(store: &Arc<dyn Store>) {
    let (s, t, other) = (subject_in(".team", "s"), subject_in(".team", "t"), subject("s"));
    let scope = Scope::Context(Arc::from(".team"));
    for key in [&s, &t, &other] {
        register(store, key, "one").await;
        register(store, key, "two").await;
        soft_delete(store, key).await;
    }
    put_config(store, &Scope::Subject(s.clone()), ConfigRecord::default()).await;
    let before = store.revision(&s).await.unwrap();

    assert_eq!(put(store, &scope, Some(Mode::Import), ImportDemand::NoLiveSubject).await, ModePut::Done);

    assert_eq!(versions(store, &s).await, []);
    assert_eq!(versions(store, &t).await, []);
    assert_eq!(versions(store, &other).await.len(), 2, "it stands elsewhere");
    assert_eq!(store.schema(".team", SchemaId(1)).await.unwrap(), None);
    assert_eq!(subjects(store, ".team", "", Deleted::Include).await, Vec::<Arc<str>>::new());
    assert_ne!(store.revision(&s).await.unwrap().subject, before.subject);
    assert_eq!(config_of(store, &Scope::Subject(s.clone())).await, Some(ConfigRecord::default()));
    assert_eq!(register(store, &s, "one").await, pair(3, 1), "ids go on");

    assert_eq!(put(store, &Scope::Global, Some(Mode::Import), ImportDemand::NoLiveSubject).await, ModePut::NotEmpty);
    soft_delete(store, &s).await;
    assert_eq!(put(store, &Scope::Global, Some(Mode::Import), ImportDemand::NoLiveSubject).await, ModePut::Done);
    assert_eq!(versions(store, &other).await, []);
}

pub async fn import_takes_soft_deleted_remains_of_every_context_along(store: &Arc<dyn Store>) {
    let (s, other) = (subject_in(".team", "s"), subject("s"));
    for key in [&s, &other] {
        register(store, key, "one").await;
        soft_delete(store, key).await;
    }
    let scope = Scope::Context(Arc::from("."));

    let done = put(store, &scope, Some(Mode::Import), ImportDemand::NoLiveSubjectAnywhere).await;

    assert_eq!(done, ModePut::Done);
    assert_eq!((versions(store, &s).await, versions(store, &other).await), (vec![], vec![]));
    assert_eq!(mode_of(store, &scope).await, Some(Mode::Import));
    assert_eq!(mode_of(store, &Scope::Context(Arc::from(".team"))).await, None);
}

pub async fn import_takes_remains_along_that_refer_to_each_other(store: &Arc<dyn Store>) {
    let (a, b) = (subject_in(".team", "a"), subject_in(".team", "b"));
    register(store, &a, "one").await;
    refer(store, &b, "to a", &a, 1).await;
    refer(store, &a, "to b", &b, 1).await;
    // From the end of the chain, so that nothing live refers to what goes.
    for (key, version) in [(&a, 2), (&b, 1), (&a, 1)] {
        let revision = store.revision(key).await.unwrap();
        store.delete_version(key, Version(version), DeleteMode::Soft, revision).await.unwrap();
    }

    let scope = Scope::Context(Arc::from(".team"));
    assert_eq!(put(store, &scope, Some(Mode::Import), ImportDemand::NoLiveSubject).await, ModePut::Done);

    assert_eq!((versions(store, &a).await, versions(store, &b).await), (Vec::new(), Vec::new()));
}

pub async fn import_leaves_remains_that_something_outside_refers_to(store: &Arc<dyn Store>) {
    let (base, key) = (subject_in(".team", "base"), subject("s"));
    register(store, &subject_in(".team", "a"), "a").await;
    soft_delete(store, &subject_in(".team", "a")).await;
    register(store, &base, "one").await;
    refer(store, &key, "refers", &base, 1).await;
    soft_delete(store, &key).await;
    soft_delete(store, &base).await;

    for scope in [Scope::Subject(base.clone()), Scope::Context(Arc::from(".team"))] {
        let refused = put(store, &scope, Some(Mode::Import), ImportDemand::NoLiveSubject).await;
        assert_eq!(refused, ModePut::Referenced { subject: base.clone(), version: Version(1) }, "{scope:?}");
        assert_eq!(mode_of(store, &scope).await, None);
    }
    assert_eq!(versions(store, &base).await, [(1, 2, true)]);
    assert_eq!(versions(store, &subject_in(".team", "a")).await.len(), 1, "all of it or nothing");
    // What refers goes along when it stands in the scope, too.
    assert_eq!(put(store, &Scope::Global, Some(Mode::Import), ImportDemand::NoLiveSubject).await, ModePut::Done);
    assert_eq!(subjects(store, ".team", "", Deleted::Include).await, Vec::<Arc<str>>::new());
}

pub async fn modes_of_a_context_and_below_are_removed_and_no_others(store: &Arc<dyn Store>) {
    let below = [subject_in(".team", "s"), subject_in(".team", "t")].map(Scope::Subject);
    let own = Scope::Context(Arc::from(".team"));
    let others = [Scope::Context(Arc::from(".other")), Scope::Subject(subject("s")), Scope::Global];
    for scope in below.iter().chain(&others) {
        put(store, scope, Some(Mode::ReadOnly), ImportDemand::Nothing).await;
    }
    put(store, &own, Some(Mode::Forward), ImportDemand::Nothing).await;
    let before = store.scope_snapshot(&below[0]).await.unwrap().revision;

    assert_eq!(store.delete_modes(".team").await.unwrap(), Some(Mode::Forward));
    assert_eq!(store.delete_modes(".nothing").await.unwrap(), None);

    for scope in below.iter().chain([&own]) {
        assert_eq!(mode_of(store, scope).await, None, "{scope:?}");
    }
    for scope in &others {
        assert_eq!(mode_of(store, scope).await, Some(Mode::ReadOnly), "{scope:?}");
    }
    let after = store.scope_snapshot(&below[0]).await.unwrap().revision;
    assert!(after.subject != before.subject && after.context != before.context, "{before:?}, {after:?}");
    assert_eq!(store.delete_modes(".team").await.unwrap(), None, "again");
    assert_eq!(store.scope_snapshot(&below[0]).await.unwrap().revision, after, "nothing was there");
}

pub async fn a_subject_whose_mode_is_removed_from_above_stays_if_it_has_more(store: &Arc<dyn Store>) {
    let [bare, used, configured] = ["bare", "used", "configured"].map(|name| subject_in(".team", name));
    let config = ConfigRecord { normalize: Some(true), ..ConfigRecord::default() };
    register(store, &used, "text").await;
    let at = store.scope_snapshot(&Scope::Subject(configured.clone())).await.unwrap().revision;
    store.put_config(&Scope::Subject(configured.clone()), Some(config), at).await.unwrap();
    for key in [&bare, &used, &configured] {
        put(store, &Scope::Subject(key.clone()), Some(Mode::ReadOnly), ImportDemand::Nothing).await;
    }
    let before = store.revision(&used).await.unwrap();

    store.delete_modes(".team").await.unwrap();

    assert_eq!(store.revision(&bare).await.unwrap().subject, 0, "nothing is left of it");
    assert_eq!(versions(store, &used).await.len(), 1);
    assert_ne!(store.revision(&used).await.unwrap(), before);
    let settings = store.scope_snapshot(&Scope::Subject(configured)).await.unwrap().settings;
    assert_eq!(settings.subject.config.and_then(|config| config.normalize), Some(true));
    assert_eq!(register(store, &used, "another").await, pair(2, 2));
}

pub async fn modes_of_a_context_and_below_go_together(store: &Arc<dyn Store>) {
    const ROUNDS: u32 = 50;
    let key = subject_in(".team", "s");
    let writer = {
        let (store, key) = (Arc::clone(store), key.clone());
        tokio::spawn(async move {
            for _ in 0..ROUNDS {
                // From below upwards, so that only a delete could leave the context's alone.
                for scope in [Scope::Subject(key.clone()), Scope::Context(key.context.clone())] {
                    put(&store, &scope, Some(Mode::ReadOnly), ImportDemand::Nothing).await;
                }
                assert_eq!(store.delete_modes(&key.context).await.unwrap(), Some(Mode::ReadOnly));
            }
        })
    };

    while !writer.is_finished() {
        let settings = store.subject_snapshot(&key).await.unwrap().settings;
        assert!(settings.context.mode.is_none() || settings.subject.mode.is_some(), "half of a delete is seen");
    }
    writer.await.unwrap();
}
