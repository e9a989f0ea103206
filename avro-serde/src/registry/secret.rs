//! A password or token that does not print, and a URL without one.

use std::fmt;

/// Text that stays out of `Debug`, logs and errors.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The text; for the one place that sends it.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

/// A registry's URL as it may be shown and kept: without user, password, query and fragment, whether or not it can be
/// read as a URL.
#[must_use]
pub fn without_user(url: &str) -> String {
    let start = url.find("://").map_or(0, |at| at + "://".len());
    // The last `@` of all: a password with a slash in it is a mistake that an error is about to show.
    let host = url.rfind('@').map_or(start, |at| start.max(at + 1));
    let place = url[host..].split(['?', '#']).next().unwrap_or_default();
    format!("{}{place}", &url[..start])
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_shown_without_user_and_password() {
        for (url, shown) in [
            ("http://localhost:8081", "http://localhost:8081"),
            ("https://ada:s@c/ret@host/a", "https://host/a"),
            ("https://ada:s?cret@host/a?token=secret#x", "https://host/a"),
            ("ada:secret@host:8081", "host:8081"),
            ("http://ada:secret@", "http://"),
            ("", ""),
        ] {
            assert_eq!(without_user(url), shown, "{url}");
        }
    }
}
