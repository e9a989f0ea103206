//! The service itself: it stops, crashes and comes back with its data as the tests that follow need it to.

use end_to_end_tests::services::postgres::Postgres;

use super::store::database_of;

#[test]
fn what_is_committed_outlives_a_stop_and_a_crash() {
    let mut postgres = Postgres::start().unwrap();
    let database = postgres.create_database().unwrap();
    let name = database_of(&database);
    postgres.psql(name, "CREATE TABLE kept (number INT); INSERT INTO kept VALUES (1)").unwrap();

    postgres.stop().unwrap();
    assert!(postgres.psql(name, "SELECT 1").is_err());
    postgres.restart().unwrap();
    postgres.psql(name, "INSERT INTO kept VALUES (2)").unwrap();
    postgres.crash().unwrap();
    postgres.restart().unwrap();

    assert_eq!(postgres.psql(name, "SELECT number FROM kept ORDER BY number").unwrap(), "1\n2");
}
