//! The client over HTTP: what it sends, what it makes of answers, when it tries again and where.

use std::time::Duration;

use avro_serde::config::ConfigError;
use avro_serde::registry::{HttpRegistry, Normalize, RegistryApi, RegistryError, Secret, VersionSelector};
use avro_serde::{Auth, RegistryConfig, Schema, SchemaId, SchemaRegistry, Version};
use schema_core::Level;

use crate::fake_http::{FakeHttp, error, json};

fn config(urls: &[&FakeHttp]) -> RegistryConfig {
    let mut config = RegistryConfig::new("");
    config.urls = urls.iter().map(|server| server.url.clone()).collect();
    config.backoff_min = Duration::from_millis(1);
    config.backoff_max = Duration::from_millis(2);
    config
}

fn client(urls: &[&FakeHttp]) -> HttpRegistry {
    HttpRegistry::new(&config(urls)).unwrap()
}

fn string() -> Schema {
    Schema::parse("\"string\"").unwrap()
}

#[tokio::test]
async fn a_register_is_sent_and_read_as_confluent_has_it() {
    let server = FakeHttp::start(|_, _| {
        json(200, r#"{"id":7,"version":3,"guid":"86507789-4c0d-5897-e12e-374202e6b8f6","schemaType":"AVRO","schema":"\"string\""}"#)
    })
    .await;

    let registered = client(&[&server]).register("a/b c", string().source(), Normalize::Yes).await.unwrap();

    assert_eq!((registered.id, registered.version), (SchemaId(7), Some(Version(3))));
    assert_eq!(registered.schema.guid.unwrap().to_string(), "86507789-4c0d-5897-e12e-374202e6b8f6");
    let request = &server.requests()[0];
    assert_eq!(
        (request.method.as_str(), request.path.as_str()),
        ("POST", "/subjects/a%2Fb%20c/versions?normalize=true")
    );
    assert_eq!(request.body, r#"{"schema":"\"string\""}"#);
    assert_eq!(request.header("content-type"), Some("application/vnd.schemaregistry.v1+json"));
    assert_eq!(
        request.header("accept"),
        Some("application/vnd.schemaregistry.v1+json, application/vnd.schemaregistry+json, application/json")
    );
    assert!(request.header("user-agent").unwrap().starts_with("avro-serde/"));
    assert_eq!(request.header("authorization"), None);
}

#[tokio::test]
async fn an_old_server_that_answers_the_id_alone_will_do() {
    let server = FakeHttp::start(|_, _| json(200, r#"{"id":7}"#)).await;

    let registered = client(&[&server]).register("a", string().source(), Normalize::No).await.unwrap();

    assert_eq!((registered.id, registered.version, registered.schema.guid), (SchemaId(7), None, None));
    assert_eq!(registered.schema.text, "\"string\"");
}

#[tokio::test]
async fn every_call_has_its_path() {
    let server = FakeHttp::start(|_, request| match (request.method.as_str(), request.path.as_str()) {
        ("POST", "/subjects/a") | ("GET", "/subjects/a/versions/2" | "/subjects/a/versions/latest") => {
            json(200, r#"{"subject":"a","version":2,"id":1,"schema":"\"int\""}"#)
        }
        ("GET", "/schemas/ids/1" | "/schemas/guids/00000000-0000-0000-0000-000000000001") => {
            json(200, r#"{"schema":"\"int\""}"#)
        }
        ("GET", "/subjects") => json(200, r#"["a","b"]"#),
        ("GET", "/subjects/a/versions") => json(200, "[1,2]"),
        ("GET", "/schemas/ids/1/versions") => json(200, r#"[{"subject":"a","version":2}]"#),
        ("GET", "/schemas/types") => json(200, r#"["AVRO"]"#),
        ("POST", "/compatibility/subjects/a/versions/latest?verbose=true") => {
            json(200, r#"{"is_compatible":false,"messages":["why"]}"#)
        }
        ("POST", "/compatibility/subjects/a/versions?verbose=true&normalize=true") => {
            json(200, r#"{"is_compatible":true}"#)
        }
        ("GET", "/config" | "/config/a?defaultToGlobal=true") => json(200, r#"{"compatibilityLevel":"FULL"}"#),
        ("PUT", "/config" | "/config/a") => json(200, request.body.clone()),
        _ => error(404, 404, "HTTP 404 Not Found"),
    })
    .await;
    let client = client(&[&server]);
    let guid = "00000000-0000-0000-0000-000000000001".parse().unwrap();

    assert_eq!(client.lookup("a", string().source(), Normalize::No).await.unwrap().id, SchemaId(1));
    for version in [VersionSelector::Latest, VersionSelector::Number(Version(2))] {
        assert_eq!(client.version("a", version).await.unwrap().version, Some(Version(2)));
    }
    assert_eq!(client.schema_by_id(SchemaId(1)).await.unwrap().text, "\"int\"");
    assert_eq!(client.schema_by_guid(guid).await.unwrap().schema_type, "AVRO");
    assert_eq!(client.subjects().await.unwrap(), ["a", "b"]);
    assert_eq!(client.versions("a").await.unwrap(), [Version(1), Version(2)]);
    assert_eq!(client.uses_of_id(SchemaId(1)).await.unwrap(), [("a".to_owned(), Version(2))]);
    assert_eq!(client.schema_types().await.unwrap(), ["AVRO"]);
    let latest = Some(VersionSelector::Latest);
    let check = client.check_compatibility("a", latest, string().source(), Normalize::No).await.unwrap();
    assert_eq!((check.is_compatible, check.messages), (false, vec!["why".to_owned()]));
    let check = client.check_compatibility("a", None, string().source(), Normalize::Yes).await.unwrap();
    assert_eq!((check.is_compatible, check.messages), (true, vec![]));
    for subject in [None, Some("a")] {
        assert_eq!(client.compatibility_level(subject).await.unwrap(), Level::Full);
        client.set_compatibility_level(subject, Level::None).await.unwrap();
    }
    assert_eq!(server.requests().last().unwrap().body, r#"{"compatibility":"NONE"}"#);
}

#[tokio::test]
async fn a_url_may_have_a_path_and_a_slash_at_its_end() {
    let server = FakeHttp::start(|_, _| json(200, "[]")).await;
    for base in ["", "/", "/registry", "/registry/"] {
        let client = HttpRegistry::new(&RegistryConfig::new(format!("{}{base}", server.url))).unwrap();
        client.subjects().await.unwrap();
    }

    let paths: Vec<String> = server.requests().into_iter().map(|request| request.path).collect();

    assert_eq!(paths, ["/subjects", "/subjects", "/registry/subjects", "/registry/subjects"]);
}

#[tokio::test]
async fn credentials_are_sent_and_never_shown() {
    let server = FakeHttp::start(|_, _| json(200, "[]")).await;
    let with_userinfo = server.url.replace("http://", "http://user:hunter2@");
    let mut given = RegistryConfig::new(server.url.clone());
    given.auth = Auth::Basic { user: "user".to_owned(), password: Secret::from("hunter2") };
    let mut token = RegistryConfig::new(server.url.clone());
    token.auth = Auth::Bearer(Secret::from("hunter2"));

    for (config, expected) in [
        (RegistryConfig::new(with_userinfo), "Basic dXNlcjpodW50ZXIy"),
        (given.clone(), "Basic dXNlcjpodW50ZXIy"),
        (token, "Bearer hunter2"),
    ] {
        let client = HttpRegistry::new(&config).unwrap();
        client.subjects().await.unwrap();
        assert_eq!(server.requests().last().unwrap().header("authorization"), Some(expected));
        assert!(!format!("{client:?}").contains("hunter2"), "{client:?}");
        assert!(!format!("{:?}", SchemaRegistry::new(&config).unwrap()).contains("hunter2"));
    }
    assert!(!format!("{given:?}").contains("hunter2"), "{given:?}");
    // Nor in the error of a server that is not there.
    let mut down = RegistryConfig::new("http://user:hunter2@127.0.0.1:1");
    down.retries = 0;
    let error = HttpRegistry::new(&down).unwrap().subjects().await.unwrap_err();
    assert!(!format!("{error:?} {error}").contains("hunter2"), "{error}");
}

#[tokio::test]
async fn errors_carry_code_message_and_cure() {
    let answers = [
        error(404, 40401, "Subject 'a' not found."),
        error(409, 40901, "Schema being registered is incompatible"),
        error(422, 42201, "Invalid schema"),
        error(401, 401, "Unauthorized"),
        error(403, 403, "Forbidden"),
    ];
    let server = FakeHttp::start(move |number, _| answers[number].clone()).await;
    let client = client(&[&server]);

    let not_found = client.subjects().await.unwrap_err();
    assert!(not_found.is_not_found() && !not_found.is_retriable());
    assert_eq!(not_found.error_code(), Some(40401));
    assert!(not_found.to_string().contains("Subject 'a' not found. (error code 40401); "), "{not_found}");
    assert!(matches!(client.subjects().await, Err(RegistryError::Incompatible { error_code: 40901, .. })));
    assert!(matches!(client.subjects().await, Err(RegistryError::Refused { error_code: 42201, .. })));
    assert!(matches!(client.subjects().await, Err(RegistryError::Unauthorized { status: 401, .. })));
    assert!(matches!(client.subjects().await, Err(RegistryError::Unauthorized { status: 403, .. })));
    // None of them is worth a second try.
    assert_eq!(server.count(), 5);
}

#[tokio::test]
async fn what_may_pass_is_tried_again() {
    for status in [0, 408, 429, 500, 502, 503, 504] {
        let server =
            FakeHttp::start(move |number, _| if number < 2 { error(status, 50001, "down") } else { json(200, "[]") })
                .await;

        assert_eq!(client(&[&server]).subjects().await, Ok(vec![]), "{status}");

        // A connection that hangs up on an idempotent request may be tried once more below us.
        assert!(server.count() >= 3, "{status}");
    }
}

#[tokio::test]
async fn tries_are_counted_and_end() {
    let server = FakeHttp::start(|_, _| error(500, 50001, "Error in the backend datastore")).await;

    let error = client(&[&server]).subjects().await.unwrap_err();

    assert_eq!(server.count(), 4);
    assert!(error.is_retriable());
    assert!(
        matches!(&error, RegistryError::Unavailable { attempts: 4, reason, .. } if reason.contains("50001")),
        "{error}"
    );
    assert_eq!(error.error_code(), Some(50001));
    assert!(error.to_string().ends_with("; it answers, and its log and `/health/ready` tell what it lacks"), "{error}");

    // What stands before a registry says nothing of it.
    let server = FakeHttp::start(|_, _| (502, String::new(), "<h1>Bad Gateway</h1>".to_owned())).await;
    let error = client(&[&server]).subjects().await.unwrap_err();
    assert!(error.to_string().ends_with("; check the URL and whether it is up"), "{error}");
    assert_eq!(error.error_code(), None);

    // A body that is not what its head says is told as such and with what is wrong with it.
    let broken = |_, _: &_| (200, "Content-Encoding: gzip\r\n".to_owned(), "no gzip".to_owned());
    let server = FakeHttp::start(broken).await;
    let error = client(&[&server]).subjects().await.unwrap_err();
    assert!(
        matches!(&error, RegistryError::Unavailable { reason, .. }
            if reason.starts_with("error decoding response body: ") && reason.contains("header")),
        "{error}"
    );

    let server = FakeHttp::start(|_, _| error_429()).await;
    let mut config = config(&[&server]);
    config.retries = 0;
    let error = HttpRegistry::new(&config).unwrap().subjects().await.unwrap_err();
    assert!(matches!(error, RegistryError::Throttled { .. }) && error.is_retriable());
    assert_eq!(server.count(), 1);
}

fn error_429() -> crate::fake_http::Answer {
    let (status, headers, body) = error(429, 429, "Too many requests");
    (status, headers + "Retry-After: 1\r\n", body)
}

#[tokio::test]
async fn a_retry_after_is_waited_for_up_to_the_longest_pause() {
    let server = FakeHttp::start(|number, _| if number == 0 { error_429() } else { json(200, "[]") }).await;
    let mut config = config(&[&server]);
    config.backoff_max = Duration::from_millis(300);
    let start = std::time::Instant::now();

    HttpRegistry::new(&config).unwrap().subjects().await.unwrap();

    assert!(start.elapsed() >= Duration::from_millis(300), "{:?}", start.elapsed());
}

#[tokio::test]
async fn the_deadline_ends_the_tries() {
    let server = FakeHttp::start(|_, _| error(503, 503, "down")).await;
    let mut config = config(&[&server]);
    config.deadline = Duration::from_millis(50);
    config.retries = u32::MAX - 1;
    config.backoff_min = Duration::from_millis(5);
    config.backoff_max = Duration::from_millis(5);

    let error = HttpRegistry::new(&config).unwrap().subjects().await.unwrap_err();

    assert!(matches!(error, RegistryError::Unavailable { .. }), "{error}");
}

#[tokio::test]
async fn a_server_that_does_not_answer_times_out() {
    // Takes connections into its backlog and never answers.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut config = RegistryConfig::new(format!("http://{}", listener.local_addr().unwrap()));
    config.request_timeout = Duration::from_millis(50);
    config.retries = 0;

    let error = HttpRegistry::new(&config).unwrap().subjects().await.unwrap_err();

    assert!(matches!(&error, RegistryError::Unavailable { attempts: 1, .. }), "{error}");
}

#[tokio::test]
async fn another_url_takes_over_and_keeps_the_work() {
    let down = FakeHttp::start(|_, _| error(503, 503, "down")).await;
    let up = FakeHttp::start(|_, _| json(200, "[]")).await;
    let client = client(&[&down, &up]);

    for _ in 0..5 {
        client.subjects().await.unwrap();
    }

    assert_eq!((down.count(), up.count()), (1, 5));
}

#[tokio::test]
async fn a_url_where_nobody_listens_is_left_for_the_next() {
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", gone.local_addr().unwrap());
    drop(gone);
    let up = FakeHttp::start(|_, _| json(200, r#"["a"]"#)).await;
    let mut config = config(&[&up]);
    config.urls.insert(0, url);

    assert_eq!(HttpRegistry::new(&config).unwrap().subjects().await.unwrap(), ["a"]);
}

#[tokio::test]
async fn an_answer_of_404_does_not_move_to_another_url() {
    let first = FakeHttp::start(|_, _| error(404, 40403, "Schema not found")).await;
    let second = FakeHttp::start(|_, _| json(200, "[]")).await;

    assert!(client(&[&first, &second]).subjects().await.unwrap_err().is_not_found());

    assert_eq!((first.count(), second.count()), (1, 0));
}

#[tokio::test]
async fn answers_that_are_none_of_a_registry_are_told_apart() {
    let server = FakeHttp::start(|number, _| match number {
        0 => (404, "Content-Type: text/html\r\n".to_owned(), "<html>nothing here</html>".to_owned()),
        1 => (302, "Location: http://elsewhere/\r\n".to_owned(), String::new()),
        2 => json(200, "<html>"),
        3 => json(200, format!("[\"{}\"]", "x".repeat(2_000))),
        _ => json(200, r#"{"id":"text"}"#),
    })
    .await;
    let mut config = config(&[&server]);
    config.reply_bytes_max = 1_000;
    let client = HttpRegistry::new(&config).unwrap();

    for expected in ["nothing here", "HTTP status 302", "cannot be read", "more than 1000 bytes"] {
        let error = client.subjects().await.unwrap_err();
        assert!(matches!(error, RegistryError::UnexpectedReply { .. }), "{error}");
        assert!(error.to_string().contains(expected), "{error}, expected `{expected}`");
    }
    // The redirect was not followed, and nothing was asked twice.
    assert_eq!(server.count(), 4);
}

#[tokio::test]
async fn subjects_that_no_url_can_name_are_refused_at_once() {
    let server = FakeHttp::start(|_, _| json(200, "[]")).await;

    let error = client(&[&server]).versions("..").await.unwrap_err();

    assert_eq!(error, RegistryError::UnusableSubject { subject: "..".to_owned() });
    assert_eq!(server.count(), 0);
}

#[test]
fn settings_that_cannot_work_are_refused_with_every_problem() {
    let properties =
        [("max.retries", "many"), ("basic.auth.credentials.source", "USER_INFO"), ("basic.auth.user.info", "nocolon")];

    let error: ConfigError = RegistryConfig::from_properties(properties).unwrap_err();

    assert_eq!(error.problems().len(), 3, "{error}");
}

#[test]
fn javas_names_are_read() {
    let config = RegistryConfig::from_properties([
        ("schema.registry.url", "http://one:8081, http://two:8081"),
        ("schema.registry.basic.auth.credentials.source", "USER_INFO"),
        ("schema.registry.basic.auth.user.info", "user:pass:word"),
        ("http.connect.timeout.ms", "100"),
        ("http.read.timeout.ms", "200"),
        ("max.retries", "1"),
        ("latest.cache.ttl.sec", "30"),
    ])
    .unwrap();

    assert_eq!(config.urls, ["http://one:8081", "http://two:8081"]);
    assert_eq!(config.auth, Auth::Basic { user: "user".to_owned(), password: Secret::from("pass:word") });
    assert_eq!(
        (config.connect_timeout, config.request_timeout),
        (Duration::from_millis(100), Duration::from_millis(200))
    );
    assert_eq!((config.retries, config.latest_ttl), (1, Duration::from_secs(30)));
}
