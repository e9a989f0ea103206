//! What a request may read and compare (`limits.comparison_steps`).

use schema_core::compatibility::STEPS_DEFAULT;
use schema_core::format::Reading;
use serde_json::json;

use super::super::Found;
use super::content::{put_config, register_on, schema};
use super::*;
use crate::store::ConfigRecord;

/// More than any request here takes.
const PLENTY: u32 = 1_000_000;

/// A record with a long text, which is its own normal form.
fn long_record(fields: &str) -> SchemaInput {
    let fields: Vec<_> = fields.chars().map(|name| json!({"name": name.to_string(), "type": "int"})).collect();
    input(&json!({"type": "record", "name": "R", "doc": "x".repeat(1_000), "fields": fields}).to_string())
}

fn normal(input: SchemaInput) -> SchemaInput {
    SchemaInput { normalize: true, ..input }
}

fn bytes(schema: &SchemaInput) -> usize {
    schema.text.as_deref().unwrap().len()
}

/// Steps for each of these alone.
fn steps(reading: Reading, schemas: &[SchemaInput]) -> u32 {
    schemas.iter().map(|schema| reading.steps(bytes(schema))).sum()
}

async fn set_level(store: &OddStore, name: &str, level: Level) {
    put_config(store, name, ConfigRecord { compatibility: Some(level), ..ConfigRecord::default() }).await;
}

/// Rules that remember nothing yet, with so many steps for a request.
fn cold(store: &Arc<OddStore>, comparison_steps: u32) -> Registry {
    let mut registry = registry_over(store);
    registry.config.comparison_steps = comparison_steps;
    registry
}

/// What is said of a request that takes too many steps; `None` of any other answer.
fn refusal<T: std::fmt::Debug>(answer: Result<T, RegistryError>) -> Option<String> {
    match answer {
        Err(RegistryError::TooCostly { reason, .. }) => Some(reason),
        _ => None,
    }
}

fn assert_refused<T: std::fmt::Debug>(answer: Result<T, RegistryError>, limit: u32, last: &str) {
    let told = format!(
        "reading and comparing what is stored takes more than {limit} steps (setting `limits.comparison_steps`), {last} \
         came last"
    );
    assert_eq!(refusal(answer).as_deref(), Some(told.as_str()));
}

/// The fewest steps with which rules that remember nothing answer a request that writes nothing.
async fn fewest<T: std::fmt::Debug>(
    store: &Arc<OddStore>,
    request: impl AsyncFn(&Registry) -> Result<T, RegistryError>,
) -> u32 {
    let (mut too_few, mut enough) = (0, PLENTY);
    while enough - too_few > 1 {
        let middle = too_few.midpoint(enough);
        match refusal(request(&cold(store, middle)).await) {
            Some(_) => too_few = middle,
            None => enough = middle,
        }
    }
    enough
}

/// A request that writes nothing takes so many steps, whatever the rules remember, and the last of them for `last`.
async fn assert_takes<T: std::fmt::Debug>(
    store: &Arc<OddStore>,
    steps: u32,
    last: &str,
    request: impl AsyncFn(&Registry) -> Result<T, RegistryError>,
) {
    let mut registry = cold(store, steps - 1);
    for _ in 0..3 {
        assert_refused(request(&registry).await, steps - 1, last);
    }
    registry.config.comparison_steps = steps;
    assert_eq!(refusal(request(&registry).await), None);
    // Now everything is in memory.
    registry.config.comparison_steps = steps - 1;
    assert_refused(request(&registry).await, steps - 1, last);
    assert_eq!(refusal(request(&cold(store, steps)).await), None);
}

async fn check(registry: &Registry, schema: &SchemaInput) -> Result<Vec<String>, RegistryError> {
    registry.check_compatibility(&subject("s"), None, schema).await
}

async fn lookup(registry: &Registry, schema: &SchemaInput) -> Result<Found, RegistryError> {
    registry.lookup(&subject("s"), schema, Deleted::Hide).await
}

#[tokio::test]
async fn a_check_counts_what_it_reads_and_what_it_compares() {
    let (registry, store) = registry().await;
    set_level(&store, "s", Level::BackwardTransitive).await;
    let versions = ["abc", "ab", "a"].map(long_record);
    for schema in &versions {
        register(&registry, "s", schema).await.unwrap();
    }
    let new = long_record("a");
    let new = &SchemaInput { text: new.text.map(|text| text.replace("xx", "yy")), ..new };
    let read = steps(Reading::Parsed, &versions);

    let fewest = fewest(&store, async |registry| check(registry, new).await).await;

    // A comparison of such a record takes some steps for each field.
    assert!((read + 6..read + 60).contains(&fewest), "{fewest} where reading takes {read}");
    assert_takes(&store, fewest, "version 1 of `s`", async |registry| check(registry, new).await).await;
    let two = steps(Reading::Parsed, &versions[1..]);
    assert_refused(check(&cold(&store, two), new).await, two, "version 2 of `s`");
    assert!(check(&cold(&store, fewest), new).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_version_counts_with_what_it_refers_to() {
    let (registry, store) = registry().await;
    let base = long_record("a");
    register(&registry, "base", &base).await.unwrap();
    let user = |name: &str| {
        let references = json!([{"name": "R", "subject": "base", "version": 1}]);
        let text = json!({"type": "record", "name": "U", "fields": [{"name": name, "type": "R"}]}).to_string();
        schema(&text, json!({ "references": references }))
    };
    set_level(&store, "s", Level::None).await;
    for name in ["a", "b"] {
        register(&registry, "s", &user(name)).await.unwrap();
    }
    let all = 2 * (bytes(&base) + bytes(&user("c")));
    let [parsed, normalized, likeness] =
        [Reading::Parsed, Reading::Normalized, Reading::Likeness].map(|reading| 2 * reading.steps(all / 2));

    let (plain, normal) = (user("c"), normal(user("c")));
    let versions = "the versions of `s`";
    assert_takes(&store, parsed + likeness, versions, async |registry| lookup(registry, &plain).await).await;
    let both = parsed + likeness + normalized;
    assert_takes(&store, both, versions, async |registry| lookup(registry, &normal).await).await;

    set_level(&store, "s", Level::Backward).await;
    let fewest = fewest(&store, async |registry| check(registry, &plain).await).await;
    assert!((parsed / 2..parsed / 2 + 60).contains(&fewest), "{fewest} where reading takes {parsed}");
}

#[tokio::test]
async fn a_lookup_counts_the_versions_that_it_looks_through() {
    let (registry, store) = registry().await;
    set_level(&store, "s", Level::None).await;
    let versions = ["a", "ab", "abc"].map(long_record);
    for schema in &versions {
        register(&registry, "s", schema).await.unwrap();
    }
    let (plain, normal) = (long_record("x"), normal(long_record("x")));
    let likeness = steps(Reading::Likeness, &versions);
    let both = likeness + steps(Reading::Normalized, &versions);

    for (schema, steps) in [(&plain, likeness), (&normal, both)] {
        assert_takes(&store, steps, "the versions of `s`", async |registry| lookup(registry, schema).await).await;
        let found = lookup(&cold(&store, steps), schema).await;
        assert!(matches!(found, Err(RegistryError::SchemaNotFound)), "{found:?}");
    }
    // Found by its hash alone.
    for schema in &versions {
        lookup(&cold(&store, 1), schema).await.unwrap();
    }

    // One more that this node has written itself counts as one that it has read.
    register(&registry, "s", &normal).await.unwrap();
    let mut registry = registry;
    let another = SchemaInput { normalize: true, ..long_record("y") };
    let likeness = likeness + Reading::Likeness.steps(bytes(&normal));
    let both = both + Reading::Likeness.steps(bytes(&normal)) + Reading::Normalized.steps(bytes(&normal));
    for (schema, steps) in [(long_record("y"), likeness), (another, both)] {
        assert_takes(&store, steps, "the versions of `s`", async |registry| lookup(registry, &schema).await).await;
        registry.config.comparison_steps = steps;
        assert_eq!(refusal(lookup(&registry, &schema).await), None);
        registry.config.comparison_steps = steps - 1;
        assert_refused(lookup(&registry, &schema).await, steps - 1, "the versions of `s`");
    }
}

#[tokio::test]
async fn versions_that_are_alike_are_read_and_those_of_one_text_once() {
    let (registry, store) = registry().await;
    let with = |number: u32, schema: SchemaInput| {
        let metadata = Some(serde_json::from_value(json!({"properties": {"p": number.to_string()}})).unwrap());
        SchemaInput { metadata, ..schema }
    };
    // The order of properties carries no meaning.
    let text = long_record("a").text.unwrap();
    let [one, other] = [r#""p":1,"q":2"#, r#""q":2,"p":1"#]
        .map(|properties| input(&text.replacen('{', &format!("{{{properties},"), 1)));
    for number in 1..=3 {
        register(&registry, "s", &with(number, one.clone())).await.unwrap();
    }
    let wanted = with(4, one.clone());
    let index = 3 * Reading::Likeness.steps(bytes(&one));
    let read = Reading::Parsed.steps(bytes(&one));
    let request = async |registry: &Registry| lookup(registry, &wanted).await;
    assert_takes(&store, index + read, "version 3 of `s`", request).await;
    // Also where no cache has room for it.
    let config = RegistryConfig { cache_bytes: 0, ..cold(&store, index + read).config };
    let forgetful = Registry::new(Arc::clone(&store) as Arc<dyn Store>, config);
    assert_eq!(refusal(request(&forgetful).await), None);

    assert_eq!(bytes(&one), bytes(&other));
    register(&registry, "s", &with(5, other)).await.unwrap();
    let index = 4 * Reading::Likeness.steps(bytes(&one));
    let request = async |registry: &Registry| lookup(registry, &wanted).await;
    assert_takes(&store, index + 2 * read, "version 3 of `s`", request).await;
}

#[tokio::test]
async fn a_register_counts_what_it_looks_through_and_what_it_checks() {
    let (registry, store) = registry().await;
    let versions = ["abc", "ab", "a"].map(long_record);
    for schema in &versions {
        register(&registry, "s", schema).await.unwrap();
    }
    let new = normal(long_record(""));
    let looked_through = steps(Reading::Likeness, &versions) + steps(Reading::Normalized, &versions);
    let checked = fewest(&store, async |registry| check(registry, &new).await).await;
    let enough = looked_through + checked;

    let mut registry = cold(&store, looked_through - 1);
    for _ in 0..3 {
        assert_refused(register(&registry, "s", &new).await, looked_through - 1, "the versions of `s`");
    }
    registry.config.comparison_steps = enough - 1;
    for _ in 0..3 {
        assert_refused(register(&registry, "s", &new).await, enough - 1, "version 3 of `s`");
    }
    assert_eq!(store.inserts.load(Ordering::SeqCst), 3);
    for schema in &versions {
        assert!(register(&cold(&store, 1), "s", schema).await.is_ok(), "it is there");
    }

    // What moves meanwhile costs nothing: the request decides again, and begins anew.
    store.moves.store(2, Ordering::SeqCst);
    registry.config.comparison_steps = enough;
    assert_eq!(register(&registry, "s", &new).await.unwrap(), (4, 4));
}

#[tokio::test]
async fn tags_that_are_taken_over_cost_what_it_takes_to_read_them() {
    let (registry, store) = registry().await;
    set_level(&store, "s", Level::None).await;
    register(&registry, "s", &long_record("a")).await.unwrap();
    let terms = || Terms { takes_tags_over: true, ..Terms::default() };
    let read = Reading::Parsed.steps(bytes(&long_record("a")));
    let enough = read + Reading::Likeness.steps(bytes(&long_record("a")));

    let refused = register_on(&cold(&store, enough - 1), "s", &long_record("b"), terms()).await;
    assert_refused(refused, enough - 1, "the versions of `s`");
    register_on(&cold(&store, enough), "s", &long_record("b"), terms()).await.unwrap();
}

#[tokio::test]
async fn a_lookup_in_several_contexts_counts_all_of_them() {
    let (registry, store) = registry().await;
    let contexts = [":.a:s", ":.b:s", ":.c:s"];
    for (name, fields) in contexts.into_iter().zip(["a", "b", "c"]) {
        register(&registry, name, &long_record(fields)).await.unwrap();
    }
    let stored = [long_record("a"), long_record("b"), long_record("c")];
    let absent = normal(long_record("x"));
    let read = 3 * Reading::Normalized.steps(bytes(&absent));
    let all = read + steps(Reading::Likeness, &stored) + steps(Reading::Normalized, &stored);

    assert_takes(&store, all, "the versions of `:.c:s`", async |registry| lookup(registry, &absent).await).await;

    let nowhere = lookup(&cold(&store, all), &absent).await;
    assert!(matches!(nowhere, Err(RegistryError::SubjectNotFound { .. })), "{nowhere:?}");
    let found = lookup(&cold(&store, all), &stored[2]).await.unwrap();
    assert_eq!(found.subject.name(), ":.c:s");
    // Where nothing else is read, the schema itself is, in each of them.
    let last = 2 * Reading::Parsed.steps(bytes(&stored[0])) + steps(Reading::Likeness, &stored[..2]);
    assert_refused(
        lookup(&cold(&store, last), &stored[2]).await,
        last,
        "what was sent, as a schema of the context of `:.c:s`",
    );
}

#[tokio::test]
async fn a_thousand_versions_of_a_hundred_fields_are_far_from_the_default() {
    const VERSIONS: usize = 50;
    let (registry, store) = registry().await;
    let version = |number: usize| {
        let kinds = [json!("long"), json!(["null", "string"]), json!({"type": "array", "items": "string"})];
        let field = |at: usize| json!({"name": format!("field_{at}"), "type": kinds[at % 3], "doc": "What it is for."});
        let fields: Vec<_> = (0..100).map(field).collect();
        let doc = format!("Version {number}.");
        input(&json!({"type": "record", "name": "Order", "doc": doc, "fields": fields}).to_string())
    };
    set_level(&store, "s", Level::None).await;
    for number in 1..=VERSIONS {
        register(&registry, "s", &version(number)).await.unwrap();
    }
    set_level(&store, "s", Level::FullTransitive).await;
    let of_a_thousand = STEPS_DEFAULT / 1_000 * u32::try_from(VERSIONS).unwrap();

    let mut checking = cold(&store, of_a_thousand / 10);
    checking.config.versions_compared = VERSIONS;
    assert_eq!(check(&checking, &version(0)).await.unwrap(), Vec::<String>::new());
    let absent = lookup(&cold(&store, of_a_thousand / 4), &normal(version(0))).await;
    assert!(matches!(absent, Err(RegistryError::SchemaNotFound)), "{absent:?}");
}

#[tokio::test]
async fn what_is_refused_is_read_no_further() {
    const VERSIONS: usize = 50;
    let (registry, store) = registry().await;
    let version = |number: usize| {
        let long = long_record("a").text.unwrap();
        input(&long.replace("xxx", &format!("{number:03}")))
    };
    set_level(&store, "s", Level::None).await;
    for number in 1..=VERSIONS {
        register(&registry, "s", &version(number)).await.unwrap();
    }
    set_level(&store, "s", Level::BackwardTransitive).await;
    let reads = || store.content_reads.load(Ordering::SeqCst);
    let enough_for_three = 3 * Reading::Parsed.steps(bytes(&version(1))) + 100;
    let cold = || {
        let mut registry = cold(&store, enough_for_three);
        registry.config.versions_compared = VERSIONS;
        registry
    };

    let before = reads();
    assert_refused(check(&cold(), &version(0)).await, enough_for_three, "version 47 of `s`");
    // The latest, and sixteen at once.
    assert_eq!(reads() - before, 2);

    let before = reads();
    assert_refused(lookup(&cold(), &version(0)).await, enough_for_three, "the versions of `s`");
    assert_eq!(reads() - before, 1);
}
