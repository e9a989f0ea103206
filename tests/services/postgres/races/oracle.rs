//! A judge of compatibility that shares nothing with the registry: Apache's Avro library for Python.

use std::fmt::Write as _;
use std::time::Duration;

use anyhow::{Context as _, Result};
use end_to_end_tests::services::python::Python;
use serde_json::json;

/// A second for a few thousand, and there may be a hundred thousand.
const DEADLINE: Duration = Duration::from_secs(600);

/// What the registry decided about a schema that was to follow others.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Judgement {
    /// The level in force.
    pub(super) level: &'static str,
    /// The schemas that the level had it compared with.
    pub(super) earlier: Vec<String>,
    pub(super) schema: String,
    pub(super) is_taken: bool,
}

/// The judgements that the other judge does not share, one a line; none is good.
///
/// # Errors
/// There is no Python, or it did not judge them all.
pub(super) fn refuted(judgements: &[Judgement]) -> Result<Vec<String>> {
    let folder = tempfile::tempdir()?;
    let cases = folder.path().join("judgements");
    let mut lines = String::new();
    for Judgement { level, earlier, schema, is_taken } in judgements {
        let case = json!({ "level": level, "earlier": earlier, "schema": schema, "is_taken": is_taken });
        writeln!(lines, "{case}")?;
    }
    std::fs::write(&cases, lines)?;

    let cases = cases.to_str().context("a folder whose name is no text")?;
    let printed = Python::find()?.run("services/postgres/races/oracle.py", &[cases], DEADLINE)?;
    let mut refuted: Vec<String> = printed.lines().map(str::to_owned).collect();
    let end = refuted.pop();
    let expected = format!("{} of {}", refuted.len(), judgements.len());
    anyhow::ensure!(end.as_ref() == Some(&expected), "{expected} expected, {end:?} found");
    Ok(refuted)
}

#[cfg(test)]
mod tests {
    use super::super::subject::schema;
    use super::*;

    fn judgement(level: &'static str, latest: usize, new: usize, is_taken: bool) -> Judgement {
        among(level, &[latest], new, is_taken)
    }

    fn among(level: &'static str, earlier: &[usize], new: usize, is_taken: bool) -> Judgement {
        let earlier = earlier.iter().map(|earlier| schema(0, *earlier).to_string()).collect();
        Judgement { level, earlier, schema: schema(0, new).to_string(), is_taken }
    }

    #[test]
    fn what_should_have_been_refused_or_taken_is_found() {
        let right = [judgement("FULL", 0, 1, true), judgement("FULL", 1, 2, false), judgement("NONE", 1, 2, true)];
        let wrong = [judgement("FULL", 1, 2, true), judgement("FULL", 0, 1, false), judgement("NONE", 1, 2, false)];

        let all = |is_taken| among("FULL_TRANSITIVE", &[0, 1], 2, is_taken);
        let (right, wrong) = ([&right[..], &[all(false)]].concat(), [&wrong[..], &[all(true)]].concat());

        assert_eq!(refuted(&right).unwrap(), Vec::<String>::new());
        assert_eq!(refuted(&wrong).unwrap().len(), wrong.len());
    }
}
