//! Requests over kept connections, in turns with the floor.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::ops::Range;
use std::os::fd::AsFd as _;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, poll};

use crate::process::Process;
use crate::report::{Goal, Report};
use crate::schemas::get;

/// A request as its bytes.
pub(crate) type Request = Vec<u8>;

/// The turns that the floor and what is measured take at least.
const TURNS_MIN: usize = 5;

/// A turn of many requests has so many. Each has connections of its own, and what a request costs depends on how they
/// are spread over the server's workers: of a few turns, chance would be measured.
const TURN_REQUESTS: usize = 2_500;

/// Requests of the floor in each turn, at least: a few would tell of the first ones alone.
const FLOOR_REQUESTS_MIN: usize = 1_000;

/// An answer that is longer in coming will not come.
const ANSWER_TIMEOUT_MS: u16 = 60_000;

/// Who is asked, by how many, and who is told.
pub(crate) struct Load<'a> {
    floor: &'a Process,
    server: &'a Process,
    clients: usize,
    is_floor_told: bool,
    report: &'a mut Report,
}

impl<'a> Load<'a> {
    pub(crate) fn new(floor: &'a Process, server: &'a Process, clients: usize, report: &'a mut Report) -> Self {
        Self { floor, server, clients, is_floor_told: false, report }
    }

    /// Sends one request so many times, and reports what it cost.
    pub(crate) fn of_one(&mut self, name: &str, goal: Goal, count: usize, request: Request) {
        self.measure(name, goal, count, &[request]);
    }

    /// Sends each request once, and reports what they cost.
    pub(crate) fn of(&mut self, name: &str, goal: Goal, requests: Vec<Request>) {
        self.measure(name, goal, requests.len(), &requests);
    }

    fn measure(&mut self, name: &str, goal: Goal, count: usize, requests: &[Request]) {
        let (mut floor, mut server) = (Measure::default(), Measure::default());
        let floor_request = [get("/")];
        self.floor.forget_peak();
        self.server.forget_peak();
        for range in turns(count) {
            floor.add(self.floor, self.clients, &floor_request, 0..range.len().max(FLOOR_REQUESTS_MIN));
            server.add(self.server, self.clients, requests, range);
        }
        floor.end(self.floor);
        server.end(self.server);
        if !std::mem::replace(&mut self.is_floor_told, true) {
            self.report.floor(self.clients, &floor);
        }
        self.report.requests(name, self.clients, goal, &server, &floor);
    }
}

/// The turns that so many requests take, each with its share of them.
pub(crate) fn turns(count: usize) -> impl Iterator<Item = Range<usize>> {
    let turns = TURNS_MIN.max(count / TURN_REQUESTS);
    (0..turns).map(move |turn| count * turn / turns..count * (turn + 1) / turns)
}

/// What a number of requests cost.
#[derive(Default)]
pub(crate) struct Measure {
    cpu: Duration,
    elapsed: Duration,
    /// In their order of length, once all are there.
    latencies: Vec<Duration>,
    peak_mb: f64,
}

impl Measure {
    pub(crate) fn add(&mut self, server: &Process, connections: usize, requests: &[Request], range: Range<usize>) {
        let (cpu_before, started) = (server.cpu(), Instant::now());
        send_all(server.address, connections, requests, range, &mut self.latencies);
        self.elapsed += started.elapsed();
        self.cpu += server.cpu() - cpu_before;
    }

    /// All requests are answered.
    fn end(&mut self, server: &Process) {
        self.latencies.sort();
        self.peak_mb = server.peak_mb();
    }

    pub(crate) fn peak_mb(&self) -> f64 {
        self.peak_mb
    }

    pub(crate) fn cpu(&self) -> Duration {
        self.cpu
    }

    pub(crate) fn cpu_per_request(&self) -> f64 {
        self.cpu.as_secs_f64() / self.latencies.len() as f64
    }

    pub(crate) fn count(&self) -> usize {
        self.latencies.len()
    }

    pub(crate) fn per_second(&self) -> f64 {
        self.latencies.len() as f64 / self.elapsed.as_secs_f64()
    }

    /// The latency that a share of the requests kept to.
    pub(crate) fn percentile(&self, share: f64) -> Duration {
        let at = (self.latencies.len() as f64 * share) as usize;
        self.latencies[at.min(self.latencies.len() - 1)]
    }
}

/// Keeps one request under way on each of so many connections, from one thread: with a thread for each, what a request
/// costs the server depends, by a half, on which of them share a core with its workers.
fn send_all(
    address: SocketAddr,
    connections: usize,
    requests: &[Request],
    range: Range<usize>,
    latencies: &mut Vec<Duration>,
) {
    let mut coming = range.map(|at| &requests[at % requests.len()]);
    let mut waiting: Vec<(Connection, Instant)> = Vec::new();
    for request in coming.by_ref().take(connections) {
        let mut connection = Connection::open(address);
        let started = Instant::now();
        connection.write(request);
        waiting.push((connection, started));
    }
    while !waiting.is_empty() {
        let mut ready = ready(&waiting).into_iter();
        waiting.retain_mut(|(connection, started)| {
            if !ready.next().expect("as many as wait") {
                return true;
            }
            connection.read_ok();
            latencies.push(started.elapsed());
            let Some(request) = coming.next() else { return false };
            *started = Instant::now();
            connection.write(request);
            true
        });
    }
}

/// Which of those who wait have an answer, or its beginning; at least one.
fn ready(waiting: &[(Connection, Instant)]) -> Vec<bool> {
    let streams = waiting.iter().map(|(connection, _)| connection.stream.get_ref().as_fd());
    let mut streams: Vec<_> = streams.map(|stream| PollFd::new(stream, PollFlags::POLLIN)).collect();
    let count = poll(&mut streams, ANSWER_TIMEOUT_MS).expect("sockets");
    assert!(count > 0, "no answer within {ANSWER_TIMEOUT_MS} ms");
    streams.iter().map(|stream| stream.any() == Some(true)).collect()
}

/// A kept connection.
pub(crate) struct Connection {
    stream: BufReader<TcpStream>,
    line: String,
    body: Vec<u8>,
}

impl Connection {
    pub(crate) fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("the server listens");
        stream.set_nodelay(true).expect("a socket");
        Self { stream: BufReader::new(stream), line: String::new(), body: Vec::new() }
    }

    /// The body of an answer that has to be a 200.
    pub(crate) fn send_ok(&mut self, request: &[u8]) -> &[u8] {
        self.write(request);
        self.read_ok();
        &self.body
    }

    /// The status of the answer.
    pub(crate) fn send(&mut self, request: &[u8]) -> u16 {
        self.write(request);
        self.read()
    }

    fn write(&mut self, request: &[u8]) {
        self.stream.get_mut().write_all(request).expect("the server takes requests");
    }

    fn read_ok(&mut self) {
        let status = self.read();
        assert_eq!(status, 200, "{}", String::from_utf8_lossy(&self.body));
    }

    fn read(&mut self) -> u16 {
        let status = self.read_line().split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        let (mut length, mut is_chunked) = (0, false);
        while let Some((name, value)) = self.read_line().split_once(':') {
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse().expect("a length");
            }
            is_chunked |= name.eq_ignore_ascii_case("transfer-encoding");
        }
        self.body.clear();
        if is_chunked {
            while self.read_chunk() {}
        } else {
            self.read_body(length);
        }
        status
    }

    /// Whether there was one, and not the end.
    fn read_chunk(&mut self) -> bool {
        let length = usize::from_str_radix(self.read_line(), 16).expect("the length of a chunk");
        self.read_body(length);
        self.read_line();
        length > 0
    }

    fn read_body(&mut self, length: usize) {
        let begin = self.body.len();
        self.body.resize(begin + length, 0);
        self.stream.read_exact(&mut self.body[begin..]).expect("a body");
    }

    fn read_line(&mut self) -> &str {
        self.line.clear();
        self.stream.read_line(&mut self.line).expect("a line");
        self.line.trim_end()
    }
}
