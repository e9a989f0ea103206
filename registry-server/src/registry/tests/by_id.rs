//! What an id is answered with: while other nodes change who uses it, and while the store is away.

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use schema_core::fingerprint::Guid;
use schema_core::wire::Change;

use super::content::register_on;
use super::*;
use crate::registry::Force;

/// The subject, version and state that an answer shows where a subject is named.
async fn named(registry: &Registry, id: i32, name: &str) -> Result<(String, u32, bool), RegistryError> {
    let found = registry.schema_by_id(id, Some(&subject(name))).await?.ok_or(RegistryError::SchemaNotFound)?;
    Ok((found.subject.name().to_owned(), found.entry.version.0, found.entry.deleted))
}

/// The same as a finished answer.
async fn answer(registry: &Registry, id: i32, subject: Option<&Subject>) -> Result<Bytes, RegistryError> {
    let make = |found: &Found| {
        Ok::<_, RegistryError>(Bytes::from(format!("{} {}", found.subject.name(), found.entry.version.0)))
    };
    registry.schema_by_id_answer(id, subject, make).await?.ok_or(RegistryError::SchemaNotFound)
}

pub(super) async fn set_alias(registry: &Registry, name: &str, target: &str) {
    let alias = ConfigUpdate { alias: Change::Set(target.to_owned()), ..ConfigUpdate::default() };
    registry.change_config(&ScopeName::parse(name), alias).await.unwrap();
}

/// Two nodes: one that writes, and one that hears nothing of it.
pub(super) async fn writing_and_deaf() -> (Registry, Registry, Arc<OddStore>) {
    let (writing, store) = registry().await;
    let deaf = OddStore::over(Arc::clone(&store.inner));
    deaf.is_deaf.store(true, Ordering::SeqCst);
    (writing, registry_over(&deaf), deaf)
}

/// Purges whole subjects, one after the other.
pub(super) async fn purge(registry: &Registry, names: &[&str]) {
    for name in names {
        for mode in [DeleteMode::Soft, DeleteMode::Permanent] {
            registry.delete_subject(&subject(name), mode).await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_guid_has_its_content_also_where_another_node_has_given_the_id_again() {
    let (writing, reading, _store) = writing_and_deaf().await;
    let import = Terms { id: Some(SchemaId(10)), ..Terms::default() };
    writing.put_mode(&ScopeName::parse("s"), Some(Mode::Import), Force::No).await.unwrap();
    let purged = register_on(&writing, "s", &record("a"), import.clone()).await.unwrap().schema;
    reading.schema_by_id(10, None).await.unwrap().unwrap();
    for mode in [DeleteMode::Soft, DeleteMode::Permanent] {
        writing.delete_version(&subject("s"), Selector::Number(Version(1)), mode).await.unwrap();
    }
    let again = register_on(&writing, "s", &record("b"), import).await.unwrap().schema;

    for _ in 0..2 {
        let found = reading.schema_by_guid(&Guid(again.guid).to_string()).await.unwrap().unwrap();
        assert_eq!((found.content.stored.guid, &found.content.schema.text), (again.guid, &again.text));
        assert!(reading.schema_by_guid(&Guid(purged.guid).to_string()).await.unwrap().is_none());
    }
}

#[tokio::test]
async fn what_another_node_has_changed_is_seen_at_once_where_the_subject_is_named() {
    let (writing, reading, _store) = writing_and_deaf().await;
    let schema = record("a");
    register(&writing, "m", &schema).await.unwrap();
    let shows = async |name: &str, subject: &str, version, deleted| {
        for _ in 0..2 {
            assert_eq!(named(&reading, 1, name).await.unwrap(), (subject.to_owned(), version, deleted), "{name}");
            let text = answer(&reading, 1, Some(&super::subject(name))).await.unwrap();
            assert_eq!(text, format!("{subject} {version}"), "{name}");
        }
    };
    for name in ["b", "m", "z", "old", "only"] {
        shows(name, "m", 1, false).await;
    }

    register(&writing, "b", &schema).await.unwrap();
    shows("b", "b", 1, false).await;

    writing.delete_version(&subject("m"), Selector::Latest, DeleteMode::Soft).await.unwrap();
    shows("m", "m", 1, true).await;
    register(&writing, "m", &schema).await.unwrap();
    shows("m", "m", 2, false).await;

    set_alias(&writing, "old", "b").await;
    shows("old", "b", 1, false).await;
    set_alias(&writing, "old", "m").await;
    shows("old", "m", 2, false).await;

    register(&writing, ":.c:only", &record("ab")).await.unwrap();
    shows("only", ":.c:only", 1, false).await;
    writing.delete_subject(&subject(":.c:only"), DeleteMode::Soft).await.unwrap();
    shows("only", ":.c:only", 1, true).await;
    writing.delete_subject(&subject(":.c:only"), DeleteMode::Permanent).await.unwrap();
    assert_eq!(named(&reading, 1, "only").await.unwrap().1, 1);
    assert!(named(&reading, 1, "only").await.unwrap().0 != ":.c:only");
}

#[tokio::test]
async fn a_named_subject_costs_one_question_once_its_answer_is_known() {
    let (registry, store) = registry().await;
    register(&registry, "s", &record("a")).await.unwrap();
    let subject = subject("s");
    let first = answer(&registry, 1, Some(&subject)).await.unwrap();
    let reads = || {
        [&store.revisions, &store.snapshot_reads, &store.content_reads, &store.schema_reads]
            .map(|reads| reads.load(Ordering::SeqCst))
    };
    let [revisions, others @ ..] = reads();

    assert_eq!(answer(&registry, 1, Some(&subject)).await.unwrap(), first);

    assert_eq!(reads()[0], revisions + 1);
    assert_eq!(reads()[1..], others);
}

#[tokio::test]
async fn what_shows_the_same_use_of_another_subject_again_is_not_remembered_anew() {
    let (registry, _store) = registry().await;
    register(&registry, "s", &record("a")).await.unwrap();
    register(&registry, ":.c:only", &record("ab")).await.unwrap();
    set_alias(&registry, "old", "s").await;
    for name in ["z", "old", "only"] {
        let remembered = async || {
            named(&registry, 1, name).await.unwrap();
            registry.caches.named_uses.get(&(subject(name).key, SchemaId(1))).await.unwrap()
        };
        assert!(Arc::ptr_eq(&remembered().await, &remembered().await), "{name}");
    }
}

#[tokio::test]
async fn an_id_that_is_given_while_somebody_misses_it_is_found_by_who_asks_then() {
    let (writing, reading, store) = writing_and_deaf().await;
    let (go_on, late) = oneshot::channel();
    *store.late_uses.lock().unwrap() = Some(late);

    let early = reading.schema_by_id(1, None);
    let write = async {
        while store.late_uses.lock().unwrap().is_some() {
            tokio::task::yield_now().await;
        }
        register(&writing, "s", &record("a")).await.unwrap();
        let (found, ()) = tokio::join!(reading.schema_by_id(1, None), async { go_on.send(()).unwrap() });
        found
    };
    let (early, found) = tokio::join!(early, write);

    assert!(early.unwrap().is_none());
    assert!(found.unwrap().is_some());
}

#[tokio::test]
async fn what_a_named_subject_was_answered_is_answered_while_the_store_is_down() {
    let (registry, store) = registry().await;
    register(&registry, "s", &record("a")).await.unwrap();
    register(&registry, ":.c:only", &record("ab")).await.unwrap();
    set_alias(&registry, "old", "s").await;
    set_alias(&registry, "team", ":.c:").await;
    let names = ["s", "z", "old", "only", "team"];
    let before = join_all(names.map(|name| named(&registry, 1, name))).await;
    let answers = join_all([subject("s"), subject("only")].map(async |s| answer(&registry, 1, Some(&s)).await)).await;

    store.is_down.store(true, Ordering::SeqCst);

    let asked = store.revisions.load(Ordering::SeqCst);
    for (name, before) in names.into_iter().zip(before) {
        assert_eq!(named(&registry, 1, name).await.unwrap(), before.unwrap(), "{name}");
    }
    assert_eq!(store.revisions.load(Ordering::SeqCst) - asked, names.len(), "nobody is kept waiting twice");
    for (name, before) in ["s", "only"].into_iter().zip(answers) {
        assert_eq!(answer(&registry, 1, Some(&subject(name))).await.unwrap(), before.unwrap(), "{name}");
    }
}

#[tokio::test]
async fn nothing_is_guessed_for_a_named_subject_while_the_store_is_down() {
    let (registry, store) = registry().await;
    register(&registry, "s", &record("a")).await.unwrap();
    register(&registry, "told", &record("a")).await.unwrap();
    register(&registry, ":.c:only", &record("ab")).await.unwrap();
    set_alias(&registry, "old", ":.c:only").await;
    named(&registry, 1, "told").await.unwrap();
    registry.delete_version(&subject("told"), Selector::Latest, DeleteMode::Soft).await.unwrap();
    registry.schema_by_id(1, None).await.unwrap().unwrap();

    store.is_down.store(true, Ordering::SeqCst);

    assert_eq!(named(&registry, 1, "s").await.unwrap(), ("s".to_owned(), 1, false), "an answer to others has shown it");
    assert_eq!(named(&registry, 1, "told").await.unwrap(), ("told".to_owned(), 1, true));
    for name in ["old", "only", ":.c:only"] {
        let unknown = named(&registry, 1, name).await;
        assert!(matches!(unknown, Err(RegistryError::Unavailable(_))), "{name}: {unknown:?}");
    }
    let max_id = registry.schema_by_id_and_max_id(1, Some(&subject("s"))).await;
    assert!(matches!(max_id, Err(RegistryError::Unavailable(_))), "{max_id:?}");
}

#[tokio::test]
async fn an_alias_leads_away_from_what_the_subject_uses_itself() {
    let (registry, store) = registry().await;
    register(&registry, "s", &record("a")).await.unwrap();
    register(&registry, "t", &record("a")).await.unwrap();
    set_alias(&registry, "s", ":.c:s").await;
    set_alias(&registry, "t", "s").await;
    assert_eq!(register(&registry, "s", &record("b")).await.unwrap(), (1, 1), "ids begin anew in each context");

    for is_down in [false, true] {
        store.is_down.store(is_down, Ordering::SeqCst);
        let found = registry.schema_by_id(1, Some(&subject("s"))).await.unwrap().unwrap();
        assert_eq!(found.subject.name(), ":.c:s");
        assert!(found.content.schema.text.contains("\"b\""), "{}", found.content.schema.text);
        assert_eq!(named(&registry, 1, "t").await.unwrap().0, "s");
    }

    // Who does not know of the alias guesses nothing.
    store.is_down.store(false, Ordering::SeqCst);
    let fresh = registry_over(&store);
    fresh.schema_by_id(1, None).await.unwrap().unwrap();
    store.is_down.store(true, Ordering::SeqCst);
    assert!(matches!(named(&fresh, 1, "s").await, Err(RegistryError::Unavailable(_))));
}

#[tokio::test]
async fn an_alias_of_a_context_shows_the_first_use_there_as_the_context_does() {
    let (writing, reading, _store) = writing_and_deaf().await;
    set_alias(&writing, "team", ":.c:").await;
    set_alias(&writing, "home", ":.:").await;
    assert!(named(&reading, 1, "team").await.is_err());
    register(&writing, "s", &record("a")).await.unwrap();
    register(&writing, ":.c:m", &record("ab")).await.unwrap();
    register(&writing, ":.c:m", &record("ab")).await.unwrap();
    register(&writing, ":.c:team", &record("abc")).await.unwrap();

    for (name, alone, shown) in [("team", ":.c:", ":.c:m"), ("home", ":.:", "s")] {
        for _ in 0..2 {
            assert_eq!(named(&reading, 1, name).await.unwrap(), (shown.to_owned(), 1, false), "{name}");
            assert_eq!(named(&reading, 1, alone).await.unwrap(), (shown.to_owned(), 1, false), "{alone}");
            let text = answer(&reading, 1, Some(&subject(name))).await.unwrap();
            assert_eq!(text, format!("{shown} 1"), "{name}");
        }
    }
    assert_eq!(named(&reading, 2, "team").await.unwrap().0, ":.c:team");
    let unknown = named(&reading, 2, "home").await;
    assert!(matches!(unknown, Err(RegistryError::SchemaNotFound)), "{unknown:?}");

    for mode in [DeleteMode::Soft, DeleteMode::Permanent] {
        writing.delete_subject(&subject(":.c:m"), mode).await.unwrap();
    }
    set_alias(&writing, "team", ":.d:").await;
    assert!(named(&reading, 1, "team").await.is_err(), "nothing of the former context is left of it");
}

/// One way to ask for the id 1 as a subject has it, and whether there is an answer.
type Asking = for<'a> fn(&'a Registry, &'a str) -> BoxFuture<'a, Result<bool, RegistryError>>;

/// Those that name a subject are right at once; one by the context alone may be behind for seconds.
const NAMED: [Asking; 4] = [
    |registry, name| found(registry, subject(name)).boxed(),
    |registry, name| found(registry, alias_of(name)).boxed(),
    |registry, name| answered(registry, subject(name)).boxed(),
    BARE,
];
const BARE: Asking = |registry, name| answered(registry, bare(name)).boxed();
const ALONE: [Asking; 2] = [
    |registry, name| found(registry, context_of(name)).boxed(),
    |registry, name| answered(registry, context_of(name)).boxed(),
];
const LISTING: Asking =
    |registry, name| async { Ok(!registry.uses_in_context(1, Some(&context_of(name))).await?.is_empty()) }.boxed();

fn alias_of(name: &str) -> Subject {
    subject(&format!("{name}-alias"))
}

fn bare(name: &str) -> Subject {
    subject(&name[name.rfind(':').map_or(0, |end| end + 1)..])
}

fn context_of(name: &str) -> Subject {
    Subject::parse(&name[..name.rfind(':').map_or(0, |end| end + 1)])
}

async fn found(registry: &Registry, subject: Subject) -> Result<bool, RegistryError> {
    Ok(registry.schema_by_id(1, Some(&subject)).await?.is_some())
}

async fn answered(registry: &Registry, subject: Subject) -> Result<bool, RegistryError> {
    match answer(registry, 1, Some(&subject)).await {
        Err(RegistryError::SchemaNotFound) => Ok(false),
        answer => answer.map(|_| true),
    }
}

/// Removes what `known` have read, which is then seen by `sees`, and answered to nobody while the store is down.
async fn assert_gone(name: &str, known: &[Asking], sees: Asking, is_in_doubt: bool) {
    let (writing, reading, store) = writing_and_deaf().await;
    register(&writing, name, &record("a")).await.unwrap();
    set_alias(&writing, alias_of(name).name(), name).await;
    for asks in known {
        assert!(asks(&reading, name).await.unwrap());
    }
    for mode in [DeleteMode::Soft, DeleteMode::Permanent] {
        writing.delete_subject(&subject(name), mode).await.unwrap();
    }
    store.is_in_doubt.store(is_in_doubt, Ordering::SeqCst);

    assert!(!sees(&reading, name).await.unwrap());

    store.is_down.store(true, Ordering::SeqCst);
    for asks in known {
        let served = asks(&reading, name).await;
        assert!(matches!(served, Err(RegistryError::Unavailable(_))), "{served:?}");
    }
}

#[tokio::test]
async fn what_was_seen_to_be_gone_is_answered_in_no_way_while_the_store_is_down() {
    for name in ["s", ":.c:s"] {
        for (at, known) in NAMED.into_iter().chain(ALONE).enumerate() {
            for (by, sees) in NAMED.into_iter().chain(ALONE).chain([LISTING]).enumerate() {
                println!("{name}, known by {at}, seen by {by}");
                let is_bare = std::ptr::fn_addr_eq(sees, BARE);
                // A bare name shows nothing of another context that it has not led to before.
                let known = if is_bare { vec![known, BARE] } else { vec![known] };
                assert_gone(name, &known, sees, true).await;
                if by < NAMED.len() {
                    assert_gone(name, &known, sees, false).await;
                }
            }
        }
    }
}

#[tokio::test]
async fn what_was_given_after_somebody_had_missed_it_is_answered_while_the_store_is_down() {
    for (asking, asks) in NAMED.into_iter().chain(ALONE).enumerate() {
        let (writing, reading, store) = writing_and_deaf().await;
        set_alias(&writing, "s-alias", "s").await;
        assert!(!asks(&reading, "s").await.unwrap());

        register(&writing, "s", &record("a")).await.unwrap();
        assert!(asks(&reading, "s").await.unwrap());

        store.is_down.store(true, Ordering::SeqCst);
        assert!(asks(&reading, "s").await.unwrap(), "{asking}");
    }
}

#[tokio::test]
async fn what_was_known_before_a_doubt_is_answered_while_the_store_is_away_and_not_while_it_is_busy() {
    for (asking, asks) in NAMED[..3].iter().chain(&ALONE).enumerate() {
        let (writing, reading, store) = writing_and_deaf().await;
        register(&writing, "s", &record("a")).await.unwrap();
        set_alias(&writing, "s-alias", "s").await;
        assert!(asks(&reading, "s").await.unwrap());
        store.is_down.store(true, Ordering::SeqCst);

        for (is_in_doubt, is_busy, is_served) in
            [(false, true, true), (false, false, true), (true, false, true), (true, true, false)]
        {
            store.is_in_doubt.store(is_in_doubt, Ordering::SeqCst);
            store.is_busy.store(is_busy, Ordering::SeqCst);
            let served = asks(&reading, "s").await;
            assert_eq!(served.is_ok(), is_served, "{asking}, {is_in_doubt}, {is_busy}: {served:?}");
        }
    }
}

/// More than the caches of these tests remember to be gone.
const GONE: i32 = 60;

/// A node that has read the ids from 1 on, and then that all but those of `kept`, which are the last, are gone.
async fn of_many_that_are_gone(kept: &[&str]) -> (Registry, Arc<OddStore>) {
    let (writing, reading, store) = writing_and_deaf().await;
    let gone = (1..=GONE).map(|id| format!("s{id}"));
    for (id, name) in (1..).zip(gone.clone().chain(kept.iter().map(|&name| name.to_owned()))) {
        let schema = input(&format!(r#"{{"type":"fixed","name":"F","size":{id}}}"#));
        assert_eq!(register(&writing, &name, &schema).await.unwrap().0, u32::try_from(id).unwrap());
        named(&reading, id, &name).await.unwrap();
    }
    for name in gone {
        for mode in [DeleteMode::Soft, DeleteMode::Permanent] {
            writing.delete_subject(&subject(&name), mode).await.unwrap();
        }
    }
    for id in 1..=GONE {
        assert!(reading.schema_by_id(id, None).await.unwrap().is_none());
    }
    assert!(!reading.caches.gone.has(&Arc::from("."), SchemaId(1), 0), "it is dropped");
    (reading, store)
}

#[tokio::test]
async fn of_many_that_are_gone_none_is_answered_while_the_store_is_down_and_what_was_asked_for_since_is() {
    let (reading, store) = of_many_that_are_gone(&["kept", "forgotten"]).await;
    named(&reading, GONE + 1, "kept").await.unwrap();

    store.is_down.store(true, Ordering::SeqCst);

    for (id, name) in (1..=GONE).map(|id| (id, format!("s{id}"))).chain([(GONE + 2, "forgotten".to_owned())]) {
        assert!(matches!(named(&reading, id, &name).await, Err(RegistryError::Unavailable(_))), "{name}");
    }
    assert_eq!(named(&reading, GONE + 1, "kept").await.unwrap().0, "kept");
}

/// What does not use the id shows the first that does, as it was read with all uses of the id.
#[tokio::test]
async fn where_many_are_gone_others_are_answered_while_the_store_is_down_if_the_id_is_there_that_they_show() {
    let (reading, store) = of_many_that_are_gone(&["kept", "forgotten"]).await;
    assert!(reading.schema_by_id(GONE + 1, None).await.unwrap().is_some());
    for id in 1..=GONE {
        assert!(reading.schema_by_id(id, None).await.unwrap().is_none());
    }
    named(&reading, GONE + 1, "other").await.unwrap();

    store.is_down.store(true, Ordering::SeqCst);

    assert_eq!(named(&reading, GONE + 1, "other").await.unwrap().0, "kept");
    assert!(matches!(named(&reading, GONE + 2, "forgotten").await, Err(RegistryError::Unavailable(_))));
}

/// As a consumer asks for that reads what is no message of the wire format.
#[tokio::test]
async fn ids_that_never_were_leave_all_that_was_read_to_be_answered_while_the_store_is_down() {
    let (registry, store) = registry().await;
    register(&registry, "s", &record("a")).await.unwrap();
    named(&registry, 1, "s").await.unwrap();
    for id in 1_000..1_000 + 2 * GONE {
        assert!(registry.schema_by_id(id, None).await.unwrap().is_none());
        assert!(registry.schema_by_id(id, Some(&subject("s"))).await.unwrap().is_none());
        assert!(registry.uses_in_context(id, None).await.unwrap().is_empty());
    }

    store.is_down.store(true, Ordering::SeqCst);

    assert_eq!(named(&registry, 1, "s").await.unwrap().0, "s");
}

/// The answer to who has asked before it was given comes after that to who has asked then.
#[tokio::test]
async fn what_was_given_is_answered_while_the_store_is_down_whoever_is_told_late_that_nothing_has_it() {
    for (asking, asks) in NAMED[..3].iter().chain(&ALONE).enumerate() {
        for (late, missing) in [LISTING, ALONE[0]].into_iter().enumerate() {
            let (writing, reading, store) = writing_and_deaf().await;
            set_alias(&writing, "s-alias", "s").await;
            let (go_on, answers) = oneshot::channel();
            *store.late_uses.lock().unwrap() = Some(answers);

            let write = async {
                while store.late_uses.lock().unwrap().is_some() {
                    tokio::task::yield_now().await;
                }
                register(&writing, "s", &record("a")).await.unwrap();
                let given = async {
                    assert!(asks(&reading, "s").await.unwrap());
                };
                // Who asks as the late one did waits for it first.
                let go_on = async { go_on.send(()).unwrap() };
                if late == 0 {
                    given.await;
                    go_on.await;
                } else {
                    tokio::join!(given, go_on);
                }
            };
            let (missed, ()) = tokio::join!(missing(&reading, "s"), write);

            assert!(!missed.unwrap());
            store.is_down.store(true, Ordering::SeqCst);
            assert!(asks(&reading, "s").await.unwrap(), "{asking}, {late}");
        }
    }
}

/// Three miss it at once: the second and the third wait for the first, and then the third for the second.
#[tokio::test]
async fn what_was_given_is_answered_while_the_store_is_down_whoever_is_told_with_a_late_one_that_nothing_has_it() {
    let (writing, reading, store) = writing_and_deaf().await;
    register(&writing, ":.c:higher", &record("a")).await.unwrap();
    named(&reading, 1, ":.c:higher").await.unwrap();
    let late_uses = || {
        let (go_on, late) = oneshot::channel();
        *store.late_uses.lock().unwrap() = Some(late);
        go_on
    };
    let is_asked = || store.late_uses.lock().unwrap().is_none();
    let [mut first, mut second, mut third] = [(); 3].map(|()| reading.schema_by_id(1, None).boxed());

    let go_on = late_uses();
    while !is_asked() {
        assert!((&mut first).now_or_never().is_none());
    }
    assert!((&mut second).now_or_never().is_none() && (&mut third).now_or_never().is_none());
    go_on.send(()).unwrap();
    assert!(first.await.unwrap().is_none());
    let go_on = late_uses();
    while !is_asked() {
        assert!((&mut second).now_or_never().is_none());
    }
    register(&writing, "s", &record("a")).await.unwrap();
    assert_eq!(named(&reading, 1, "s").await.unwrap().0, "s");
    assert!((&mut third).now_or_never().is_none());
    go_on.send(()).unwrap();
    assert!(second.await.unwrap().is_none() && third.await.unwrap().is_none());

    store.is_down.store(true, Ordering::SeqCst);
    assert_eq!(named(&reading, 1, "s").await.unwrap().0, "s");
}
