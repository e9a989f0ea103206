//! A small HTTP/1.1 server whose answers a test writes, and which keeps what it was asked.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    /// The head's lines after the first, as sent.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

/// What to answer: status, more headers (each line ended), body.
pub(crate) type Answer = (u16, String, String);

pub(crate) fn json(status: u16, body: impl Into<String>) -> Answer {
    (status, "Content-Type: application/vnd.schemaregistry.v1+json\r\n".to_owned(), body.into())
}

pub(crate) fn error(status: u16, error_code: u32, message: &str) -> Answer {
    json(status, format!(r#"{{"error_code":{error_code},"message":"{message}"}}"#))
}

/// Answers until it is dropped.
pub(crate) struct FakeHttp {
    pub(crate) url: String,
    requests: Arc<Mutex<Vec<Request>>>,
    count: Arc<AtomicUsize>,
    accepting: JoinHandle<()>,
}

impl Drop for FakeHttp {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl FakeHttp {
    /// `answer` gets the number of the request, from 0, and the request.
    pub(crate) async fn start(answer: impl Fn(usize, &Request) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (requests, count, answer) = (Arc::default(), Arc::new(AtomicUsize::new(0)), Arc::new(answer));
        let (kept, counted) = (Arc::clone(&requests), Arc::clone(&count));
        let accepting = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let (kept, counted, answer) = (Arc::clone(&kept), Arc::clone(&counted), Arc::clone(&answer));
                tokio::spawn(async move { serve(socket, &kept, &counted, &*answer).await });
            }
        });
        Self { url, requests, count, accepting }
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    pub(crate) fn count(&self) -> usize {
        self.count.load(Ordering::SeqCst)
    }
}

async fn serve(
    mut socket: TcpStream,
    requests: &Mutex<Vec<Request>>,
    count: &AtomicUsize,
    answer: &(impl Fn(usize, &Request) -> Answer + ?Sized),
) {
    let mut buffer = Vec::new();
    while let Some(request) = read_request(&mut socket, &mut buffer).await {
        let number = count.fetch_add(1, Ordering::SeqCst);
        let (status, headers, body) = answer(number, &request);
        requests.lock().unwrap().push(request);
        // Status 0: hang up without an answer.
        if status == 0 {
            return;
        }
        let head = format!("HTTP/1.1 {status} X\r\n{headers}Content-Length: {}\r\n\r\n", body.len());
        if socket.write_all((head + &body).as_bytes()).await.is_err() {
            return;
        }
    }
}

async fn read_request(socket: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<Request> {
    let head_end = loop {
        if let Some(at) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            break at;
        }
        if socket.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(buffer[..head_end].to_vec()).unwrap();
    let mut lines = head.split("\r\n");
    let mut first = lines.next()?.split(' ').map(str::to_owned);
    let (method, path) = (first.next()?, first.next()?);
    let headers: Vec<(String, String)> =
        lines.filter_map(|line| line.split_once(": ")).map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
    let length = headers.iter().find(|(key, _)| key.eq_ignore_ascii_case("content-length"));
    let length: usize = length.map_or(0, |(_, value)| value.parse().unwrap());
    while buffer.len() < head_end + 4 + length {
        if socket.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    }
    let body = String::from_utf8(buffer[head_end + 4..head_end + 4 + length].to_vec()).unwrap();
    buffer.drain(..head_end + 4 + length);
    Some(Request { method, path, headers, body })
}
