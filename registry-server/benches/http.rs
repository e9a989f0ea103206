//! What a request costs the server: CPU seconds of its process per 100,000 requests, over loopback.
//!
//! The server is the real binary on SQLite in a temporary folder, the load comes from this process over connections
//! that are kept. The floor is a bare actix handler that answers a body of the same size from memory, in a process
//! of its own (this one, started again). CPU time is the measure since both sides share the machine; requests per
//! second and latencies are printed beside it.
//!
//! `cargo bench -p registry-server --bench http`. Without `--bench`, as a test would start it, the sizes are small.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use actix_web::{App, HttpResponse, HttpServer, web};

/// Connections that send one request after the other.
const CONNECTIONS: usize = 4;

/// Makes this program the floor: a bare handler with a body of so many bytes.
const FLOOR: &str = "floor";

/// Linux counts CPU time in hundredths of a second, whatever the kernel's own tick.
const TICKS_PER_SECOND: f64 = 100.0;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [name, bytes] = &arguments[..]
        && name == FLOOR
    {
        return serve_floor(bytes.parse().expect("the size of the body"));
    }
    let is_bench = arguments.iter().any(|argument| argument == "--bench");
    let (reads, writes) = if is_bench { (200_000, 10_000) } else { (400, 40) };

    let folder = tempfile::tempdir().expect("a temporary folder");
    let server = Process::start(
        Command::new(env!("CARGO_BIN_EXE_registry-server"))
            .args(["--listen", "127.0.0.1:0"])
            .current_dir(folder.path()),
    );
    let mut connection = Connection::open(server.address);
    let (_, body) = connection.send(&register("hot", 0));
    assert!(body.starts_with(b"{\"id\":1,"), "{}", String::from_utf8_lossy(&body));
    let (_, body) = connection.send(&get("/schemas/ids/1"));
    let floor = Process::start(
        Command::new(std::env::current_exe().expect("this program")).args([FLOOR, &body.len().to_string()]),
    );

    println!(
        "{:<44} {:>9} {:>12} {:>9} {:>9} {:>9} {:>7}",
        "", "requests", "CPU s/100k", "req/s", "p50 us", "p99 us", "floor x"
    );
    let base = Measure::of(&floor, reads, |_| get("/"));
    base.print("bare actix handler, same body", &base);
    let run = |name: &str, count: usize, request: &(dyn Fn(usize) -> Vec<u8> + Sync)| {
        Measure::of(&server, count, request).print(name, &base);
    };
    run("GET /schemas/ids/1", reads, &|_| get("/schemas/ids/1"));
    run("GET /schemas/ids/1?subject=hot", reads, &|_| get("/schemas/ids/1?subject=hot"));
    run("GET /subjects/hot/versions/latest", reads, &|_| get("/subjects/hot/versions/latest"));
    run("register, existing", reads / 2, &|_| register("hot", 0));
    run("lookup", reads / 2, &|_| post("/subjects/hot", 0));
    run("register, new, each in its own subject", writes, &|at| register(&format!("new-{at}"), at + 1));
    let stored = format!("with {} schemas stored: ", writes + 1);
    run(&format!("{stored}GET /schemas/ids/1"), reads, &|_| get("/schemas/ids/1"));
    run(&format!("{stored}register, existing"), reads / 2, &|_| register("hot", 0));
}

/// A record of twenty fields; `variant` makes it a content of its own.
fn schema(variant: usize) -> String {
    let fields: Vec<_> = (0..20)
        .map(|at| format!(r#"{{"name":"field_{at}","type":["null","string"],"default":null,"doc":"v{variant}"}}"#))
        .collect();
    format!(r#"{{"type":"record","name":"Order","namespace":"shop","fields":[{}]}}"#, fields.join(","))
}

fn get(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nAccept: application/vnd.schemaregistry.v1+json\r\n\r\n")
        .into_bytes()
}

fn register(subject: &str, variant: usize) -> Vec<u8> {
    post(&format!("/subjects/{subject}/versions"), variant)
}

fn post(path: &str, variant: usize) -> Vec<u8> {
    let body = serde_json::json!({ "schema": schema(variant) }).to_string();
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    (head + &body).into_bytes()
}

/// What a number of requests cost.
struct Measure {
    count: usize,
    cpu: Duration,
    elapsed: Duration,
    latencies: Vec<Duration>,
}

impl Measure {
    fn of(server: &Process, count: usize, request: impl Fn(usize) -> Vec<u8> + Sync) -> Self {
        // Made before, so that making them is not measured.
        let requests: Vec<Vec<u8>> = match request(0) == request(1) {
            true => vec![request(0)],
            false => (0..count).map(&request).collect(),
        };
        let (next, cpu_before, started) = (AtomicUsize::new(0), server.cpu(), Instant::now());
        let mut latencies: Vec<Duration> = std::thread::scope(|scope| {
            let threads: Vec<_> =
                (0..CONNECTIONS).map(|_| scope.spawn(|| send_all(server.address, &requests, count, &next))).collect();
            threads.into_iter().flat_map(|thread| thread.join().expect("the load runs")).collect()
        });
        let elapsed = started.elapsed();
        latencies.sort();
        Self { count, cpu: server.cpu() - cpu_before, elapsed, latencies }
    }

    fn cpu_per_request(&self) -> f64 {
        self.cpu.as_secs_f64() / self.count as f64
    }

    fn print(&self, name: &str, floor: &Self) {
        let percentile = |share: f64| {
            let at = (self.latencies.len() as f64 * share) as usize;
            self.latencies[at.min(self.latencies.len() - 1)].as_micros()
        };
        println!(
            "{name:<44} {:>9} {:>12.3} {:>9.0} {:>9} {:>9} {:>7.2}",
            self.count,
            self.cpu_per_request() * 100_000.0,
            self.count as f64 / self.elapsed.as_secs_f64(),
            percentile(0.5),
            percentile(0.99),
            self.cpu_per_request() / floor.cpu_per_request(),
        );
    }
}

fn send_all(address: SocketAddr, requests: &[Vec<u8>], count: usize, next: &AtomicUsize) -> Vec<Duration> {
    let mut connection = Connection::open(address);
    let mut latencies = Vec::new();
    loop {
        let at = next.fetch_add(1, Ordering::Relaxed);
        if at >= count {
            return latencies;
        }
        let started = Instant::now();
        let (status, body) = connection.send(&requests[at % requests.len()]);
        latencies.push(started.elapsed());
        assert_eq!(status, 200, "{}", String::from_utf8_lossy(&body));
    }
}

/// A kept connection.
struct Connection {
    stream: BufReader<TcpStream>,
    line: String,
}

impl Connection {
    fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("the server listens");
        stream.set_nodelay(true).expect("a socket");
        Self { stream: BufReader::new(stream), line: String::new() }
    }

    fn send(&mut self, request: &[u8]) -> (u16, Vec<u8>) {
        self.stream.get_mut().write_all(request).expect("the server takes requests");
        let status = self.read_line().split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        let mut length = 0;
        while let Some((name, value)) = self.read_line().split_once(':') {
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse().expect("a length");
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).expect("a body");
        (status, body)
    }

    fn read_line(&mut self) -> &str {
        self.line.clear();
        self.stream.read_line(&mut self.line).expect("a line");
        self.line.trim_end()
    }
}

/// A server process; it is killed when dropped.
struct Process {
    child: Child,
    address: SocketAddr,
}

impl Process {
    /// Starts a server and waits for the line with its address.
    fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("the server starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("piped"))
            .read_line(&mut line)
            .expect("the server prints its address");
        let address = line.trim().rsplit('/').next().and_then(|address| address.parse().ok());
        Self { child, address: address.unwrap_or_else(|| panic!("no address in `{line}`")) }
    }

    /// CPU time of all its threads so far, in user and kernel mode.
    fn cpu(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).expect("Linux");
        // Fields are counted behind the name, which may hold blanks: utime and stime are the 12th and 13th there.
        let (_, fields) = stat.rsplit_once(')').expect("a name in parentheses");
        let ticks: f64 = fields.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<f64>().ok()).sum();
        Duration::from_secs_f64(ticks / TICKS_PER_SECOND)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Already gone is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The floor: what actix itself costs.
fn serve_floor(bytes: usize) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let body = web::Bytes::from(vec![b'x'; bytes]);
        let server = HttpServer::new(move || {
            let body = body.clone();
            App::new().default_service(web::to(move || {
                let body = body.clone();
                async move { HttpResponse::Ok().content_type("application/json").body(body) }
            }))
        });
        let workers = std::thread::available_parallelism().map_or(1, usize::from);
        let server = server.workers(workers).bind(("127.0.0.1", 0)).expect("a free port");
        println!("listening on http://{}", server.addrs()[0]);
        server.run().await.expect("the floor serves");
    });
}
