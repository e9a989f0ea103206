//! The caches of `SchemaRegistry`: one request for one question, and what is kept for how long.

use std::sync::Arc;
use std::time::Duration;

use avro_serde::registry::{Normalize, RegistryError, VersionSelector};
use avro_serde::testing::InMemoryRegistry;
use avro_serde::{RegistryConfig, Schema, SchemaId, SchemaKey, SchemaRegistry};
use tokio::task::JoinSet;

use crate::fake_http::{FakeHttp, json};

const ONE: SchemaKey = SchemaKey::Id(SchemaId(1));

fn registry_with_one() -> Arc<InMemoryRegistry> {
    let registry = InMemoryRegistry::new();
    registry.insert("a-value", SchemaId(1), None, "\"string\"");
    registry
}

fn unavailable() -> RegistryError {
    RegistryError::Unavailable {
        operation: "answer".to_owned(),
        attempts: 1,
        reason: "down".to_owned(),
        error_code: None,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_tasks_make_one_request() {
    let server = FakeHttp::start(|_, _| json(200, r#"{"schema":"\"string\""}"#)).await;
    let handle = SchemaRegistry::connect(&server.url).unwrap();
    let mut tasks = JoinSet::new();

    for _ in 0..1_000 {
        let handle = handle.clone();
        tasks.spawn(async move { handle.schema(ONE).await });
    }

    while let Some(answer) = tasks.join_next().await {
        assert_eq!(answer.unwrap().unwrap().text, "\"string\"");
    }
    assert_eq!(server.count(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tasks_that_wait_share_a_failure_and_it_is_not_kept() {
    let server = FakeHttp::start(|_, _| crate::fake_http::error(500, 50001, "down")).await;
    let mut config = RegistryConfig::new(server.url.clone());
    config.retries = 0;
    let handle = SchemaRegistry::new(&config).unwrap();

    assert!(handle.schema(ONE).await.unwrap_err().is_retriable());
    assert!(handle.schema(ONE).await.unwrap_err().is_retriable());

    assert_eq!(server.count(), 2);
}

#[tokio::test]
async fn a_leader_that_goes_away_takes_nothing_from_the_others() {
    let (release, gate) = std::sync::mpsc::sync_channel::<()>(1);
    let gate = std::sync::Mutex::new(gate);
    let server = FakeHttp::start(move |_, _| {
        // Runs on a thread of the blocking pool of its own in this test's runtime.
        tokio::task::block_in_place(|| gate.lock().unwrap().recv_timeout(Duration::from_secs(10)).unwrap());
        json(200, r#"{"schema":"\"string\""}"#)
    });
    // The server must run beside the test.
    let runtime = std::thread::spawn(|| {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let server = runtime.block_on(server);
        (runtime, server)
    });
    let (runtime, server) = runtime.join().unwrap();
    let handle = SchemaRegistry::connect(&server.url).unwrap();

    let leader = tokio::spawn({
        let handle = handle.clone();
        async move { handle.schema(ONE).await }
    });
    while server.count() == 0 {
        tokio::task::yield_now().await;
    }
    let follower = tokio::spawn(async move { handle.schema(ONE).await });
    leader.abort();
    assert!(leader.await.unwrap_err().is_cancelled());
    release.send(()).unwrap();

    assert_eq!(follower.await.unwrap().unwrap().text, "\"string\"");
    assert_eq!(server.count(), 1);
    drop(server);
    runtime.shutdown_background();
}

#[tokio::test(start_paused = true)]
async fn not_found_counts_for_five_seconds() {
    let registry = InMemoryRegistry::new();
    let handle = registry.handle();

    for _ in 0..3 {
        assert!(handle.schema(ONE).await.unwrap_err().is_not_found());
    }
    assert_eq!(registry.requests(), 1);

    registry.insert("a-value", SchemaId(1), None, "\"string\"");
    tokio::time::advance(Duration::from_millis(4_900)).await;
    assert!(handle.schema(ONE).await.is_err());
    tokio::time::advance(Duration::from_millis(200)).await;
    assert!(handle.schema(ONE).await.is_ok());
    assert_eq!(registry.requests(), 2);
}

#[tokio::test(start_paused = true)]
async fn other_failures_are_not_kept() {
    let failures = [
        unavailable(),
        RegistryError::Throttled { operation: "answer".to_owned(), message: "slow down".to_owned() },
        RegistryError::Unauthorized { operation: "answer".to_owned(), status: 401, message: "no".to_owned() },
        RegistryError::Incompatible { operation: "answer".to_owned(), error_code: 40901, message: "no".to_owned() },
    ];
    for failure in failures {
        let registry = registry_with_one();
        let handle = registry.handle();
        registry.fail_with(failure.clone());

        assert_eq!(handle.schema(ONE).await, Err(failure));
        registry.recover();

        assert!(handle.schema(ONE).await.is_ok());
        assert_eq!(registry.requests(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_known_serves_while_the_registry_is_down() {
    let registry = registry_with_one();
    let handle = registry.handle();
    let text = Schema::parse("\"string\"").unwrap();
    handle.schema(ONE).await.unwrap();
    handle.register("a-value", text.source(), Normalize::No).await.unwrap();
    registry.fail_with(unavailable());

    tokio::time::advance(Duration::from_secs(1_000_000)).await;

    assert!(handle.schema(ONE).await.is_ok());
    assert!(handle.register("a-value", text.source(), Normalize::No).await.is_ok());
    assert_eq!(registry.requests(), 2);
}

#[tokio::test(start_paused = true)]
async fn latest_is_asked_again_after_its_time_and_after_a_register() {
    let registry = registry_with_one();
    let handle = registry.handle();
    let latest = async || handle.version("a-value", VersionSelector::Latest).await.unwrap().id;
    assert_eq!(latest().await, SchemaId(1));

    registry.insert("a-value", SchemaId(2), None, "\"bytes\"");
    tokio::time::advance(Duration::from_secs(59)).await;
    assert_eq!(latest().await, SchemaId(1));
    tokio::time::advance(Duration::from_secs(2)).await;
    assert_eq!(latest().await, SchemaId(2));

    handle.register("a-value", Schema::parse("\"int\"").unwrap().source(), Normalize::No).await.unwrap();
    assert_eq!(latest().await, SchemaId(3));
}

#[tokio::test]
async fn questions_that_differ_are_asked_apart() {
    let registry = registry_with_one();
    let handle = registry.handle();
    let text = Schema::parse("\"string\"").unwrap();

    for subject in ["a", "b"] {
        for normalize in [Normalize::No, Normalize::Yes] {
            for _ in 0..2 {
                handle.register(subject, text.source(), normalize).await.unwrap();
                handle.lookup(subject, text.source(), normalize).await.unwrap();
            }
        }
    }

    assert_eq!(registry.requests(), 8);
}
