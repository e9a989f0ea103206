//! `--registry URL`: the client.

use anyhow::Context as _;
use avro_serde::SchemaRegistry;

/// A registry by the URL of the command line. No connection is made.
pub(crate) fn connect(url: &str) -> anyhow::Result<SchemaRegistry> {
    SchemaRegistry::connect(url).context("`--registry` takes a URL such as http://127.0.0.1:8081")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_that_cannot_be_used_is_named_with_one_that_can() {
        let said = format!("{:#}", connect("ada:secret@host:8081").unwrap_err());

        assert!(said.starts_with("`--registry` takes a URL such as http://127.0.0.1:8081: `host:8081`"), "{said}");
        assert!(said.contains("no `http://`") && !said.contains("secret"), "{said}");
    }
}
