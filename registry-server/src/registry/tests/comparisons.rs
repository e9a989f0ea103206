//! Comparisons that take long leave the worker to its other requests.

use std::time::Instant;

use super::*;

/// Records in each other, each with the one inside in two fields: twice as many problems at each level.
fn doubling(end: &str) -> SchemaInput {
    let text = (0..40).fold(format!("\"{end}\""), |inner, level| {
        let again = if level == 0 { inner.clone() } else { format!("\"R{}\"", level - 1) };
        let fields = format!(r#"[{{"name":"a","type":{inner}}},{{"name":"b","type":{again}}}]"#);
        format!(r#"{{"type":"record","name":"R{level}","fields":{fields}}}"#)
    });
    input(&text)
}

#[tokio::test]
async fn a_small_schema_that_takes_long_to_compare_does_not_hold_its_worker_up() {
    let (registry, _store) = registry().await;
    register(&registry, "s", &doubling("int")).await.unwrap();
    let mut longest = Duration::ZERO;
    let others = async {
        loop {
            let begun = Instant::now();
            tokio::task::yield_now().await;
            longest = longest.max(begun.elapsed());
        }
    };
    let (subject, schema) = (subject("s"), doubling("string"));

    let started = Instant::now();
    let messages = tokio::select! {
        biased;
        messages = registry.check_compatibility(&subject, Some(Selector::Latest), &schema) => messages.unwrap(),
        () = others => Vec::new(),
    };
    let elapsed = started.elapsed();

    assert!(messages[0].contains("steps"), "{messages:?}");
    assert!(longest < elapsed / 2, "for {longest:?} of {elapsed:?} nothing else had its turn");
}
