//! The few calls that a ledger needs.

use anyhow::{Context as _, Result, bail, ensure};
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};

use super::{Doomed, Stage, Written};

/// One registry.
pub(super) struct Api {
    pub(super) client: Client,
    pub(super) url: String,
}

impl Api {
    /// Status and body; `None` when the connection broke, or the server could not tell what came of the call.
    pub(super) async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Result<Option<(StatusCode, Value)>> {
        let mut request = self.client.request(method, format!("{}{path}", self.url));
        if let Some(body) = body {
            request = request.json(&body);
        }
        let Ok(response) = request.send().await else { return Ok(None) };
        let status = response.status();
        let Ok(body) = response.bytes().await else { return Ok(None) };
        if status.is_server_error() {
            return Ok(None);
        }
        let body = serde_json::from_slice(&body).with_context(|| format!("{path}: {status} without JSON"))?;
        Ok(Some((status, body)))
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
        let Some((status, body)) = self.call(Method::POST, &path, Some(body)).await? else {
            return Ok(None);
        };
        ensure!(status == StatusCode::OK, "registering {text} in `{subject}`: {status} {body}");
        let number = |name: &str| body[name].as_u64().with_context(|| format!("no `{name}` in {body}"));
        let (id, version) = (number("id")?, number("version")?);
        Ok(Some(Written { subject: subject.to_owned(), version, id, text: text.to_owned() }))
    }

    pub(super) async fn get(&self, path: &str) -> Result<(StatusCode, Value)> {
        self.call(Method::GET, path, None).await?.with_context(|| format!("no answer to GET {path}"))
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
        let Some((status, body)) = self.call(Method::GET, &path, None).await? else { return Ok(None) };
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
