//! Clients that are slow, send too much, or write HTTP that two readers could read in two ways.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use end_to_end_tests::wait::wait_until;

use crate::raw_http::{Connection, JSON, with_server};

/// A deadline of the server in these tests.
const SHORT: Duration = Duration::from_millis(300);

/// No wait for the server takes longer; a test that gets here fails. Below every deadline that the server has by
/// default, so that a setting that does nothing is seen.
const PATIENCE: Duration = Duration::from_secs(8);

fn open(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// All that the server sends until it closes the connection.
fn until_closed(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    if let Err(error) = stream.read_to_end(&mut bytes) {
        // It may close on data that it does not want any more.
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "the server neither answers nor closes");
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A server that waits shortly for a request.
fn with_short_requests(run: fn(SocketAddr)) {
    with_server(
        |config| {
            let http = &mut config.http;
            (http.header_timeout, http.body_timeout, http.request_timeout) = (SHORT, SHORT, SHORT);
        },
        run,
    );
}

/// A connection on which a request was answered. What the client sends behind it is no part of any read before.
fn used(address: SocketAddr) -> TcpStream {
    let mut stream = open(address);
    stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"{}") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        answer.extend(byte);
    }
    stream
}

#[test]
fn a_head_is_waited_for_on_a_used_connection_too() {
    with_short_requests(|address| {
        let mut stream = used(address);
        stream.write_all(b"G").unwrap();

        assert_eq!(until_closed(&mut stream), "");
    });
}

#[test]
fn a_head_that_drips_on_a_used_connection_is_cut_off_however_often_a_byte_comes() {
    with_short_requests(|address| {
        let started = Instant::now();
        let mut stream = used(address);
        // So long until the next byte.
        stream.set_read_timeout(Some(SHORT / 10)).unwrap();
        let end = loop {
            // One that comes too late is answered by a reset.
            let written = stream.write_all(b"G");
            match stream.read(&mut [0]) {
                Err(error) if [ErrorKind::WouldBlock, ErrorKind::TimedOut].contains(&error.kind()) => {
                    assert!(written.is_ok() && started.elapsed() < PATIENCE, "the server does not close");
                }
                end => break end,
            }
        };

        assert!(matches!(end, Ok(0)) || end.is_err_and(|error| error.kind() == ErrorKind::ConnectionReset));
    });
}

#[test]
fn a_head_in_one_piece_with_the_request_before_is_waited_for_too() {
    with_server(
        |config| {
            let http = &mut config.http;
            (http.header_timeout, http.body_timeout, http.request_timeout) = (SHORT, SHORT, SHORT);
            http.keep_alive_timeout = SHORT;
        },
        |address| {
            let mut stream = open(address);
            stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost:").unwrap();

            let answers = until_closed(&mut stream);

            assert_eq!(answers.matches("HTTP/1.1 200").count(), 1, "{answers}");
        },
    );
}

#[test]
fn a_body_that_drips_is_cut_off_however_often_a_byte_comes() {
    with_server(
        |config| config.http.body_timeout = SHORT,
        |address| {
            let started = Instant::now();
            let mut stream = open(address);
            stream
                .write_all(b"POST /subjects/s/versions HTTP/1.1\r\nHost: x\r\nContent-Length: 1048576\r\n\r\n")
                .unwrap();
            let mut writer = stream.try_clone().unwrap();
            let drip =
                std::thread::spawn(move || while writer.write_all(b" ").is_ok() && started.elapsed() < PATIENCE {});

            let answer = until_closed(&mut stream);

            assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408"), "{answer}");
            drip.join().unwrap();
            assert!(started.elapsed() < PATIENCE);
        },
    );
}

#[test]
fn an_idle_connection_is_closed() {
    with_server(
        |config| config.http.keep_alive_timeout = SHORT,
        |address| {
            let mut stream = open(address);
            stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();

            let answer = until_closed(&mut stream);

            assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        },
    );
}

#[test]
fn a_client_that_does_not_read_is_cut_off() {
    with_server(
        |config| config.http.write_timeout = SHORT,
        |address| {
            let mut stream = open(address);
            stream.set_nonblocking(true).unwrap();
            // More answers than any socket holds.
            let request = b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n".repeat(100);

            let cut_off = wait_until("the end of a connection that nobody reads", PATIENCE, || {
                let gone = [ErrorKind::ConnectionReset, ErrorKind::BrokenPipe];
                stream.write(&request).is_err_and(|error| gone.contains(&error.kind()))
            });

            cut_off.unwrap();
            assert_eq!(Connection::open(address).send("GET", "/", &[], None).status, 200);
        },
    );
}

#[test]
fn a_client_that_reads_a_little_now_and_then_is_cut_off() {
    with_server(
        |config| config.http.write_timeout = SHORT,
        |address| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();

            // Of 16 KiB that it has to take within the limit, 4.
            let read_bytes = runtime.block_on(drip(address, 256));
            println!("cut off after {read_bytes} bytes");

            assert!(read_bytes > 0, "it was cut off at once");
            assert_eq!(Connection::open(address).send("GET", "/", &[], None).status, 200);
        },
    );
}

/// How often a client that drips reads.
const TICK: Duration = Duration::from_millis(20);

/// The smallest buffer that the operating system gives, so that little waits in it.
const RECEIVE_BUFFER_BYTES: u32 = 4096;

/// A client of long answers that reads at most `bytes` of them each [`TICK`]: how much it has read when the server ends
/// the connection.
async fn drip(address: SocketAddr, bytes: usize) -> usize {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(RECEIVE_BUFFER_BYTES).unwrap();
    let stream = socket.connect(address).await.unwrap();
    let request = b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n";
    let (started, mut tick) = (Instant::now(), tokio::time::interval(TICK));
    let (mut piece, mut read_bytes) = (vec![0; bytes], 0);
    loop {
        tick.tick().await;
        // Never without a request; what comes when the server has closed is answered by a reset.
        let written = stream.try_write(request);
        let read = stream.try_read(&mut piece);
        read_bytes += *read.as_ref().unwrap_or(&0);
        let gone = [ErrorKind::ConnectionReset, ErrorKind::BrokenPipe];
        let is_gone = |outcome: &std::io::Result<usize>| {
            outcome.as_ref().is_err_and(|error| gone.contains(&error.kind())) || matches!(outcome, Ok(0))
        };
        if is_gone(&written) || is_gone(&read) {
            return read_bytes;
        }
        assert!(started.elapsed() < PATIENCE, "{read_bytes} bytes were read, and nobody minds");
    }
}

/// RFC 9112, 2.2: a line may end in a bare LF. A head that does so is read, since nobody who stands in front of the
/// server can take it for another; in a body's chunks two readers could differ, and it is refused.
#[test]
fn a_bare_line_feed_ends_a_line_of_a_head_and_of_nothing_else() {
    with_server(
        |_| {},
        |address| {
            let mut stream = open(address);
            stream.write_all(b"GET / HTTP/1.1\nHost: x\nConnection: close\n\n").unwrap();
            let answer = until_closed(&mut stream);
            assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");

            let mut stream = open(address);
            let chunked = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\n{}\n0\n\n";
            stream.write_all(chunked.as_bytes()).unwrap();
            assert_refused(&until_closed(&mut stream), 400, BROKEN_BODY);
        },
    );
}

#[test]
fn a_body_that_is_cut_off_or_in_malformed_chunks_is_refused() {
    with_server(
        |_| {},
        |address| {
            let head = "POST /subjects/s/versions HTTP/1.1\r\nHost: x\r\n";
            for (length, pieces) in [
                ("Transfer-Encoding: chunked", &["no size\r\n{}\r\n0\r\n\r\n"][..]),
                ("Transfer-Encoding: chunked", &["2\r\n{}\r\n", "-2\r\n{}\r\n0\r\n\r\n"]),
                ("Transfer-Encoding: chunked", &["2\r\n{} and more\r\n0\r\n\r\n"]),
                ("Transfer-Encoding: chunked", &["11111111111111111\r\n{}\r\n"]),
                ("Transfer-Encoding: chunked", &["2\r\n{}\r\n"]),
                ("Content-Length: 3", &["{}"]),
            ] {
                // Also where it is not wanted, and whether the answer is known at once or comes from the database.
                for head in [head, "GET / HTTP/1.1\r\nHost: x\r\n", "GET /subjects HTTP/1.1\r\nHost: x\r\n"] {
                    let mut stream = open(address);
                    stream.write_all(format!("{head}{length}\r\n\r\n").as_bytes()).unwrap();
                    pieces.iter().for_each(|piece| stream.write_all(piece.as_bytes()).unwrap());
                    stream.shutdown(Shutdown::Write).unwrap();

                    let answer = until_closed(&mut stream);

                    assert_refused(&answer, 400, BROKEN_BODY);
                    assert!(answer.contains("\r\nconnection: close\r\n"), "{answer}");
                }
            }
            // In one piece with what comes before it.
            let mut stream = open(address);
            let both = format!("GET / HTTP/1.1\r\nHost: x\r\n\r\n{head}Transfer-Encoding: chunked\r\n\r\nx\r\n");
            stream.write_all(both.as_bytes()).unwrap();
            let answer = until_closed(&mut stream);
            let (first, second) = answer.split_at(answer.rfind("HTTP/1.1").expect(&answer));
            assert!(first.starts_with("HTTP/1.1 200"), "{answer}");
            assert_refused(second, 400, BROKEN_BODY);
        },
    );
}

#[test]
fn a_body_that_nobody_wants_and_that_does_not_come_is_told_and_ends_the_connection() {
    with_server(
        |config| config.http.body_timeout = SHORT,
        |address| {
            for (path, status) in [("/", 408), ("/subjects", 408), ("/nope", 404)] {
                let mut stream = open(address);
                let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n{{}}");
                stream.write_all(request.as_bytes()).unwrap();

                let answer = until_closed(&mut stream);

                assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{path}: {answer}");
                assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{path}: {answer}");
                assert!(answer.contains(&format!(r#"{{"error_code":{status},"#)), "{path}: {answer}");
            }
            assert_eq!(Connection::open(address).send("GET", "/", &[], None).status, 200);
        },
    );
}

#[test]
fn heads_are_bounded() {
    with_server(
        |config| {
            config.limits.url_bytes = 100;
            config.limits.header_bytes = 400;
            config.limits.header_count = 20;
        },
        |address| {
            let mut connection = Connection::open(address);
            let long = format!("/subjects/{}/versions", "x".repeat(100));
            let refused = connection.send("GET", &long, &[], None);
            assert_eq!((refused.status, refused.json()["error_code"].as_u64()), (414, Some(414)));
            assert_eq!(
                refused.json()["message"],
                "The URL is longer than the limit of 100 bytes (setting `limits.url_bytes`)"
            );

            let token = "x".repeat(400);
            let refused = connection.send("GET", "/", &[("Authorization", &token)], None);
            assert_eq!((refused.status, refused.json()["error_code"].as_u64()), (431, Some(431)));
            assert_eq!(
                refused.json()["message"],
                "The headers are larger than the limit of 400 bytes (setting `limits.header_bytes`)"
            );

            // One that a client sends thrice counts thrice.
            assert!(with_headers(address, 20).starts_with("HTTP/1.1 200"));
            let refused = with_headers(address, 21);
            assert!(refused.starts_with("HTTP/1.1 431"), "{refused}");
            let told = r#"{"error_code":431,"message":"There are more headers than the limit of 20 (setting `limits.header_count`)"}"#;
            assert!(refused.ends_with(told), "{refused}");
            // Beyond what is read at all.
            assert_refused(&with_headers(address, 97), 431, HEAD_TOO_LARGE);
            assert_eq!(Connection::open(address).send("GET", "/", &[], None).status, 200);
        },
    );
    // The most that can be set is what is read.
    with_server(|_| {}, |address| assert!(with_headers(address, 96).starts_with("HTTP/1.1 200")));
}

#[test]
fn no_more_of_a_head_is_read_than_128_kib_whatever_is_set() {
    const READ_BYTES_MAX: usize = 128 * 1024;
    let (begin, end) = ("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Long: ", "\r\n\r\n");
    with_server(
        |config| config.limits.header_bytes = 2 * READ_BYTES_MAX,
        |address| {
            let long = "x".repeat(READ_BYTES_MAX - 1 - begin.len() - end.len());
            let mut stream = open(address);
            stream.write_all(format!("{begin}{long}{end}").as_bytes()).unwrap();
            let answer = until_closed(&mut stream);
            assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");

            // So much without an end. What the server has not read when it closes could take the answer with it.
            let mut stream = open(address);
            stream.write_all(format!("{begin}{long}xxxxx").as_bytes()).unwrap();
            assert_refused(&until_closed(&mut stream), 431, HEAD_TOO_LARGE);
        },
    );
}

/// What is told of a request whose head is not read.
const HEAD_TOO_LARGE: &str =
    "There are more than 96 headers, or the head of the request is larger than 128 KiB: no setting raises that";

/// What is told of a request whose body cannot be read.
const BROKEN_BODY: &str = "the body of the request is cut off, or one of its chunks is malformed";

/// What is told of a request that cannot be read.
const NO_HTTP: &str = "the request is no HTTP that can be read: look at its first line, at its headers, and at what \
    tells the length of its body";

/// Fails unless this is one answer, in the form of every error.
fn assert_refused(answer: &str, status: u16, message: &str) {
    let (head, body) = answer.split_once("\r\n\r\n").expect(answer);
    assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
    assert!(head.contains("\r\ncontent-type: application/vnd.schemaregistry.v1+json\r\n"), "{answer}");
    assert!(head.contains(&format!("\r\ncontent-length: {}\r\n", body.len())), "{answer}");
    assert_eq!(body, format!(r#"{{"error_code":{status},"message":"{message}"}}"#));
}

/// What a request with so many headers is answered.
fn with_headers(address: SocketAddr, count: usize) -> String {
    let mut stream = open(address);
    let many: String = (2..count).map(|index| format!("X-{}: x\r\n", index / 3)).collect();
    let head = format!("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{many}\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    until_closed(&mut stream)
}

/// A register whose body has so many levels.
fn nested(levels: usize) -> String {
    format!(r#"{{"schema":"\"int\"","x":{}1{}}}"#, "[".repeat(levels - 1), "]".repeat(levels - 1))
}

#[test]
fn the_nesting_of_bodies_is_bounded() {
    with_server(
        |config| config.limits.json_nesting = 3,
        |address| {
            let mut connection = Connection::open(address);
            for path in ["/subjects/s/versions", "/compatibility/subjects/s/versions/latest"] {
                let refused = connection.send("POST", path, &[JSON], Some(nested(4).as_bytes()));
                assert_eq!((refused.status, refused.json()["error_code"].as_u64()), (400, Some(400)), "{path}");
                let told =
                    "the body of the request: its JSON is nested deeper than 3 levels (setting `limits.json_nesting`)";
                assert_eq!(refused.json()["message"], told);
            }
            let refused = connection.send("PUT", "/mode", &[JSON], Some(b"[[[[1]]]]"));
            assert_eq!(refused.status, 400, "{}", refused.text());
            assert!(refused.text().contains("limits.json_nesting"), "{}", refused.text());
            let taken = connection.send("POST", "/subjects/s/versions", &[JSON], Some(nested(3).as_bytes()));
            assert_eq!(taken.status, 200, "{}", taken.text());
        },
    );
    with_server(
        |_| {},
        |address| {
            let mut connection = Connection::open(address);
            let taken = connection.send("POST", "/subjects/s/versions", &[JSON], Some(nested(127).as_bytes()));
            assert_eq!(taken.status, 200, "{}", taken.text());
            let refused = connection.send("POST", "/subjects/s/versions", &[JSON], Some(nested(128).as_bytes()));
            assert!(refused.text().contains("limits.json_nesting"), "{}", refused.text());
        },
    );
}

#[test]
fn connections_beyond_the_limit_wait_for_a_moment_and_are_told_then() {
    with_server(
        |config| config.limits.connections = 1,
        |address| {
            let mut first = Connection::open(address);
            assert_eq!(first.send("GET", "/", &[], None).status, 200);
            let mut second = open(address);
            second.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
            assert_eq!(first.send("GET", "/", &[], None).status, 200);
            let told = until_closed(&mut second);
            assert_refused(&told, 503, "Service unavailable: all connections are taken (setting `limits.connections`)");
            assert!(told.contains("\r\nretry-after: 1\r\n"), "{told}");

            let mut third = open(address);
            third.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
            drop(first);

            assert!(until_closed(&mut third).starts_with("HTTP/1.1 200"));
        },
    );
}

/// Workers take connections in turn. One whose connections last must not keep others out for which there is room.
#[test]
fn a_place_is_for_whoever_comes_next_whichever_worker_had_it() {
    const WORKERS: usize = 3;
    const ROOM: usize = 2 * WORKERS;
    with_server(
        |config| {
            config.http.workers = WORKERS;
            config.limits.connections = ROOM;
        },
        |address| {
            let ask = || {
                let mut stream = open(address);
                stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
                stream
            };
            let must_be_answered = |stream: &mut TcpStream| {
                let mut answer = [0; 15];
                stream.read_exact(&mut answer).unwrap();
                assert_eq!(&answer, b"HTTP/1.1 200 OK");
            };
            let mut kept: Vec<TcpStream> = (0..ROOM).map(|_| ask()).collect();
            kept.iter_mut().for_each(must_be_answered);
            // Whichever ends, whosever it was: the next has its room.
            for index in (0..ROOM).chain([0; WORKERS]) {
                let mut waiting = ask();
                drop(kept.remove(index));
                must_be_answered(&mut waiting);
                kept.push(waiting);
            }
        },
    );
}

#[test]
fn what_two_readers_could_read_in_two_ways_is_refused() {
    with_server(
        |_| {},
        |address| {
            let cases = [
                "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
                "Content-Length: 2, 2\r\n\r\n{}",
                "Content-Length: +2\r\n\r\n{}",
                "Content-Length: -2\r\n\r\n{}",
                "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
                "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
                "Transfer-Encoding: xchunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
                "Content-Length : 2\r\n\r\n{}",
                "X-Folded: a\r\n b\r\nContent-Length: 2\r\n\r\n{}",
                "X-Null: a\0b\r\nContent-Length: 2\r\n\r\n{}",
            ];
            for case in cases {
                let mut stream = open(address);
                // A second request behind it would be answered by a reader that has mistaken the end of the first.
                let request = format!("POST / HTTP/1.1\r\nHost: x\r\n{case}GET /subjects HTTP/1.1\r\nHost: x\r\n\r\n");
                stream.write_all(request.as_bytes()).unwrap();
                assert_refused(&until_closed(&mut stream), 400, NO_HTTP);
            }
        },
    );
}

#[test]
fn what_is_no_http_is_refused() {
    with_server(
        |_| {},
        |address| {
            for request in [
                "GET /\r\n\r\n",
                "GET / HTTP/9.9\r\n\r\n",
                "\x16\x03\x01\x02\0\x01\0\r\n\r\n",
                "G\0T / HTTP/1.1\r\n\r\n",
            ] {
                let mut stream = open(address);
                stream.write_all(request.as_bytes()).unwrap();
                assert_refused(&until_closed(&mut stream), 400, NO_HTTP);
            }
            // Behind the answer to one that is.
            for first in ["GET / HTTP/1.1\r\nHost: x\r\n\r\n", "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"] {
                let mut stream = open(address);
                stream.write_all(format!("{first}GET /\r\n\r\n").as_bytes()).unwrap();
                let answers = until_closed(&mut stream);
                let (answer, refused) = answers.split_once("{}").expect(&answers);
                assert!(answer.contains(" 200 OK\r\n"), "{answers}");
                assert_refused(refused, 400, NO_HTTP);
            }
            assert_eq!(Connection::open(address).send("GET", "/", &[], None).status, 200);
        },
    );
}

#[test]
fn requests_in_one_piece_are_answered_in_their_order() {
    with_server(
        |_| {},
        |address| {
            let mut stream = open(address);
            let request = |path: &str, more: &str| format!("GET {path} HTTP/1.1\r\nHost: x\r\n{more}\r\n");
            let three = request("/", "") + &request("/nope", "") + &request("/schemas/types", "Connection: close\r\n");
            stream.write_all(three.as_bytes()).unwrap();

            let answers = until_closed(&mut stream);

            let statuses: Vec<_> = answers.split("HTTP/1.1 ").skip(1).map(|answer| &answer[..3]).collect();
            assert_eq!(statuses, ["200", "404", "200"], "{answers}");
            assert!(answers.ends_with(r#"["AVRO"]"#), "{answers}");
        },
    );
}
