//! What to try when a server that starts cannot use its database: the usual reasons, each with its repair.

use std::io::ErrorKind;

use sqlx::postgres::PgDatabaseError;

use super::super::{StoreError, StoreErrorKind};
use super::connect::Target;
use super::failure::cause;

/// The routine of PostgreSQL that finds no role of the name, or one that may not log in. Its message may be in any
/// language.
const LOOKS_FOR_ROLE: &str = "InitializeSessionUserId";

/// Who makes databases and roles: the registry's own role may not.
const AS_WHO_MAY: &str = "as a role that may, such as `postgres`";

/// The error with what to try behind it, if its reason is one of the usual ones. Who made the URL knows the password,
/// so no advice needs it. What a running server waits for, somebody who starts one is told at once: no waiting gives it
/// a role, a database, or encryption that was refused.
pub(super) fn explain(target: &Target, error: StoreError) -> StoreError {
    let advice = cause(&error).and_then(|cause| match cause {
        sqlx::Error::Database(said) => {
            let routine = said.try_downcast_ref::<PgDatabaseError>().and_then(PgDatabaseError::routine);
            by_code(target, &said.code().unwrap_or_default(), routine)
        }
        sqlx::Error::Io(error) => Some(by_kind(target, error.kind())),
        sqlx::Error::Tls(_) => Some(
            "`?sslmode=disable` connects without encryption, `require` with it, `verify-full` checks the server's \
             name, too, against the authorities in the file that `sslrootcert` names; the server offers encryption \
             with `ssl = on`"
                .to_owned(),
        ),
        _ => None,
    });
    let kind = match (error.kind, cause(&error)) {
        (StoreErrorKind::Refused | StoreErrorKind::Missing, _) | (_, Some(sqlx::Error::Tls(_))) => {
            StoreErrorKind::Setup
        }
        (kind, _) => kind,
    };
    match advice {
        Some(advice) => StoreError::new(error.operation, kind, format!("{}; {advice}", error.source)),
        None => StoreError { kind, ..error },
    }
}

/// <https://www.postgresql.org/docs/current/errcodes-appendix.html>
fn by_code(target: &Target, code: &str, routine: Option<&str>) -> Option<String> {
    let (reach, role, database) = (target.reach(), target.role(), target.database());
    Some(match code {
        "3D000" => format!(
            "make it with `createdb {reach} --owner {role} --encoding UTF8 --template template0 {database}`, \
             {AS_WHO_MAY}, or name another in the URL"
        ),
        "28000" if routine == Some(LOOKS_FOR_ROLE) => {
            format!("make it with `createuser {reach} --pwprompt {role}`, {AS_WHO_MAY}, or name another in the URL")
        }
        "28000" => format!(
            "a line of the server's `pg_hba.conf` has to let the role `{role}` in from here; if it asks for \
             encryption, add `?sslmode=require` to the URL"
        ),
        "28P01" => format!(
            "give the role's password in the URL, `postgres://{role}:PASSWORD@...`, with `@`, `/`, `:` and `%` in it \
             written as `%40`, `%2F`, `%3A` and `%25`, or in the variable `PGPASSWORD`; a role that is not there is \
             answered in the same way"
        ),
        "42501" => format!(
            "the registry makes its tables itself, best in a database of its own: make one with `createdb {reach} \
             --owner {role} --encoding UTF8 --template template0 NAME`, {AS_WHO_MAY}, and name it in the URL; if \
             `{database}` is to be the registry's alone, `ALTER DATABASE {database} OWNER TO {role}` lets it"
        ),
        "53300" => "each registry takes up to fifteen connections: raise `max_connections` of the server, or the \
                    limit of the role"
            .to_owned(),
        "25006" => "this is a standby, or set to read only: name the primary in the URL".to_owned(),
        _ => return None,
    })
}

fn by_kind(target: &Target, kind: ErrorKind) -> String {
    let reach = target.reach();
    match kind {
        ErrorKind::ConnectionRefused => format!(
            "nothing listens there: start PostgreSQL, or put its host and port into the URL; `pg_isready {reach}` \
             tells whether it is up"
        ),
        ErrorKind::NotFound if target.is_socket() => format!(
            "there is no socket of PostgreSQL in that folder: start it, or name its host in the URL; \
             `pg_isready {reach}` tells whether it is up"
        ),
        ErrorKind::NotFound => "`sslrootcert`, `sslcert` or `sslkey` in the URL names no file".to_owned(),
        _ => format!("are host and port in the URL right, and is it up? `pg_isready {reach}` tells"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::failure::failure;
    use super::*;

    #[test]
    fn what_cannot_be_reached_is_told_with_what_to_look_at() {
        let url = "postgres://sr:secret@db.example:6000/registry";
        let of_socket = "postgres:///registry?host=/nowhere&port=6000&password=secret";
        for (url, kind, part) in [
            (url, ErrorKind::ConnectionRefused, "nothing listens there"),
            (url, ErrorKind::TimedOut, "`pg_isready --host db.example --port 6000` tells"),
            (url, ErrorKind::NotFound, "`sslrootcert`"),
            (of_socket, ErrorKind::NotFound, "`pg_isready --host /nowhere --port 6000` tells"),
        ] {
            let target = Target::parse(url).unwrap();
            let error = failure("open the database", sqlx::Error::Io(kind.into()));

            let told = explain(&target, error).source.to_string();

            assert!(told.contains(part) && !told.contains("secret"), "{told}");
        }
    }
}
