//! The parameters in a database's URL: sqlx would pass over one that it does not know, and write its value to the log.
//! Encryption that was asked for by a mistyped name would be missing without a word.

use url::Url;

/// What sqlx 0.9 takes, as it is shown; `sqlx-postgres`, `src/options/parse.rs`.
const KNOWN: [&str; 12] = [
    "sslmode",
    "sslrootcert",
    "sslcert",
    "sslkey",
    "host",
    "hostaddr",
    "port",
    "dbname",
    "user",
    "password",
    "application_name",
    "options",
];

/// Other names that it takes.
const ALSO_KNOWN: [&str; 6] =
    ["ssl-mode", "ssl-root-cert", "ssl-ca", "ssl-cert", "ssl-key", "statement-cache-capacity"];

/// Below this Jaro-Winkler likeness a known name is no help to somebody who mistyped another.
const LIKENESS_MIN: f64 = 0.75;

/// What is wrong with the parameters of `url`, and what to write instead. A URL that is none at all has no parameters.
pub(super) fn problem(url: &str) -> Option<String> {
    let parsed = Url::parse(url).ok()?;
    let unknown = parsed.query_pairs().map(|(name, _)| name.into_owned()).find(|name| !is_known(name))?;
    // Behind a question mark that stands in a password there is no name, but the rest of the password.
    if parsed.query().is_some_and(|query| query.contains('@')) {
        return Some(
            "what stands behind the `?` of the URL are no parameters: a `?` in a password is written as `%3F`, an `@` \
             as `%40`"
                .to_owned(),
        );
    }
    let nearest = KNOWN
        .into_iter()
        .map(|known| (strsim::jaro_winkler(&unknown.to_ascii_lowercase(), known), known))
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .filter(|(likeness, _)| *likeness > LIKENESS_MIN);
    Some(match nearest {
        Some((_, known)) => format!("`{unknown}` is no parameter of a database's URL; did you mean `{known}`?"),
        None => {
            format!("`{unknown}` is no parameter of a database's URL: expected some of `{}`", KNOWN.join("`, `"))
        }
    })
}

fn is_known(name: &str) -> bool {
    let is_option = name.starts_with("options[") && name.ends_with(']');
    is_option || KNOWN.contains(&name) || ALSO_KNOWN.contains(&name)
}

#[cfg(test)]
mod tests {
    use std::str::FromStr;

    use sqlx::postgres::PgConnectOptions;

    use super::*;

    #[test]
    fn an_unknown_parameter_is_told_without_its_value() {
        for (query, told) in [
            ("sslmod=require", "did you mean `sslmode`?"),
            ("SSLMODE=require", "did you mean `sslmode`?"),
            ("sslmode=require&sslrootcrt=open-sesame", "did you mean `sslrootcert`?"),
            ("pasword=open-sesame", "did you mean `password`?"),
            ("options[search_path=open-sesame", "did you mean `options`?"),
            ("=open-sesame", "expected some of `sslmode`, "),
            ("xyz=open-sesame", "`xyz` is no parameter of a database's URL: expected some of `sslmode`, "),
        ] {
            let found = problem(&format!("postgres:///registry?{query}")).unwrap_or_default();
            assert!(found.contains(told) && !found.contains("open-sesame"), "{query}: {found}");
        }
    }

    #[test]
    fn the_rest_of_a_password_is_not_told() {
        let found = problem("postgres://sr:12?open=sesame@host/registry").unwrap();

        assert!(found.contains("`%3F`") && !found.contains("open") && !found.contains("sesame"), "{found}");
    }

    #[test]
    fn what_sqlx_takes_is_known() {
        let values = [("sslmode", "require"), ("ssl-mode", "require"), ("port", "5433"), ("hostaddr", "127.0.0.1")];
        for name in KNOWN.into_iter().chain(ALSO_KNOWN).chain(["options[search_path]", "options%5Bsearch_path%5D"]) {
            let value = values.iter().find(|(own, _)| *own == name).map_or("7", |(_, value)| value);
            let url = format!("postgres:///registry?{name}={value}");

            assert_eq!(problem(&url), None);
            PgConnectOptions::from_str(&url).unwrap();
        }
        for url in ["postgres://sr:secret@host:5432/registry", "postgres://sr:ab?cd@host/registry", "registry"] {
            assert_eq!(problem(url), None, "{url}");
        }
    }
}
