//! Two nodes: one changes a subject between the other's looks at it. What is told was true at one moment.

use serde_json::{Value, json};

use super::super::cache::CachedSubject;
use super::super::moment::Moment;
use super::by_id::{purge, set_alias, writing_and_deaf};
use super::content::{put_config, register_on, schema};
use super::*;

/// A node that was asked just before something changed.
struct Late {
    s: Subject,
    writing: Registry,
    deaf: Registry,
    store: Arc<OddStore>,
    seen: store::SubjectSnapshot,
}

impl Late {
    /// Has `s`, also called `old`, as `before` leaves it. The other node has seen its versions, and what is in `known`.
    async fn new(before: impl AsyncFnOnce(&Registry, &OddStore), known: &[i32]) -> Self {
        let (writing, deaf, store) = writing_and_deaf().await;
        before(&writing, &store).await;
        set_alias(&writing, "old", "s").await;
        let s = subject("s");
        let seen = store.inner.subject_snapshot(&s.key).await.unwrap();
        for id in known {
            deaf.schema_by_id(*id, None).await.unwrap().unwrap();
        }
        Self { s, writing, deaf, store, seen }
    }

    /// The node that knows the subject as it was, and is told once that it is so still.
    async fn node(&self) -> &Registry {
        let (key, seen) = (self.s.key.clone(), self.seen.clone());
        self.store.tell_late(&self.s, seen.revision);
        self.deaf.caches.subjects.insert(key, Arc::new(CachedSubject::new(self.s.clone(), seen))).await;
        &self.deaf
    }

    /// Purges a version.
    async fn delete_version(&self, version: u32) {
        for mode in [DeleteMode::Soft, DeleteMode::Permanent] {
            self.writing.delete_version(&self.s, Selector::Number(Version(version)), mode).await.unwrap();
        }
    }

    async fn check(&self, schema: &SchemaInput) -> Vec<String> {
        self.node().await.check_compatibility(&self.s, None, schema).await.unwrap()
    }

    async fn lookup(&self, schema: &SchemaInput) -> Result<u32, RegistryError> {
        self.node().await.lookup(&self.s, schema, Deleted::Hide).await.map(|found| found.entry.version.0)
    }

    async fn register(&self, schema: &SchemaInput) -> (u32, bool) {
        let registered = register_on(self.node().await, "old", schema, Terms::default()).await.unwrap();
        (registered.version.0, registered.is_new)
    }
}

fn enumeration(symbol: &str) -> String {
    format!(r#"{{"type":"enum","name":"E","symbols":["{symbol}"]}}"#)
}

fn record_of(e: &str, references: Value) -> SchemaInput {
    let text = format!(r#"{{"type":"record","name":"R","fields":[{{"name":"e","type":{e}}}]}}"#);
    schema(&text, json!({"references": references}))
}

fn with_reference() -> SchemaInput {
    record_of(r#""E""#, json!([{"name": "E", "subject": "base", "version": 1}]))
}

async fn set_level(store: &OddStore, level: Level) {
    put_config(store, "s", ConfigRecord { compatibility: Some(level), ..ConfigRecord::default() }).await;
}

/// The version and what it would mean now were never there together.
#[tokio::test]
async fn nothing_is_told_of_a_version_that_went_before_what_it_refers_to_was_looked_up() {
    for level in [Level::Backward, Level::BackwardTransitive] {
        // It fits the former meaning alone, or is what the version would be with the new one.
        for sent in [enumeration("A"), enumeration("B")] {
            let before = async |writing: &Registry, store: &OddStore| {
                register(writing, "base", &input(&enumeration("A"))).await.unwrap();
                register(writing, "s", &with_reference()).await.unwrap();
                set_level(store, level).await;
            };
            let late = Late::new(before, &[2]).await;
            purge(&late.writing, &["s", "base"]).await;
            register(&late.writing, "base", &input(&enumeration("B"))).await.unwrap();

            let sent = record_of(&sent, json!([]));
            assert_eq!(late.check(&sent).await, Vec::<String>::new());
            let found = late.lookup(&sent).await;
            assert!(matches!(found, Err(RegistryError::SubjectNotFound { .. })), "{found:?}");
            assert_eq!(late.register(&sent).await, (1, true));
        }
    }
}

/// So it is where a subject of the default context is looked for in other ones.
#[tokio::test]
async fn nothing_is_told_of_such_a_version_of_another_context_either() {
    let (writing, deaf, store) = writing_and_deaf().await;
    let s = subject(":.c:s");
    register(&writing, ":.c:base", &input(&enumeration("A"))).await.unwrap();
    register(&writing, ":.c:s", &with_reference()).await.unwrap();
    put_config(&store, ":.c:s", ConfigRecord { compatibility: Some(Level::None), ..ConfigRecord::default() }).await;
    register(&writing, ":.c:s", &input(r#""string""#)).await.unwrap();
    let sent = |symbol: &str| record_of(&enumeration(symbol), json!([]));
    assert!(deaf.lookup(&subject("s"), &sent("A"), Deleted::Hide).await.is_ok());
    let late = Late { seen: store.inner.subject_snapshot(&s.key).await.unwrap(), s, writing, deaf, store };
    late.delete_version(1).await;
    purge(&late.writing, &[":.c:base"]).await;
    register(&late.writing, ":.c:base", &input(&enumeration("B"))).await.unwrap();

    let found = late.node().await.lookup(&subject("s"), &sent("B"), Deleted::Hide).await;

    assert!(matches!(found, Err(RegistryError::SubjectNotFound { .. })), "{found:?}");
}

/// Nor were the version and what is sent, as that is meant now.
#[tokio::test]
async fn nothing_is_told_of_a_version_that_went_before_what_is_sent_was_looked_up() {
    for of in ["A", "B"] {
        let before = async |writing: &Registry, _: &OddStore| {
            register(writing, "base", &input(&enumeration("A"))).await.unwrap();
            register(writing, "s", &record_of(&enumeration(of), json!([]))).await.unwrap();
        };
        let late = Late::new(before, &[2]).await;
        purge(&late.writing, &["s", "base"]).await;
        register(&late.writing, "base", &input(&enumeration("B"))).await.unwrap();

        let sent = with_reference();
        assert_eq!(late.check(&sent).await, Vec::<String>::new(), "{of}");
        let found = late.lookup(&sent).await;
        assert!(matches!(found, Err(RegistryError::SubjectNotFound { .. })), "{of}: {found:?}");
        assert_eq!(late.register(&sent).await, (1, true), "{of}");
    }
}

/// What was sent has the version's text only as it is read now, and could not be read then.
#[tokio::test]
async fn nothing_is_told_of_a_version_whose_key_what_is_sent_has_since_it_went() {
    let named = |name: &str| input(&format!(r#"{{"type":"enum","name":"{name}","symbols":["A"]}}"#));
    let of = |e: &str| {
        let text = format!(r#"{{"type":"record","name":"shop.R","fields":[{{"name":"e","type":"{e}"}}]}}"#);
        schema(&text, json!({"references": [{"name": "E", "subject": "base", "version": 1}]}))
    };
    let before = async |writing: &Registry, _: &OddStore| {
        register(writing, "base", &named("E")).await.unwrap();
        register(writing, "s", &of("E")).await.unwrap();
    };
    let late = Late::new(before, &[2]).await;
    let sent = of("shop.E");
    assert!(matches!(late.lookup(&sent).await, Err(RegistryError::InvalidSchema { .. })));
    purge(&late.writing, &["s", "base"]).await;
    register(&late.writing, "base", &named("shop.E")).await.unwrap();

    let found = late.lookup(&sent).await;

    assert!(matches!(found, Err(RegistryError::SubjectNotFound { .. })), "{found:?}");
}

/// Nor is what was sent in normal form, which depends on what it refers to.
#[tokio::test]
async fn nothing_is_told_of_a_version_whose_key_the_normal_form_has_since_it_went() {
    let base =
        |number: &str| input(&format!(r#"{{"type":"record","name":"B","fields":[{{"name":"n","type":"{number}"}}]}}"#));
    let of = |default: &str| {
        let field = format!(r#"{{"name":"b","type":"B","default":{{"n":{default}}}}}"#);
        let references = json!({"references": [{"name": "B", "subject": "base", "version": 1}]});
        schema(&format!(r#"{{"type":"record","name":"R","fields":[{field}]}}"#), references)
    };
    let before = async |writing: &Registry, _: &OddStore| {
        register(writing, "base", &base("double")).await.unwrap();
        for default in ["1", "1.0"] {
            register(writing, "s", &of(default)).await.unwrap();
        }
    };
    let late = Late::new(before, &[2, 3]).await;
    let sent = SchemaInput { normalize: true, ..of("1") };
    assert_eq!(late.lookup(&sent).await.unwrap(), 2);
    purge(&late.writing, &["s", "base"]).await;
    register(&late.writing, "base", &base("int")).await.unwrap();

    let found = late.lookup(&sent).await;

    assert!(matches!(found, Err(RegistryError::SubjectNotFound { .. })), "{found:?}");
}

#[tokio::test]
async fn a_check_does_not_pass_over_a_purged_version_and_the_one_that_came_before_it_went() {
    for level in [Level::Backward, Level::BackwardTransitive] {
        let before = async |writing: &Registry, store: &OddStore| {
            register(writing, "s", &input(r#""int""#)).await.unwrap();
            set_level(store, level).await;
        };
        let late = Late::new(before, &[]).await;
        set_level(&late.store, Level::None).await;
        register(&late.writing, "s", &input(r#""string""#)).await.unwrap();
        late.delete_version(1).await;
        set_level(&late.store, level).await;

        assert_ne!(late.check(&record("a")).await, Vec::<String>::new(), "{level:?}: it fits neither");
        assert_eq!(late.check(&input(r#""string""#)).await, Vec::<String>::new(), "{level:?}");
    }
}

#[tokio::test]
async fn the_latest_version_is_another_one_where_it_is_purged_meanwhile() {
    let metadata = json!({"metadata": {"properties": {"owner": "a"}}});
    let owned = async |writing: &Registry, fields: &str| {
        let own = schema(record(fields).text.as_deref().unwrap(), metadata.clone());
        register(writing, "s", &own).await.unwrap();
    };
    let before = async |writing: &Registry, _: &OddStore| {
        owned(writing, "a").await;
        owned(writing, "ab").await;
    };
    let late = Late::new(before, &[]).await;
    owned(&late.writing, "abc").await;
    for version in [2, 3] {
        let shown = async || late.node().await.version(&late.s, Selector::Latest, Deleted::Hide).await.unwrap();
        let answered = async || {
            let make = |found: &Found| Ok::<_, RegistryError>(Bytes::from(found.entry.version.0.to_string()));
            late.node().await.version_answer(&late.s, Selector::Latest, Deleted::Hide, make).await.unwrap()
        };
        let owner = [("owner".to_owned(), "a".to_owned())];
        let found = async || {
            late.node().await.version_with_metadata(&late.s, &owner, Deleted::Hide).await.unwrap().entry.version.0
        };
        late.delete_version(version).await;
        let expected = if version == 2 { 3 } else { 1 };

        for _ in 0..2 {
            assert_eq!(found().await, expected);
        }
        assert_eq!(shown().await.entry.version.0, expected);
        let itself = late.node().await.version_in(&late.s, Selector::Latest, Deleted::Hide).await.unwrap();
        assert_eq!(itself.entry.version.0, expected);
        assert_eq!(answered().await, expected.to_string());
    }
}

/// Who sends no text means the latest version's, with what it refers to then.
#[tokio::test]
async fn what_went_with_the_latest_version_is_not_missed_by_who_sends_no_text() {
    let before = async |writing: &Registry, _: &OddStore| {
        register(writing, "base", &input(&enumeration("A"))).await.unwrap();
        register(writing, "s", &with_reference()).await.unwrap();
    };
    let sent = schema("", json!({"metadata": {"properties": {"owner": "a"}}}));
    for is_purged in [false, true] {
        let late = Late::new(before, &[2]).await;
        for name in ["s", "base"] {
            late.writing.delete_subject(&subject(name), DeleteMode::Soft).await.unwrap();
        }
        if is_purged {
            for name in ["s", "base"] {
                late.writing.delete_subject(&subject(name), DeleteMode::Permanent).await.unwrap();
            }
        }

        let refused = register_on(late.node().await, "old", &sent, Terms::default()).await.unwrap_err();

        assert!(matches!(refused, RegistryError::EmptySchema), "{is_purged}: {refused:?}");
    }
}

#[tokio::test]
async fn what_was_found_counts_while_versions_come_and_not_where_one_goes_or_what_was_sent_means_another() {
    let (registry, _store) = registry().await;
    register(&registry, "base", &input(&enumeration("A"))).await.unwrap();
    register(&registry, "s", &input(r#""int""#)).await.unwrap();
    let current = registry.subject_itself(&subject("s")).await.unwrap();
    let sent = with_reference();
    let (mut plain, mut referring) = (Moment::default(), Moment::with(&sent));
    let mut counts = async || {
        let plain = registry.of_one_moment(&current, Ok(()), &mut plain).await.unwrap();
        (plain.is_some(), registry.of_one_moment(&current, Ok(()), &mut referring).await.unwrap().is_some())
    };
    let delete = async |name: &str, version: u32, mode| {
        registry.delete_version(&subject(name), Selector::Number(Version(version)), mode).await.unwrap()
    };
    current.note_doubt();

    assert_eq!(counts().await, (true, true));
    register(&registry, "s", &input(r#""long""#)).await.unwrap();
    assert_eq!(counts().await, (true, false), "what it meant before is not known yet");
    register(&registry, "base", &input(r#"{"type":"enum","name":"E","symbols":["A","B"]}"#)).await.unwrap();
    assert_eq!(counts().await, (true, true));
    delete("base", 1, DeleteMode::Soft).await;
    assert_eq!(counts().await, (true, false));
    assert_eq!(counts().await, (true, true));
    delete("base", 1, DeleteMode::Permanent).await;
    assert_eq!(counts().await, (true, false));
    assert_eq!(counts().await, (true, true));
    delete("s", 1, DeleteMode::Soft).await;
    assert_eq!(counts().await, (true, true));
    delete("s", 1, DeleteMode::Permanent).await;
    assert_eq!(counts().await, (false, false));
    assert_eq!(counts().await, (false, false));
}

#[tokio::test]
async fn a_subject_that_moves_all_the_time_keeps_nobody_from_an_answer() {
    let (writing, asking, store) = writing_and_deaf().await;
    let s = subject("s");
    let (known, unknown, unfit) = (with_reference(), record_of(r#"["null","E"]"#, json!([])), input(r#""int""#));
    let unknown = SchemaInput { references: known.references.clone(), ..unknown };
    register(&writing, "base", &input(&enumeration("A"))).await.unwrap();
    register(&writing, "s", &known).await.unwrap();
    store.is_restless.store(true, Ordering::SeqCst);

    assert_eq!(asking.check_compatibility(&s, None, &unknown).await.unwrap(), Vec::<String>::new());
    let found = asking.lookup(&s, &unknown, Deleted::Hide).await;
    assert!(matches!(found, Err(RegistryError::SchemaNotFound)), "{found:?}");
    assert_eq!(register(&asking, "s", &known).await.unwrap(), (2, 1));
    let refused = register(&asking, "s", &unfit).await;
    assert!(matches!(refused, Err(RegistryError::Incompatible { .. })), "{refused:?}");

    register(&asking, "plain", &unfit).await.unwrap();
    let as_before = SchemaInput { text: None, ..unfit };
    assert_eq!(register(&asking, "plain", &as_before).await.unwrap(), (3, 1));
}

#[tokio::test]
async fn only_what_is_found_through_references_costs_a_second_question() {
    let (registry, store) = registry().await;
    let inline = record_of(&enumeration("A"), json!([]));
    let latest = record_of(r#""E""#, json!([{"name": "E", "subject": "base", "version": -1}]));
    let spaced = record_of(r#" "E""#, json!([{"name": "E", "subject": "base", "version": 1}]));
    register(&registry, "base", &input(&enumeration("A"))).await.unwrap();
    register(&registry, "plain", &inline).await.unwrap();
    register(&registry, "s", &with_reference()).await.unwrap();
    let costs = async |name: &str, sent: &SchemaInput| {
        let name = subject(name);
        let mut asked = [0; 2];
        // The first time an index of the versions is made.
        for _ in 0..2 {
            store.revisions.store(0, Ordering::SeqCst);
            registry.lookup(&name, sent, Deleted::Hide).await.unwrap();
            asked[0] = store.revisions.swap(0, Ordering::SeqCst);
            registry.check_compatibility(&name, None, sent).await.unwrap();
            asked[1] = store.revisions.load(Ordering::SeqCst);
        }
        asked
    };

    assert_eq!(costs("plain", &inline).await, [1, 1]);
    // The subject, the base of its version, and the subject again.
    assert_eq!(costs("s", &inline).await, [3, 3]);
    // The base of what is sent in between, too; by key nothing else is looked at.
    assert_eq!(costs("s", &with_reference()).await, [2, 4]);
    assert_eq!(costs("s", &latest).await, [3, 4]);
    assert_eq!(costs("s", &spaced).await, [3, 4]);
}

#[tokio::test]
async fn who_looks_in_vain_again_and_again_is_told_to_come_later() {
    let (registry, _store) = registry().await;
    let (s, mut looks) = (subject("s"), 0);
    let look = async || {
        looks += 1;
        Ok(None::<()>)
    };

    let told = registry.at_one_moment(&s, look).await;

    assert!(matches!(&told, Err(RegistryError::Crowded { subject }) if subject == "s"), "{told:?}");
    assert_eq!(looks, 8);
}
