//! Registries that share one database, and a client that tells what came back.

use std::time::Duration;

use anyhow::{Context as _, Result};
use end_to_end_tests::Registry;
use end_to_end_tests::services::postgres::Postgres;
use serde_json::{Value, json};

/// An answer that takes longer is none.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a connection is kept that nothing is sent over: less than the servers keep it (`http.keep_alive_ms`), so
/// that none is closed just as something is sent.
const IDLE_MAX: Duration = Duration::from_secs(5);

/// A request is told within this time that the database is away.
const PROMISED: Duration = Duration::from_secs(2);

/// What a machine that runs many tests at once may add: whoever gets no core for a while, the registry or the client
/// that looks at the clock, is late through no fault of the registry.
const BUSY: Duration = Duration::from_millis(500);

/// A refusal, or an answer from memory in its place, that takes longer is a failure. The slowest of many is the one
/// that the machine held up, so this has room; nine of ten have none, see [`assert_told_in_time`].
pub(crate) const REFUSAL_MAX: Duration = PROMISED.saturating_add(BUSY);

/// After its return the database is used again within this time.
pub(crate) const RECOVERY_MAX: Duration = Duration::from_secs(5);

/// Fails unless nine of ten refusals came as they are promised, and each within [`REFUSAL_MAX`].
pub(crate) fn assert_told_in_time(mut waits: Vec<Duration>) {
    waits.sort_unstable();
    let (slowest, most) = (waits.last().expect("a refusal"), waits[waits.len() * 9 / 10]);
    println!("{} refusals, nine of ten within {most:?}, each within {slowest:?}", waits.len());
    assert!(most < PROMISED, "one of ten was refused after {most:?}, and later");
    assert!(*slowest < REFUSAL_MAX, "one was refused after {slowest:?}");
}

/// What a registry answered.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) retry_after: Option<String>,
    /// Whether it came without a length, as it was made.
    pub(crate) is_in_pieces: bool,
    pub(crate) body: Value,
}

impl Answer {
    /// Whether the registry says anything about what was asked: it has taken the request in time (else 408, as after a
    /// process was frozen for long) and could do it.
    pub(crate) fn is_given(&self) -> bool {
        self.status < 500 && self.status != 408
    }

    pub(crate) fn is_ok(&self) -> bool {
        self.status == 200
    }

    /// The id in the body.
    pub(crate) fn id(&self) -> u64 {
        self.body["id"].as_u64().unwrap_or_default()
    }

    /// `error_code` in the body.
    pub(crate) fn code(&self) -> u64 {
        self.body["error_code"].as_u64().unwrap_or_default()
    }

    /// Fails unless the client is told to come again later.
    pub(crate) fn assert_unavailable(&self) {
        assert_eq!((self.status, self.code()), (503, 503), "{self:?}");
        assert!(self.retry_after.is_some(), "{self:?}");
    }

    /// As [`assert_unavailable`](Self::assert_unavailable), and for this reason.
    pub(crate) fn assert_storage_is(&self, reason: &str) {
        self.assert_unavailable();
        assert_eq!(self.body["message"], format!("Service unavailable: the storage is {reason}"));
    }
}

/// The client of one node.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    url: String,
    client: reqwest::Client,
}

impl Node {
    pub(crate) fn new(url: &str) -> Self {
        let client = reqwest::Client::builder().timeout(ANSWER_TIMEOUT).pool_idle_timeout(IDLE_MAX).build().unwrap();
        Self { url: url.to_owned(), client }
    }

    /// Sends a request. An error means that no answer came.
    pub(crate) async fn call(&self, method: &str, path: &str, body: Option<Value>) -> Result<Answer> {
        let method = reqwest::Method::from_bytes(method.as_bytes())?;
        let mut request = self.client.request(method, format!("{}{path}", self.url));
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await?;
        let status = response.status().as_u16();
        let retry_after =
            response.headers().get("retry-after").and_then(|value| value.to_str().ok()).map(str::to_owned);
        let is_in_pieces = response.headers().get("transfer-encoding").is_some_and(|value| value == "chunked");
        let body = response.bytes().await?;
        Ok(Answer { status, retry_after, is_in_pieces, body: serde_json::from_slice(&body).unwrap_or_default() })
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.call("GET", path, None).await.unwrap()
    }

    pub(crate) async fn register(&self, subject: &str, schema: &Value) -> Answer {
        self.try_register(subject, schema).await.unwrap()
    }

    pub(crate) async fn try_register(&self, subject: &str, schema: &Value) -> Result<Answer> {
        let body = json!({ "schema": schema.to_string() });
        self.call("POST", &format!("/subjects/{subject}/versions"), Some(body)).await
    }
}

/// Starts a registry on a database, as a process of its own.
pub(crate) fn start(database: &str) -> Registry {
    Registry::start(&["--database", database]).unwrap()
}

/// Starts a registry on a database with variables in its environment.
pub(crate) fn start_on(database: &str, variables: &[(&str, &str)]) -> Result<Registry> {
    Registry::start_in(tempfile::tempdir()?, &["--database", database], variables)
}

/// Starts registries on a fresh database of the shared server, with a variable in their environment.
pub(crate) fn start_together(count: usize, variables: &[(&str, &str)]) -> Result<Vec<Registry>> {
    let database = Postgres::shared()?.create_database()?;
    (0..count).map(|_| start_on(&database, variables)).collect::<Result<_>>().context("the nodes did not start")
}

/// A record schema with these fields, in JSON.
pub(crate) fn record(name: &str, fields: &[(&str, Value)]) -> Value {
    let fields: Vec<Value> =
        fields.iter().map(|(name, of)| json!({ "name": name, "type": of, "default": default_of(of) })).collect();
    json!({ "type": "record", "name": name, "fields": fields })
}

/// A default that the type takes.
fn default_of(of: &Value) -> Value {
    match of["type"].as_str().or(of.as_str()) {
        Some("boolean") => json!(false),
        Some("int") => json!(0),
        Some("array") => json!([]),
        Some("map") => json!({}),
        Some("fixed") => json!("\u{0}".repeat(usize::try_from(of["size"].as_u64().unwrap_or(0)).unwrap_or(0))),
        _ => json!(""),
    }
}
