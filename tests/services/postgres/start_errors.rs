//! A registry that cannot use its PostgreSQL says why, what to try, and where the URL stands; never the password.

use std::net::TcpListener;

use end_to_end_tests::Registry;
use end_to_end_tests::services::postgres::Postgres;

/// What no message may show.
const PASSWORD: &str = "open-sesame";

/// What a registry says that cannot start on a database.
fn complaint(url: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let variables = [("SCHEMA_REGISTRY_DATABASE", url)];
    // The log is JSON.
    let told = format!("{:#}", Registry::start_in(folder, &[], &variables).unwrap_err()).replace("\\\"", "\"");
    assert!(told.contains("registry-server cannot start"), "{told}");
    assert!(told.contains("the URL of the database comes from `SCHEMA_REGISTRY_DATABASE`"), "{told}");
    for noise in [PASSWORD, " at line ", "error returned from database"] {
        assert!(!told.contains(noise), "`{noise}` is in: {told}");
    }
    told
}

fn check(url: &str, parts: &[&str]) {
    has(&complaint(url), parts);
}

/// What no waiting mends is not waited for.
fn check_at_once(url: &str, parts: &[&str]) {
    let told = complaint(url);
    has(&told, parts);
    assert!(!told.contains("waiting at most"), "{told}");
}

fn has(told: &str, parts: &[&str]) {
    for part in parts {
        assert!(told.contains(part), "`{part}` is not in: {told}");
    }
}

#[test]
fn what_the_server_refuses_is_told_with_the_command_that_repairs_it() {
    let postgres = Postgres::start().unwrap();
    let reach = format!("--host 127.0.0.1 --port {}", postgres.port());
    let url = |role: &str, rest: &str| format!("postgres://{role}:{PASSWORD}@127.0.0.1:{}/{rest}", postgres.port());
    postgres.psql("postgres", "CREATE ROLE guest LOGIN").unwrap();
    postgres.psql("postgres", "CREATE ROLE crowded LOGIN CONNECTION LIMIT 0").unwrap();
    postgres.psql("postgres", "CREATE DATABASE private").unwrap();

    check_at_once(
        &url("sr", "nowhere"),
        &[
            "database \"nowhere\" does not exist",
            &format!("createdb {reach} --owner sr"),
            "template0 nowhere`, as a role that may",
        ],
    );
    check_at_once(
        &url("nobody", "private"),
        &["role \"nobody\" does not exist", &format!("createuser {reach} --pwprompt nobody`, as a role that may")],
    );
    check_at_once(
        &url("guest", "private"),
        &[
            "permission denied",
            &format!("createdb {reach} --owner guest"),
            "as a role that may, such as `postgres`",
            "ALTER DATABASE private OWNER TO guest",
        ],
    );
    check_at_once(&url("sr", "private?sslmod=open-sesame"), &["`sslmod` is no parameter", "did you mean `sslmode`?"]);
    check(&url("crowded", "private"), &["too many connections for role", "or the limit of the role"]);
    check_at_once(&url("sr", "private?sslmode=require"), &["server does not support TLS", "sslmode=disable"]);
}

#[test]
fn a_wrong_password_and_a_closed_door_are_told_apart() {
    let postgres = Postgres::start().unwrap();
    let url = |database: &str| format!("postgres://sr:{PASSWORD}@127.0.0.1:{}/{database}", postgres.port());
    for statement in ["ALTER ROLE sr PASSWORD 'another'", "CREATE DATABASE guarded", "CREATE DATABASE closed"] {
        postgres.psql("postgres", statement).unwrap();
    }
    let rules = "host closed all 127.0.0.1/32 reject\n\
                 host guarded all 127.0.0.1/32 scram-sha-256\n\
                 host all all 127.0.0.1/32 trust\n";
    postgres.set_access(rules).unwrap();

    check_at_once(&url("guarded"), &["password authentication failed", "postgres://sr:PASSWORD@", "`PGPASSWORD`"]);
    check_at_once(&url("closed"), &["pg_hba.conf", "let the role `sr` in from here"]);
}

#[test]
fn a_database_that_only_reads_is_told_to_be_no_primary() {
    let postgres = Postgres::start_with(&["default_transaction_read_only=on"]).unwrap();

    check(
        &format!("postgres://sr:{PASSWORD}@127.0.0.1:{}/postgres", postgres.port()),
        &["read-only transaction", "name the primary in the URL"],
    );
}

#[test]
fn a_server_that_does_not_listen_is_told_with_how_to_ask_it() {
    // Nobody listens there.
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();

    check(
        &format!("postgres://sr:{PASSWORD}@127.0.0.1:{nobody}/registry"),
        &["Connection refused", &format!("`pg_isready --host 127.0.0.1 --port {nobody}`")],
    );
}

#[test]
fn a_folder_without_a_socket_is_told_with_how_to_ask_it() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().display();

    check(
        &format!("postgres:///registry?host={socket}&password={PASSWORD}"),
        &["no socket of PostgreSQL", &format!("`pg_isready --host {socket} ")],
    );
}
