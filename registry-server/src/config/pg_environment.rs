//! The variables of PostgreSQL's own programs, `PG*`: they fill in what the URL of a database leaves open.
//!
//! The driver reads them, and passes over what it cannot read. A `PGSSLMODE` that is mistyped would leave out the
//! encryption that was asked for, a `PGPORT` lead to another server; both are told here.

use url::Url;

use super::Database;

/// A variable that can be mistyped, and what takes its place.
struct Variable {
    name: &'static str,
    expected: &'static str,
    is_readable: fn(&str) -> bool,
    /// Whether the URL says it by itself.
    is_given: fn(&Url) -> bool,
}

/// How connections are encrypted: <https://www.postgresql.org/docs/current/libpq-ssl.html>.
const SSL_MODES: [&str; 6] = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"];

const VARIABLES: [Variable; 2] = [
    Variable {
        name: "PGSSLMODE",
        expected: "`disable`, `allow`, `prefer`, `require`, `verify-ca` or `verify-full`",
        is_readable: |value| SSL_MODES.iter().any(|mode| value.eq_ignore_ascii_case(mode)),
        is_given: |url| has_parameter(url, &["sslmode", "ssl-mode"]),
    },
    Variable {
        name: "PGPORT",
        expected: "the number of a port, as `5432`",
        is_readable: |value| value.parse::<u16>().is_ok(),
        is_given: |url| url.port().is_some() || has_parameter(url, &["port"]),
    },
];

/// What is wrong with the variables that a connection to `database` depends on.
pub(super) fn problems(database: &Database, vars: &[(String, String)]) -> Vec<String> {
    let url = match database {
        Database::Url(url) if url.starts_with("postgres") => Url::parse(url),
        _ => return Vec::new(),
    };
    // What is no URL is told elsewhere.
    let Ok(url) = url else { return Vec::new() };
    let mistyped = VARIABLES.into_iter().filter(|variable| !(variable.is_given)(&url)).filter_map(|variable| {
        let (name, value) = vars.iter().find(|(name, _)| name == variable.name)?;
        let told = || format!("`{name}` is `{value}`: expected {}, or no such variable", variable.expected);
        (!(variable.is_readable)(value)).then(told)
    });
    mistyped.collect()
}

fn has_parameter(url: &Url, names: &[&str]) -> bool {
    url.query_pairs().any(|(name, _)| names.contains(&&*name))
}

#[cfg(test)]
mod tests {
    use std::str::FromStr;

    use sqlx::postgres::PgSslMode;

    use super::*;

    fn problem(database: &str, name: &str, value: &str) -> String {
        problems(&Database::Url(database.to_owned()), &[(name.to_owned(), value.to_owned())]).join(" | ")
    }

    #[test]
    fn what_the_driver_would_pass_over_is_told() {
        let url = "postgres://sr:open-sesame@host/registry";
        for (name, value, told) in [
            ("PGSSLMODE", "requird", "`PGSSLMODE` is `requird`: expected `disable`, "),
            ("PGSSLMODE", "", "`PGSSLMODE` is ``: expected `disable`, "),
            ("PGSSLMODE", "verify_full", "`verify-ca` or `verify-full`, or no such variable"),
            ("PGPORT", "5432x", "`PGPORT` is `5432x`: expected the number of a port"),
            ("PGPORT", "70000", "`PGPORT` is `70000`: expected the number of a port"),
        ] {
            let found = problem(url, name, value);
            assert!(found.contains(told) && !found.contains("open-sesame"), "{name}={value}: {found}");
            assert_eq!(problem("sqlite://registry.db", name, value), "");
            assert_eq!(problem("postgres://host:5433/registry?sslmode=require", name, value), "");
            assert_eq!(problem("postgresql:///registry?ssl-mode=require&port=5433", name, value), "");
        }
        for (name, value) in [("PGSSLMODE", "Verify-Full"), ("PGPORT", "5433"), ("PGSSLMOD", "requird")] {
            assert_eq!(problem(url, name, value), "");
        }
    }

    #[test]
    fn what_the_driver_takes_is_known() {
        for mode in SSL_MODES {
            assert!(PgSslMode::from_str(mode).is_ok(), "{mode}");
        }
    }
}
