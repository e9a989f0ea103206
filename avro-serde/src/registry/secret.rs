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

/// A registry's URL as it may be shown and kept, whether or not it can be read as a URL: without user, password, query
/// and fragment. Where it is in doubt what may be a part of them, `…` stands for the rest.
#[must_use]
pub fn without_user(url: &str) -> String {
    let (scheme, rest) = url.split_at(url.find("://").map_or(0, |at| at + "://".len()));
    // An `@` behind one of them belongs to a query, or ends a password in which they should have been escaped.
    if rest.find(['?', '#']).is_some_and(|at| rest[at..].contains('@')) {
        return format!("{scheme}…");
    }
    // The last `@` of all: a password with a slash in it is a mistake that an error is about to show.
    let place = rest.rsplit_once('@').map_or(rest, |(_, place)| place);
    let place = place.split(['?', '#']).next().unwrap_or_default();
    let host = place.split('/').next().unwrap_or_default();
    // Colons inside of brackets are an address's own.
    let name = host.rfind(']').map_or(0, |at| at + 1);
    match host[name..].split_once(':') {
        // A user and a password, of which the `@` is missing.
        Some((host, port)) if !port.bytes().all(|byte| byte.is_ascii_digit()) => {
            format!("{scheme}{}{host}:…", &place[..name])
        }
        _ => format!("{scheme}{place}"),
    }
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
            ("https://host/a?token=secret#x", "https://host/a"),
            ("https://host/a?token=s@cret", "https://…"),
            ("https://ada:s?cret@host/a", "https://…"),
            ("http://ada:secret", "http://ada:…"),
            ("http://ada:secret/1", "http://ada:…"),
            ("http://[::1]:8081/a", "http://[::1]:8081/a"),
            ("http://[::1]", "http://[::1]"),
            ("ada:secret@host:8081", "host:8081"),
            ("http://ada:secret@", "http://"),
            ("", ""),
        ] {
            assert_eq!(without_user(url), shown, "{url}");
        }
    }
}
