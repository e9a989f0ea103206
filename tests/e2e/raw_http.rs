//! The plainest HTTP/1.1 client: paths and headers go out as they stand. Real clients clean up URLs, and the server
//! has to be seen with those they would have cleaned up.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use registry_server::{Server, ServerConfig};

use crate::openapi_answers::{DOCUMENT, assert_described};

/// The media type of a body, as most clients name it.
pub(crate) const JSON: (&str, &str) = ("Content-Type", "application/json");

/// An answer that takes longer is a failure.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Runs something against an empty registry with changed settings.
pub(crate) fn with_server(change: impl FnOnce(&mut ServerConfig), check: impl FnOnce(SocketAddr)) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut config = ServerConfig::ephemeral();
    config.http.workers = 1;
    change(&mut config);
    let server = runtime.block_on(Server::start(config)).unwrap();
    check(server.address);
    runtime.block_on(server.stop_now());
}

/// Runs something over a connection to an empty registry.
pub(crate) fn with_connection(check: impl FnOnce(&mut Connection)) {
    with_server(|_| {}, |address| check(&mut Connection::open(address)));
}

/// One connection, kept for all its requests.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: BufReader<TcpStream>,
}

/// What was sent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Request<'a> {
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    pub(crate) headers: &'a [(&'a str, &'a str)],
    pub(crate) body: Option<&'a [u8]>,
}

impl<'a> Request<'a> {
    pub(crate) fn header(&self, name: &str) -> Option<&'a str> {
        self.headers.iter().find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| *value)
    }
}

/// What came back.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON; `null` when it is none.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

impl Connection {
    pub(crate) fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(TIMEOUT)).unwrap();
        Self { stream: BufReader::new(stream) }
    }

    /// Sends a request and reads its answer. A body goes out with its length.
    pub(crate) fn send(&mut self, method: &str, path: &str, headers: &[(&str, &str)], body: Option<&[u8]>) -> Answer {
        let answer = self.try_send(method, path, headers, body);
        answer.unwrap_or_else(|| panic!("no answer to {method} {path} {headers:?}"))
    }

    /// As [`Self::send`]; `None` when the connection ended before the first byte of an answer.
    pub(crate) fn try_send(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&[u8]>,
    ) -> Option<Answer> {
        let answer = self.exchange(method, path, headers, body)?;
        assert_described(&Request { method, path, headers, body }, &answer);
        Some(answer)
    }

    /// The description of all others, which nobody has looked at yet.
    pub(crate) fn document(&mut self) -> serde_json::Value {
        self.get_as_it_is(DOCUMENT).expect("an answer").json()
    }

    /// Reads a path as [`Self::try_send`] does, whether or not the answer is as described: for who reads a hundred
    /// thousand, or has little time.
    pub(crate) fn get_as_it_is(&mut self, path: &str) -> Option<Answer> {
        self.exchange("GET", path, &[], None)
    }

    fn exchange(&mut self, method: &str, path: &str, headers: &[(&str, &str)], body: Option<&[u8]>) -> Option<Answer> {
        let mut request = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n");
        for (name, value) in headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        if let Some(body) = body {
            request.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        request.push_str("\r\n");
        let mut request = request.into_bytes();
        request.extend_from_slice(body.unwrap_or_default());
        // One write: a request in two segments would meet delayed acknowledgements.
        self.stream.get_mut().write_all(&request).ok()?;
        self.read(method)
    }

    /// `None` when the connection ended.
    fn read(&mut self, method: &str) -> Option<Answer> {
        let is_there = loop {
            match self.stream.fill_buf().map_err(|error| error.kind()) {
                // The process was stopped meanwhile and goes on.
                Err(ErrorKind::Interrupted) => {}
                is_there => break is_there.map(<[u8]>::is_empty),
            }
        };
        match is_there {
            Ok(true) | Err(ErrorKind::ConnectionReset) => return None,
            Ok(false) => {}
            Err(error) => panic!("{error}"),
        }
        let status = self.line().split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        let mut headers = Vec::new();
        loop {
            let line = self.line();
            let Some((name, value)) = line.split_once(':') else { break };
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        let mut answer = Answer { status, headers, body: Vec::new() };
        if method == "HEAD" {
            return Some(answer);
        }
        if answer.header("transfer-encoding") == Some("chunked") {
            while self.read_chunk(&mut answer.body) {}
            return Some(answer);
        }
        let length: usize = answer.header("content-length").map_or(0, |length| length.parse().unwrap());
        answer.body.resize(length, 0);
        self.stream.read_exact(&mut answer.body).unwrap();
        Some(answer)
    }

    /// Whether there was one, and not the end.
    fn read_chunk(&mut self, body: &mut Vec<u8>) -> bool {
        let length = usize::from_str_radix(&self.line(), 16).expect("a chunk has a length");
        let begin = body.len();
        body.resize(begin + length, 0);
        self.stream.read_exact(&mut body[begin..]).unwrap();
        assert_eq!(self.line(), "", "a chunk has its length");
        length > 0
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.stream.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }
}
