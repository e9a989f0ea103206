//! `--registry URL`: the client, and the URL as it may be shown.

use anyhow::Context as _;
use avro_serde::SchemaRegistry;

/// A registry by the URL of the command line. No connection is made.
pub(crate) fn connect(url: &str) -> anyhow::Result<SchemaRegistry> {
    let shown = || format!("`--registry {}`, expected one such as http://127.0.0.1:8081", without_user(url));
    SchemaRegistry::connect(url).with_context(shown)
}

/// The URL without a user and a password: what is printed is copied and kept.
pub(crate) fn without_user(url: &str) -> String {
    let start = url.find("://").map_or(0, |at| at + "://".len());
    // The last `@` of all: a password with a slash in it is a mistake that an error is about to show.
    let host = url.rfind('@').map_or(start, |at| start.max(at + 1));
    format!("{}{}", &url[..start], &url[host..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_shown_without_user_and_password() {
        for (url, shown) in [
            ("http://localhost:8081", "http://localhost:8081"),
            ("https://ada:s@c/ret@host/a", "https://host/a"),
            ("ada:secret@host:8081", "host:8081"),
            ("http://ada:secret@", "http://"),
            ("", ""),
        ] {
            assert_eq!(without_user(url), shown, "{url}");
        }
    }

    #[test]
    fn a_url_that_cannot_be_used_is_named_with_one_that_can() {
        let said = format!("{:#}", connect("ada:secret@host:8081").unwrap_err());

        assert!(said.starts_with("`--registry host:8081`, expected one such as http://"), "{said}");
        assert!(said.contains("no `http://`") && !said.contains("secret"), "{said}");
    }
}
