//! The few calls that a ledger needs.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use reqwest::header::RETRY_AFTER;
use reqwest::{Client, Method, Response, StatusCode};
use serde_json::{Value, json};

use super::{Doomed, Stage, Written};

/// A call that is refused comes again for so long, and so often: a disk that stalls does for some seconds.
const REFUSED_MAX: Duration = Duration::from_secs(60);
const TRIES_MAX: u64 = 100;

/// One registry.
pub(super) struct Api {
    pub(super) client: Client,
    pub(super) url: String,
    pub(super) patience: Patience,
}

/// What a client does that is told to come again later.
#[derive(Debug, Clone)]
pub(super) enum Patience {
    /// It takes that for no answer.
    None,
    /// It does, and counts it here.
    ComesAgain(Arc<AtomicU64>),
}

/// What a registry has answered.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) body: Value,
    /// Whether the call was refused before: it may have been done by then.
    pub(super) is_again: bool,
}

impl Api {
    /// `None` when the connection broke, or the server could not tell what came of the call; a client with patience is
    /// told that in the end, or it is an error.
    pub(super) async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Result<Option<Reply>> {
        let (began, mut refused) = (Instant::now(), 0);
        loop {
            let mut request = self.client.request(method.clone(), format!("{}{path}", self.url));
            if let Some(body) = &body {
                request = request.json(body);
            }
            let Ok(response) = request.send().await else { return Ok(None) };
            let (status, pause) = (response.status(), pause(&response));
            let Ok(body) = response.bytes().await else { return Ok(None) };
            if !status.is_server_error() {
                let body = serde_json::from_slice(&body).with_context(|| format!("{path}: {status} without JSON"))?;
                return Ok(Some(Reply { status, body, is_again: refused > 0 }));
            }
            let Patience::ComesAgain(count) = &self.patience else { return Ok(None) };
            let pause = pause.with_context(|| format!("{path}: {status} {}", String::from_utf8_lossy(&body)))?;
            count.fetch_add(1, Ordering::Relaxed);
            refused += 1;
            let waited = began.elapsed();
            ensure!(refused < TRIES_MAX && waited < REFUSED_MAX, "{path}: refused {refused} times in {waited:?}");
            tokio::time::sleep(pause).await;
        }
    }

    pub(super) async fn register(&self, subject: &str, text: &str) -> Result<Option<Written>> {
        self.register_as(subject, text, json!({ "schema": text })).await
    }

    /// Registers with the id and the version that the ledger gives.
    pub(super) async fn import(&self, import: &Written) -> Result<Option<Written>> {
        let Written { subject, version, id, text } = import;
        self.register_as(subject, text, json!({ "schema": text, "id": id, "version": version })).await
    }

    async fn register_as(&self, subject: &str, text: &str, body: Value) -> Result<Option<Written>> {
        let path = format!("/subjects/{subject}/versions");
        let Some(Reply { status, body, .. }) = self.call(Method::POST, &path, Some(body)).await? else {
            return Ok(None);
        };
        ensure!(status == StatusCode::OK, "registering {text} in `{subject}`: {status} {body}");
        let number = |name: &str| body[name].as_u64().with_context(|| format!("no `{name}` in {body}"));
        let (id, version) = (number("id")?, number("version")?);
        Ok(Some(Written { subject: subject.to_owned(), version, id, text: text.to_owned() }))
    }

    pub(super) async fn get(&self, path: &str) -> Result<(StatusCode, Value)> {
        let reply = self.call(Method::GET, path, None).await?.with_context(|| format!("no answer to GET {path}"))?;
        Ok((reply.status, reply.body))
    }

    /// The versions of a subject behind the first `known`.
    pub(super) async fn versions(&self, subject: &str, known: usize) -> Result<Vec<Written>> {
        let (status, list) = self.get(&format!("/subjects/{subject}/versions")).await?;
        ensure!(status == StatusCode::OK, "the versions of `{subject}`: {status} {list}");
        let mut found = Vec::new();
        for version in list.as_array().context("a list of versions")?.iter().skip(known) {
            let version = version.as_u64().context("a version that is no number")?;
            let read = self.version(subject, version).await?;
            found.push(read.with_context(|| format!("no answer to version {version} of `{subject}`"))?);
        }
        Ok(found)
    }

    /// A version that must be there; `None` when there was no answer.
    pub(super) async fn version(&self, subject: &str, version: u64) -> Result<Option<Written>> {
        let path = format!("/subjects/{subject}/versions/{version}");
        let Some(Reply { status, body, .. }) = self.call(Method::GET, &path, None).await? else { return Ok(None) };
        let (Some(id), Some(text)) = (body["id"].as_u64(), body["schema"].as_str()) else {
            bail!("version {version} of `{subject}`: {status} {body}");
        };
        Ok(Some(Written { subject: subject.to_owned(), version, id, text: text.to_owned() }))
    }

    pub(super) async fn check_doomed(&self, doomed: &Doomed) -> Result<()> {
        let is_there = async |query: &str| {
            let (status, body) = self.get(&format!("/subjects/{}/versions{query}", doomed.subject)).await?;
            ensure!(matches!(status, StatusCode::OK | StatusCode::NOT_FOUND), "{doomed:?}: {status} {body}");
            anyhow::Ok(status == StatusCode::OK)
        };
        let stage = match (is_there("").await?, is_there("?deleted=true").await?) {
            (true, true) => Stage::Live,
            (false, true) => Stage::SoftDeleted,
            (false, false) => Stage::Removed,
            (true, false) => bail!("`{}` is live and not there", doomed.subject),
        };
        ensure!((doomed.answered..=doomed.tried).contains(&stage), "{stage:?} was never answered for {doomed:?}");
        Ok(())
    }
}

/// How long a client is told to stay away.
fn pause(response: &Response) -> Option<Duration> {
    let told = response.headers().get(RETRY_AFTER).filter(|_| response.status() == StatusCode::SERVICE_UNAVAILABLE)?;
    told.to_str().ok()?.parse().ok().map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;

    use super::*;

    const REFUSED: &str = "503 Service Unavailable\r\nRetry-After: 0";

    /// Calls a server that gives these answers, and the last of them for ever; what came of it, and how often the call
    /// came again.
    async fn call(answers: &[&'static str], is_patient: bool) -> (Result<Option<Reply>>, u64) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let answers = answers.to_vec();
        std::thread::spawn(move || {
            let mut answers = answers.iter().chain(answers.last().into_iter().cycle());
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let _ = stream.read(&mut [0; 1024]).unwrap();
                let answer = answers.next().unwrap();
                write!(stream, "HTTP/1.1 {answer}\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{{}}").unwrap();
            }
        });
        let count = Arc::new(AtomicU64::new(0));
        let patience = if is_patient { Patience::ComesAgain(Arc::clone(&count)) } else { Patience::None };
        let api = Api { client: Client::new(), url, patience };
        (api.call(Method::GET, "/", None).await, count.load(Ordering::Relaxed))
    }

    #[tokio::test]
    async fn a_client_with_patience_comes_again_when_it_is_told_to() {
        let (answer, refused) = call(&[REFUSED, REFUSED, "200 OK"], true).await;
        let answer = answer.unwrap().unwrap();
        assert_eq!((answer.status, answer.is_again, refused), (StatusCode::OK, true, 2));

        let (answer, _) = call(&["404 Not Found"], true).await;
        assert!(!answer.unwrap().unwrap().is_again);
        let (answer, _) = call(&[REFUSED, "200 OK"], false).await;
        assert!(answer.unwrap().is_none());
    }

    #[tokio::test]
    async fn patience_has_an_end_and_is_for_what_asks_for_it() {
        let (answer, refused) = call(&[REFUSED], true).await;
        assert!(answer.unwrap_err().to_string().contains("refused 100 times"));
        assert_eq!(refused, TRIES_MAX);

        for failure in ["500 Internal Server Error", "503 Service Unavailable", "500 Failed\r\nRetry-After: 0"] {
            let (answer, refused) = call(&[REFUSED, failure], true).await;
            assert!(answer.unwrap_err().to_string().starts_with("/: 50"), "{failure}");
            assert_eq!(refused, 1, "{failure}");
        }
    }
}
