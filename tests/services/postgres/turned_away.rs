//! A database that turns away the registry that runs on it, or does not have what it needs any more: told as that, and
//! used again once it is mended, without a restart. A registry that starts on such a database ends (`start_errors`).

use std::time::Instant;

use end_to_end_tests::services::postgres::Postgres;

use super::blocked::{all_is_served_again, keep_one_in_the_cache, limited_database, runtime};
use super::nodes::{Node, REFUSAL_MAX, record, start};

const CUT: &str = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'app'";

/// All but the registry's role.
const OTHERS_ALONE: &str = "local all all trust\nhost all sr all trust\nhost all all all reject\n";
const EVERYBODY: &str = "local all all trust\nhost all all all trust\n";

/// What goes wrong, what is told of it, and how it is mended.
fn check(break_it: impl Fn(&Postgres), reason: &str, mend: impl Fn(&Postgres)) {
    let postgres = Postgres::start().unwrap();
    let registry = start(&limited_database(&postgres));
    let node = Node::new(registry.url());
    runtime().block_on(async {
        keep_one_in_the_cache(&node).await;

        break_it(&postgres);

        let schema = record("Kept", &[]);
        let lookup = serde_json::json!({ "schema": schema.to_string() });
        for _ in 0..3 {
            for (method, path, body) in [
                ("GET", "/health/ready", None),
                ("GET", "/subjects/kept/versions", None),
                ("GET", "/subjects", None),
                ("POST", "/subjects/kept", Some(&lookup)),
                ("POST", "/subjects/new/versions", Some(&lookup)),
                ("DELETE", "/subjects/kept", None),
            ] {
                let since = Instant::now();
                let answer = node.call(method, path, body.cloned()).await.unwrap();
                println!("{method} {path}: {answer:?} after {:?}", since.elapsed());
                answer.assert_storage_is(reason);
                assert!(since.elapsed() < REFUSAL_MAX, "{method} {path} took {:?}", since.elapsed());
            }
            assert!(node.get("/schemas/ids/1").await.is_ok(), "a cached id");
        }

        mend(&postgres);

        all_is_served_again(&node).await;
    });
    registry.stop().unwrap();
}

fn psql(database: &'static str, statement: &'static str) -> impl Fn(&Postgres) {
    move |postgres| drop(postgres.psql(database, statement).unwrap())
}

#[test]
fn a_database_that_is_called_something_else() {
    let rename = |postgres: &Postgres| {
        for statement in ["ALTER DATABASE app CONNECTION LIMIT 0", CUT, "ALTER DATABASE app RENAME TO other"] {
            postgres.psql("postgres", statement).unwrap();
        }
    };
    let back = |postgres: &Postgres| {
        for statement in ["ALTER DATABASE other RENAME TO app", "ALTER DATABASE app CONNECTION LIMIT -1"] {
            postgres.psql("postgres", statement).unwrap();
        }
    };
    check(rename, "missing its database or a table", back);
}

#[test]
fn a_table_that_is_not_there() {
    let rename = psql("app", "ALTER TABLE subjects RENAME TO lost");
    check(rename, "missing its database or a table", psql("app", "ALTER TABLE lost RENAME TO subjects"));
}

#[test]
fn a_table_that_this_program_does_not_know_is_no_outage() {
    let postgres = Postgres::start().unwrap();
    let registry = start(&limited_database(&postgres));
    let node = Node::new(registry.url());
    runtime().block_on(async {
        keep_one_in_the_cache(&node).await;

        postgres.psql("app", "ALTER TABLE subjects RENAME COLUMN revision TO changed").unwrap();

        let answer = node.get("/subjects/kept/versions").await;
        assert_eq!((answer.status, answer.code(), answer.retry_after), (500, 50_001, None));
    });
    registry.stop().unwrap();
}

#[test]
fn a_role_that_is_let_in_no_more() {
    let reject = |postgres: &Postgres| {
        postgres.set_access(OTHERS_ALONE).unwrap();
        postgres.psql("postgres", CUT).unwrap();
    };
    let accept = |postgres: &Postgres| postgres.set_access(EVERYBODY).unwrap();
    check(reject, "refusing the role of this server", accept);
}

#[test]
fn a_role_that_has_lost_a_right() {
    let grant = psql("app", "GRANT ALL ON subjects TO app");
    check(psql("app", "REVOKE ALL ON subjects FROM app"), "refusing the role of this server", grant);
}
