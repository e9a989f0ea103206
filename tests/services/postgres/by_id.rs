//! Who uses an id is answered as of the request where the subject is named, whatever became of the messages between
//! nodes.

use end_to_end_tests::services::postgres::Postgres;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use super::evictions::listeners;
use super::nodes::{Node, record, start};

/// What an answer by id says of its use.
async fn shown(node: &Node, path: &str) -> Value {
    let answer = node.get(path).await;
    assert!(answer.is_ok(), "{path}: {answer:?}");
    json!([answer.body["subject"], answer.body["version"], answer.body["deleted"]])
}

#[test]
fn a_node_that_hears_nothing_of_the_others_answers_with_what_they_have_written() {
    let postgres = Postgres::start().unwrap();
    let database = postgres.create_database().unwrap();
    let (writing, others) = (start(&database), listeners(&postgres));
    let reading = start(&database);
    let listener = *listeners(&postgres).difference(&others).next().expect("the second node listens");
    let (writes, reads) = (Node::new(writing.url()), Node::new(reading.url()));
    let schema = record("Shared", &[]);

    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let id = writes.register("m", &schema).await.id();
        let of = |subject: &str| format!("/schemas/ids/{id}?subject={subject}");
        for subject in ["b", "m"] {
            assert_eq!(shown(&reads, &of(subject)).await, json!(["m", 1, false]), "{subject}");
        }

        // The server is dropped with the test, which sets its processes going again.
        kill(Pid::from_raw(listener), Signal::SIGSTOP).unwrap();
        assert_eq!(writes.register("b", &schema).await.id(), id);
        assert_eq!(shown(&reads, &of("b")).await, json!(["b", 1, false]));
        assert!(writes.call("DELETE", "/subjects/m", None).await.unwrap().is_ok());
        assert_eq!(shown(&reads, &of("m")).await, json!(["m", 1, true]));
        assert_eq!(writes.register("m", &schema).await.id(), id);
        assert_eq!(shown(&reads, &of("m")).await, json!(["m", 2, false]));
    });
    reading.stop().unwrap();
    writing.stop().unwrap();
}
