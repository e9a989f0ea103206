//! The load balancer of `docs/running-on-postgres.md`: nginx, with the block as it stands there, before three nodes.

use end_to_end_tests::Registry;
use end_to_end_tests::binaries::workspace;
use end_to_end_tests::services::nginx::Nginx;
use end_to_end_tests::services::postgres::Postgres;
use end_to_end_tests::wait_until;

use super::load::schema;
use super::nodes::{Node, RECOVERY_MAX, start};

/// What each node gets more than one of.
const REQUESTS: usize = 30;

/// Puts nginx in front of nodes: the guide's block, with the addresses of these and a port that is free.
fn balance(nodes: &[Registry]) -> Nginx {
    let guide = std::fs::read_to_string(workspace().join("docs/running-on-postgres.md")).unwrap();
    let (_, block) = guide.split_once("```nginx\n").unwrap();
    let (block, _) = block.split_once("```").unwrap();
    let replace = |text: String, old: &str, new: &str| {
        assert_eq!(text.matches(old).count(), 1, "`{old}` in {text}");
        text.replace(old, new)
    };
    let block = nodes.iter().zip(8081..).fold(block.to_owned(), |block, (node, port)| {
        replace(block, &format!("127.0.0.1:{port}"), node.url().trim_start_matches("http://"))
    });
    Nginx::start(|port| replace(block, "listen 80;", &format!("listen 127.0.0.1:{port};"))).unwrap()
}

/// Waits until a node is ready again.
async fn is_ready(node: &Registry) {
    let (node, runtime) = (Node::new(node.url()), tokio::runtime::Handle::current());
    let is_back = move || runtime.block_on(node.get("/health/ready")).is_ok();
    tokio::task::spawn_blocking(|| wait_until("a node that is ready", RECOVERY_MAX, is_back)).await.unwrap().unwrap();
}

#[tokio::test]
async fn what_one_node_cannot_do_another_does_and_what_none_can_takes_no_node_away() {
    let mut postgres = Postgres::start().unwrap();
    let database = postgres.create_database().unwrap();
    let mut nodes: Vec<Registry> = (0..3).map(|_| start(&database)).collect();
    let nginx = balance(&nodes);
    let through = Node::new(nginx.url());
    assert_eq!(through.register("s", &schema(0, 0)).await.id(), 1);
    for node in &nodes {
        assert!(Node::new(node.url()).get("/schemas/ids/1").await.is_ok());
    }

    // Every node refuses writes, and serves what it has read.
    postgres.stop().unwrap();
    for number in 1..3 {
        through.register("s", &schema(0, number)).await.assert_unavailable();
        for _ in 0..REQUESTS {
            let answer = through.get("/schemas/ids/1").await;
            assert!(answer.is_ok(), "{answer:?}");
        }
    }

    postgres.restart().unwrap();
    for node in &nodes {
        is_ready(node).await;
    }
    // A node that is gone is not missed.
    nodes.remove(0).stop().unwrap();
    for number in 0..REQUESTS {
        let answer = through.register(&format!("s-{number}"), &schema(1, number)).await;
        assert!(answer.is_ok(), "{answer:?}");
    }
}
