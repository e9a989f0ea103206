//! The connection over in-memory pipes, with the broker's side scripted byte by byte.

use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use kafka_protocol::messages::api_versions_response::ApiVersion;
use kafka_protocol::messages::{ApiVersionsResponse, MetadataRequest, MetadataResponse, ProduceRequest};
use kafka_protocol::protocol::{Encodable, Request};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use super::transport::Connecting;
use super::*;

/// The broker's end of a pipe.
struct Peer(DuplexStream);

impl Peer {
    /// Reads one request: api key, version, correlation id, whatever follows.
    async fn request(&mut self) -> (i16, i16, i32, Bytes) {
        let length = self.0.read_i32().await.unwrap();
        let mut frame = vec![0; length as usize];
        self.0.read_exact(&mut frame).await.unwrap();
        let mut frame = Bytes::from(frame);
        (frame.get_i16(), frame.get_i16(), frame.get_i32(), frame)
    }

    async fn reply(&mut self, correlation_id: i32, body: &[u8]) {
        self.0.write_i32(4 + body.len() as i32).await.unwrap();
        self.0.write_i32(correlation_id).await.unwrap();
        self.0.write_all(body).await.unwrap();
    }

    async fn reply_metadata(&mut self, correlation_id: i32, cluster: &'static str) {
        let mut body = BytesMut::from(&[0_u8][..]);
        MetadataResponse::default().with_cluster_id(Some(cluster.into())).encode(&mut body, 12).unwrap();
        self.reply(correlation_id, &body).await;
    }
}

fn versions() -> ApiVersionsResponse {
    let metadata = ApiVersion::default().with_api_key(MetadataRequest::KEY).with_min_version(0).with_max_version(12);
    ApiVersionsResponse::default().with_api_keys(vec![metadata])
}

struct Pipe(std::sync::Mutex<Option<DuplexStream>>);

impl Transport for Pipe {
    fn connect<'a>(&'a self, _endpoint: &'a Endpoint) -> Connecting<'a> {
        let stream = self.0.lock().unwrap().take().unwrap();
        Box::pin(async move { Ok(Box::new(stream) as Box<dyn Stream>) })
    }
}

async fn open(options: ConnectionOptions) -> (Connection, Peer) {
    let (ours, theirs) = tokio::io::duplex(1 << 16);
    let mut peer = Peer(theirs);
    let pipe = Pipe(std::sync::Mutex::new(Some(ours)));
    let endpoint = Endpoint::new("broker", 9092);
    let opening = Connection::open(&pipe, &endpoint, &options);
    let greeting = async {
        let (api, version, correlation_id, _) = peer.request().await;
        assert_eq!((api, version), (18, 4));
        let mut body = BytesMut::new();
        versions().encode(&mut body, 4).unwrap();
        peer.reply(correlation_id, &body).await;
    };
    let (connection, ()) = tokio::join!(opening, greeting);
    (connection.unwrap(), peer)
}

fn cluster(reply: MetadataResponse) -> String {
    reply.cluster_id.unwrap().to_string()
}

#[tokio::test]
async fn replies_reach_the_callers_in_the_order_of_their_requests() {
    let (connection, mut peer) = open(ConnectionOptions::default()).await;
    let request = MetadataRequest::default();

    let (first, second, ()) = tokio::join!(connection.call(&request), connection.call(&request), async {
        let (_, version, one, _) = peer.request().await;
        let (_, _, two, _) = peer.request().await;
        assert_eq!(version, 12, "the newest version of both");
        peer.reply_metadata(one, "one").await;
        peer.reply_metadata(two, "two").await;
    });

    assert_eq!((cluster(first.unwrap()), cluster(second.unwrap())), ("one".to_owned(), "two".to_owned()));
}

#[tokio::test]
async fn an_old_broker_is_asked_again_in_its_own_version() {
    let (ours, theirs) = tokio::io::duplex(1 << 16);
    let mut peer = Peer(theirs);
    let pipe = Pipe(std::sync::Mutex::new(Some(ours)));
    let endpoint = Endpoint::new("broker", 9092);
    let options = ConnectionOptions::default();

    let (connection, ()) = tokio::join!(Connection::open(&pipe, &endpoint, &options), async {
        let (_, version, correlation_id, _) = peer.request().await;
        assert_eq!(version, 4);
        let own = ApiVersion::default().with_api_key(18).with_max_version(3);
        let mut body = BytesMut::new();
        let refusal = ApiVersionsResponse::default().with_error_code(35).with_api_keys(vec![own]);
        refusal.encode(&mut body, 0).unwrap();
        peer.reply(correlation_id, &body).await;
        let (_, version, correlation_id, _) = peer.request().await;
        assert_eq!(version, 3);
        let mut body = BytesMut::new();
        versions().encode(&mut body, 3).unwrap();
        peer.reply(correlation_id, &body).await;
    });

    assert_eq!(connection.unwrap().version_of::<MetadataRequest>().unwrap(), 12);
}

#[tokio::test]
async fn a_request_in_no_common_version_is_refused_before_it_is_sent() {
    let (connection, _peer) = open(ConnectionOptions::default()).await;

    let error = connection.version_of::<ProduceRequest>().unwrap_err();

    assert!(matches!(error.kind, ConnectionErrorKind::UnsupportedVersion { api: "Produce", .. }), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_missing_reply_poisons_the_connection_and_answers_everyone() {
    let (connection, mut peer) = open(ConnectionOptions { in_flight_max: 1, ..Default::default() }).await;
    let request = MetadataRequest::default();

    let (first, second, _) = tokio::join!(connection.call(&request), connection.call(&request), peer.request());

    let (first, second) = (first.unwrap_err(), second.unwrap_err());
    assert_eq!(first.sent, Sent::Maybe);
    assert_eq!(second.sent, Sent::No, "it never got a place in flight");
    for failed in [first, second] {
        assert!(matches!(failed.error.kind, ConnectionErrorKind::TimedOut(_)), "{failed}");
    }
    assert!(!connection.is_open());
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_nobody_uses_is_closed_and_one_that_waits_for_a_reply_is_not() {
    let idle_max = Some(Duration::from_secs(9));
    let (connection, mut peer) = open(ConnectionOptions { idle_max, ..Default::default() }).await;
    let request = MetadataRequest::default();

    let (reply, ()) = tokio::join!(connection.call(&request), async {
        let (_, _, correlation_id, _) = peer.request().await;
        tokio::time::sleep(Duration::from_secs(29)).await;
        peer.reply_metadata(correlation_id, "late").await;
    });
    assert_eq!(cluster(reply.unwrap()), "late");
    assert!(connection.is_open());
    tokio::time::sleep(Duration::from_secs(19)).await;

    assert!(!connection.is_open());
    assert_eq!(connection.call(&request).await.unwrap_err().sent, Sent::No);
    assert_eq!(peer.0.read(&mut [0]).await.unwrap(), 0, "the socket is closed");
}

#[tokio::test]
async fn frames_that_are_no_replies_poison_the_connection() {
    let hostile: [(&str, &[u8]); 4] = [
        ("negative length", &[0xff, 0xff, 0xff, 0xff, 0, 0, 0, 2]),
        ("2 GiB", &[0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 2]),
        ("wrong correlation id", &[0, 0, 0, 4, 0, 0, 0, 77]),
        ("HTTP", b"HTTP/1.1 400 Bad Request\r\n"),
    ];
    for (name, bytes) in hostile {
        let (connection, mut peer) = open(ConnectionOptions::default()).await;

        let request = MetadataRequest::default();
        let (failed, ()) = tokio::join!(connection.call(&request), async {
            peer.request().await;
            peer.0.write_all(bytes).await.unwrap();
        });

        let failed = failed.unwrap_err();
        assert!(matches!(failed.error.kind, ConnectionErrorKind::Protocol(_)), "{name}: {failed}");
        assert!(!connection.is_open(), "{name}");
    }
}

#[tokio::test]
async fn counts_larger_than_the_frame_are_refused_before_decoding() {
    let (connection, mut peer) = open(ConnectionOptions::default()).await;
    let request = MetadataRequest::default();

    let (failed, ()) = tokio::join!(connection.call(&request), async {
        let (_, _, correlation_id, _) = peer.request().await;
        // Header tags, throttle time, then 4,294,967,294 brokers.
        peer.reply(correlation_id, &[0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0x0f]).await;
    });

    let failed = failed.unwrap_err();
    assert!(failed.to_string().contains("ends before the lengths"), "{failed}");
    assert!(connection.is_open(), "the frame itself was whole");
}

#[tokio::test]
async fn a_reply_that_would_expand_beyond_its_bound_is_refused_before_decoding() {
    let (connection, mut peer) = open(ConnectionOptions { reply_bytes_max: 1 << 27, ..Default::default() }).await;
    let request = MetadataRequest::default();

    // Two million topics of 27 bytes each.
    let topics = 2_000_000_usize;
    let mut body = BytesMut::from(&[0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1][..]);
    body.extend_from_slice(&[0x81, 0x89, 0x7a]);
    body.resize(body.len() + topics * 27, 0);
    let (failed, ()) = tokio::join!(connection.call(&request), async {
        let (_, _, correlation_id, _) = peer.request().await;
        peer.reply(correlation_id, &body).await;
    });

    let failed = failed.unwrap_err();
    assert!(failed.to_string().contains("expand"), "{failed}");
    assert!(connection.is_open(), "the frame itself was whole");
}

#[tokio::test]
async fn a_lost_peer_says_whether_the_request_was_sent() {
    let (connection, mut peer) = open(ConnectionOptions::default()).await;
    let request = MetadataRequest::default();

    let (failed, ()) = tokio::join!(connection.call(&request), async move {
        peer.request().await;
    });
    let later = connection.call(&MetadataRequest::default()).await.unwrap_err();

    assert_eq!((failed.unwrap_err().sent, later.sent), (Sent::Maybe, Sent::No));
}

#[tokio::test]
async fn a_dropped_call_leaves_the_connection_in_step() {
    let (connection, mut peer) = open(ConnectionOptions::default()).await;
    let request = MetadataRequest::default();
    let abandoned = tokio::time::timeout(Duration::from_millis(20), connection.call(&request)).await;
    assert!(abandoned.is_err());

    let (reply, ()) = tokio::join!(connection.call(&request), async {
        let (_, _, one, _) = peer.request().await;
        let (_, _, two, _) = peer.request().await;
        peer.reply_metadata(one, "abandoned").await;
        peer.reply_metadata(two, "wanted").await;
    });

    assert_eq!(cluster(reply.unwrap()), "wanted");
}

#[tokio::test]
async fn a_request_without_a_reply_ends_when_it_is_written() {
    let (connection, mut peer) = open(ConnectionOptions::default()).await;
    let mut body = BytesMut::new();
    body.put_slice(b"head");

    let chunks = vec![body.freeze(), Bytes::from_static(b" and batch")];
    let empty = connection.call_raw::<ProduceRequest>(9, chunks, Answer::None).await.unwrap();
    let (api, version, _, rest) = peer.request().await;

    assert_eq!((empty.len(), api, version), (0, 0, 9));
    assert!(rest.ends_with(b"\0head and batch"), "{rest:?}");
}
