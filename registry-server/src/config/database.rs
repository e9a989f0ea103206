//! `database`: where schemas are kept. It may carry a password, which is never printed.

use std::fmt;

/// Where schemas are kept.
#[derive(Clone, PartialEq, Eq)]
pub enum Database {
    /// A URL: `sqlite://PATH`, or `postgres://USER:PASSWORD@HOST:PORT/DATABASE`.
    Url(String),
    /// In memory, gone with the process; flag `--ephemeral`.
    Ephemeral,
}

impl fmt::Display for Database {
    /// Without password and parameters.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = match self {
            Self::Ephemeral => return f.write_str("memory"),
            Self::Url(url) => url,
        };
        if url.starts_with("sqlite:") {
            return f.write_str(url);
        }
        // A password may stand anywhere in what is not written as it should be.
        let Some((scheme, rest)) = url.split_once("://") else {
            return write!(f, "{}:…", url.split(':').next().unwrap_or_default());
        };
        let place = rest.split('?').next().unwrap_or_default();
        if !place.contains('@') && rest.contains('@') {
            return write!(f, "{scheme}://…");
        }
        // A password with a slash or an at sign in it is wrong there, and still a password.
        match place.rsplit_once('@') {
            Some((user, place)) => {
                let user = user.split(':').next().unwrap_or_default();
                write!(f, "{scheme}://{user}@{place}")
            }
            None => write!(f, "{scheme}://{place}"),
        }
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Database({self})")
    }
}

/// What to say of a text that is no URL of a database, which may be a password or hold one. `name` is what a person
/// calls the setting.
pub(super) fn unknown(name: &str, text: &str) -> String {
    const EXPECTED: &str = "expected `sqlite://PATH` or `postgres://USER:PASSWORD@HOST:PORT/DATABASE`";

    // A host and a database without their scheme look like a path, too.
    let is_of_path = |c: char| c.is_alphanumeric() || matches!(c, '/' | '.' | '_' | '-');
    let is_path = text.starts_with(['/', '.']) || [".db", ".sqlite", ".sqlite3"].iter().any(|end| text.ends_with(end));
    if is_path && text.chars().all(is_of_path) {
        return format!("{name} is `{text}`, which is a path and no URL: expected `sqlite://{text}`");
    }
    let scheme = text.split_once(':').map(|(scheme, _)| scheme);
    match scheme.filter(|scheme| scheme.chars().all(|c| c.is_ascii_alphanumeric())) {
        Some(scheme) => format!("{name} is no URL that is known, it begins with `{scheme}:`: {EXPECTED}"),
        None => format!("{name} is no URL: {EXPECTED}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_told_with_its_url_and_what_may_be_a_password_is_not_repeated() {
        for (text, part) in [
            ("foo.db", "expected `sqlite://foo.db`"),
            ("/var/lib/sr/registry.db", "expected `sqlite:///var/lib/sr/registry.db`"),
            ("./data/foo", "expected `sqlite://./data/foo`"),
            ("db.internal/registry", "no URL: expected `sqlite://PATH` or `postgres://"),
            ("c2Vj/secret", "no URL: expected `sqlite://PATH`"),
            ("mysql://sr:secret@host/db", "it begins with `mysql:`"),
            ("host=localhost password=secret", "no URL: expected `sqlite://PATH`"),
            ("secret", "no URL: expected"),
            ("sr.1:secret@host/db", "no URL: expected"),
            ("", "no URL: expected"),
        ] {
            let said = unknown("`database`", text);
            assert!(said.contains(part) && !said.contains("secret"), "{said}");
        }
    }

    #[test]
    fn no_password_is_printed() {
        for (url, shown) in [
            ("sqlite://a@b:c?d.db", "sqlite://a@b:c?d.db"),
            ("postgres://sr:secret@host:5432/registry", "postgres://sr@host:5432/registry"),
            ("postgres://sr:se@cr/et@host/registry", "postgres://sr@host/registry"),
            ("postgres://host/registry?user=sr&password=secret", "postgres://host/registry"),
            ("postgres://host/registry", "postgres://host/registry"),
            ("postgres://sr:ab?cd@host/registry", "postgres://…"),
            ("postgres:sr:secret@host/registry", "postgres:…"),
        ] {
            let database = Database::Url(url.to_owned());
            assert_eq!(database.to_string(), shown);
            assert_eq!(format!("{database:?}"), format!("Database({shown})"));
        }
    }
}
