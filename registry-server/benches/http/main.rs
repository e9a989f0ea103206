//! What a request costs the server: CPU seconds of its process per 100,000 requests, over loopback.
//!
//! The server is the real binary in a temporary folder, the load comes from this process over connections that are
//! kept. The floor is a bare actix handler that answers a body of the same size from memory, in a process of its own
//! (this one, started again); it takes turns with what is measured, so that both meet the same noise. CPU time is the
//! measure since both sides share the machine; requests per second and latencies are printed beside it.
//!
//! `cargo bench -p registry-server --bench http` measures SQLite. With `-- postgres://USER@HOST:PORT/DATABASE` behind
//! it, an empty database of PostgreSQL. Without `--bench`, as a test would start it, the sizes are small.

use std::process::Command;
use std::time::Instant;

use self::load::{Connection, Load, Request};
use self::process::Process;
use self::schemas::{chain, check, get, lookup, order, register, wide};

mod floor;
mod load;
mod process;
mod schemas;

/// Makes this program the floor: a bare handler with a body of so many bytes.
const FLOOR: &str = "floor";

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [name, bytes] = &arguments[..]
        && name == FLOOR
    {
        return floor::serve(bytes.parse().expect("the size of the body"));
    }
    let sizes = if arguments.iter().any(|argument| argument == "--bench") { Sizes::FULL } else { Sizes::SMALL };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let start = Start {
        folder: folder.path(),
        database: arguments.iter().find(|argument| argument.starts_with("postgres")).map(String::as_str),
    };
    let server = start.report("an empty database");
    read(&server, &sizes);
    compare(&server, &sizes);
    write(&server, &sizes);
    drop(server);
    read_stored(&start, &sizes);
    grow(&start, &sizes);
}

/// How many of everything.
struct Sizes {
    reads: usize,
    checks: usize,
    versions: [usize; 2],
    subjects: usize,
    lists: usize,
    schemas: usize,
}

impl Sizes {
    const FULL: Self =
        Self { reads: 200_000, checks: 5_000, versions: [100, 500], subjects: 20_000, lists: 200, schemas: 100_000 };
    const SMALL: Self = Self { reads: 400, checks: 8, versions: [3, 6], subjects: 80, lists: 8, schemas: 160 };
}

/// How the server is started, again and again on the same database.
struct Start<'a> {
    folder: &'a std::path::Path,
    database: Option<&'a str>,
}

impl Start<'_> {
    /// Starts the server and prints how long its first answer took, and what it holds in memory then.
    fn report(&self, database: &str) -> Process {
        let started = Instant::now();
        let mut command = Command::new(env!("CARGO_BIN_EXE_registry-server"));
        command.args(["--listen", "127.0.0.1:0"]).current_dir(self.folder);
        if let Some(url) = self.database {
            command.args(["--database", url]);
        }
        let server = Process::start(&mut command);
        Connection::open(server.address).send(&get("/subjects/order/versions/latest"));
        println!(
            "started on {database}: first answer after {:.0} ms, {:.1} MB resident",
            started.elapsed().as_secs_f64() * 1e3,
            server.resident_mb()
        );
        server
    }
}

/// What clients ask all the time, of a subject with one version.
fn read(server: &Process, sizes: &Sizes) {
    let mut connection = Connection::open(server.address);
    connection.send_ok(&register("order", &order(0)));
    let answer = connection.send_ok(&get("/schemas/ids/1"));
    let floor = floor(answer.len());
    let load = Load::new(&floor, server, 4);
    Load::print_header();
    load.of_one("get by id", sizes.reads, get("/schemas/ids/1"));
    load.of_one("get by id, with ?subject", sizes.reads, get("/schemas/ids/1?subject=order"));
    load.of_one("latest", sizes.reads, get("/subjects/order/versions/latest"));
    load.of_one("register existing", sizes.reads / 2, register("order", &order(0)));
    load.of_one("lookup", sizes.reads / 2, lookup("order", &order(0)));
}

/// Checks of compatibility.
fn compare(server: &Process, sizes: &Sizes) {
    let mut connection = Connection::open(server.address);
    let floor = floor(connection.send_ok(&get("/config")).len());
    let load = Load::new(&floor, server, 4);
    connection.send_ok(&register("wide", &wide(0)));
    // Each asks about another text: what is read once is remembered.
    let checks = (1..=sizes.checks).map(|at| check("wide", "latest", &wide(at))).collect();
    load.of("check of a 100-field record", checks);
    for versions in sizes.versions {
        let subject = format!("chain-{versions}");
        connection.send_ok(&schemas::all_versions_count(&subject));
        for at in 0..versions {
            connection.send_ok(&register(&subject, &chain(at)));
        }
        let checks = (1..=sizes.checks / 5).map(|at| check(&subject, "", &chain(versions + at))).collect();
        load.of(&format!("transitive check against {versions} versions"), checks);
    }
}

/// New schemas, each in a subject of its own.
fn write(server: &Process, sizes: &Sizes) {
    let floor = floor(Connection::open(server.address).send_ok(&register("order", &order(0))).len());
    let by_one = sizes.subjects / 10;
    let new = |at: usize| register(&format!("subject-{at}"), &order(at + 1));
    Load::new(&floor, server, 1).of("register new, 1 client", (0..by_one).map(new).collect());
    Load::new(&floor, server, 32).of("register new, 32 clients", (by_one..sizes.subjects).map(new).collect());
    println!("at most {:.1} MB resident so far", server.peak_mb());
}

/// Reads while many schemas are stored.
fn read_stored(start: &Start<'_>, sizes: &Sizes) {
    let server = start.report(&format!("{} subjects", sizes.subjects));
    let small = floor(Connection::open(server.address).send_ok(&get("/schemas/ids/1")).len());
    let load = Load::new(&small, &server, 4);
    Load::print_header();
    let ids = (2..2 + sizes.subjects / 2).map(|id| get(&format!("/schemas/ids/{id}"))).collect();
    load.of("get by id, each for the first time", ids);
    load.of_one("get by id", sizes.reads, get("/schemas/ids/1"));
    load.of_one("latest", sizes.reads, get("/subjects/order/versions/latest"));
    load.of_one("register existing", sizes.reads / 2, register("order", &order(0)));
    // A connection of its own: one that idles while others are measured is closed.
    let large = floor(Connection::open(server.address).send_ok(&get("/subjects")).len());
    let name = format!("list of {} subjects", sizes.subjects);
    Load::new(&large, &server, 4).of_one(&name, sizes.lists, get("/subjects"));
    println!("at most {:.1} MB resident so far", server.peak_mb());
}

/// Many versions in each of the subjects, and a start on them.
fn grow(start: &Start<'_>, sizes: &Sizes) {
    let server = start.report(&format!("{} subjects", sizes.subjects));
    let small = floor(8);
    let new = |at: usize| register(&format!("subject-{}", at % sizes.subjects), &order(at + 1));
    Load::print_header();
    let requests: Vec<Request> = (sizes.subjects..sizes.schemas).map(new).collect();
    Load::new(&small, &server, 32).of("register new versions, 32 clients", requests);
    println!("at most {:.1} MB resident so far", server.peak_mb());
    drop(server);
    for _ in 0..3 {
        start.report(&format!("{} schemas in {} subjects", sizes.schemas, sizes.subjects));
    }
}

/// The floor, in a process of its own.
fn floor(body_bytes: usize) -> Process {
    let program = std::env::current_exe().expect("this program");
    Process::start(Command::new(program).args([FLOOR, &body_bytes.to_string()]))
}
