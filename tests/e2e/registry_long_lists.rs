//! Lists that are sent in pieces: what clients of each kind get is the whole list, and never one that looks whole.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use flate2::read::GzDecoder;

use crate::raw_http::{Connection, JSON, with_server};

/// Names as long as they may be, so that few make a long list.
const SUBJECTS: usize = 150;
const NAME_BYTES: usize = 2000;

fn names() -> Vec<String> {
    (0..SUBJECTS).map(|number| format!("{number:03}-{}", "x".repeat(NAME_BYTES - 4))).collect()
}

fn with_long_lists(check: impl FnOnce(SocketAddr)) {
    with_server(
        |_| {},
        |address| {
            let mut connection = Connection::open(address);
            for name in names() {
                let path = format!("/subjects/{name}/versions");
                let registered = connection.send("POST", &path, &[JSON], Some(br#"{"schema":"\"int\""}"#));
                assert_eq!(registered.status, 200, "{}", registered.text());
            }
            check(address);
        },
    );
}

#[test]
fn a_long_list_comes_in_pieces_and_whole() {
    with_long_lists(|address| {
        let mut connection = Connection::open(address);
        let expected = serde_json::json!(names());

        let plain = connection.send("GET", "/subjects", &[], None);
        assert_eq!((plain.status, plain.header("transfer-encoding")), (200, Some("chunked")));
        assert_eq!(plain.json(), expected);
        let short = connection.send("GET", "/subjects?offset=100&limit=2", &[], None);
        assert_eq!(short.header("content-length"), Some(short.body.len().to_string().as_str()));
        assert_eq!(short.json(), serde_json::json!(names()[100..102]));
        let part = connection.send("GET", "/subjects?offset=60&limit=80", &[], None);
        assert_eq!(part.json(), serde_json::json!(names()[60..140]));
        assert_eq!(connection.send("GET", "/subjects?offset=150", &[], None).text(), "[]");

        let packed = connection.send("GET", "/subjects", &[("Accept-Encoding", "gzip")], None);
        let encoding = (packed.header("transfer-encoding"), packed.header("content-encoding"));
        assert_eq!(encoding, (Some("chunked"), Some("gzip")));
        let mut text = String::new();
        GzDecoder::new(&packed.body[..]).read_to_string(&mut text).unwrap();
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), expected);

        assert_eq!(connection.send("HEAD", "/subjects", &[], None).status, 200);
        let schemas = connection.send("GET", "/schemas?offset=1", &[], None);
        assert_eq!(schemas.header("transfer-encoding"), Some("chunked"));
        let subjects: Vec<_> = schemas.json().as_array().unwrap().iter().map(|row| row["subject"].clone()).collect();
        assert_eq!(serde_json::json!(subjects), serde_json::json!(names()[1..]));
        assert_eq!(connection.send("GET", "/schemas/types", &[], None).status, 200, "the connection goes on");
    });
}

#[test]
fn a_client_of_http_1_0_gets_the_list_and_then_the_end() {
    with_long_lists(|address| {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(b"GET /subjects HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").unwrap();

        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();

        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.0 200") && !head.to_lowercase().contains("chunked"), "{head}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(body).unwrap(), serde_json::json!(names()));
    });
}
