//! What a request costs the server: CPU seconds of its process per 100,000 requests, over loopback.
//!
//! The server is the real binary in a temporary folder, the load comes from this process over connections that are
//! kept. The floor is a bare actix handler that answers a body of the same size from memory, in a process of its own
//! (this one, started again); it takes turns with what is measured, so that both meet the same noise. CPU time is the
//! measure since both sides share the machine; requests per second and latencies are printed beside it.
//!
//! `cargo bench --workspace --all-features --bench http` measures SQLite. With two URLs behind it as
//! `-- postgres://USER@HOST:PORT/DATABASE`, of empty databases, PostgreSQL, too: the first is filled, the second gets
//! little to compare with. With `--page FILE`, the tables go into that file. Without `--bench`, as a test would start
//! it, the sizes are small.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use sqlx::Connection as _;

use self::load::{Connection, Load, Request};
use self::process::Process;
use self::report::{Goal, Report, StartGoal, printed};
use self::schemas::{chain, check, get, lookup, order, register, wide};

mod floor;
mod growth;
mod load;
mod process;
mod report;
mod schemas;

/// Makes this program a floor: a bare handler with a body of so many bytes, and with a folder to write into, if any.
const FLOOR: &str = "floor";

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [name, bytes, folder @ ..] = &arguments[..]
        && name == FLOOR
    {
        return floor::serve(bytes.parse().expect("the size of the body"), folder.first().map(Path::new));
    }
    let sizes = if arguments.iter().any(|argument| argument == "--bench") { Sizes::FULL } else { Sizes::SMALL };
    let urls: Vec<&String> = arguments.iter().filter(|argument| argument.starts_with("postgres")).collect();
    let page = arguments.iter().position(|argument| argument == "--page").map(|at| &arguments[at + 1]);
    let mut report = Report::default();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let [many, few] = ["many", "few"].map(|name| folder.path().join(name));
    let mut bench = |many: Place<'_>, few: Place<'_>| Bench { many, few, sizes: &sizes, report: &mut report }.run();
    bench(Place::Folder(&many), Place::Folder(&few));
    match urls[..] {
        [] => {}
        [many, few] => bench(Place::Postgres(many), Place::Postgres(few)),
        _ => {
            panic!("{} URLs of PostgreSQL, expected two: of a database to fill and of one that gets little", urls.len())
        }
    }
    if let Some(page) = page {
        // Benches run in the folder of their crate.
        report.write_page(&Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(page));
    }
}

/// How many of everything.
struct Sizes {
    reads: usize,
    checks: usize,
    versions: [usize; 2],
    subjects: usize,
    lists: usize,
    schemas: usize,
    /// Subjects of the database that others are compared with; with as many versions each.
    few_subjects: usize,
}

impl Sizes {
    const FULL: Self = Self {
        reads: 200_000,
        checks: 5_000,
        versions: [100, 500],
        subjects: 20_000,
        lists: 200,
        schemas: 100_000,
        few_subjects: 2_000,
    };
    const SMALL: Self =
        Self { reads: 400, checks: 8, versions: [3, 6], subjects: 80, lists: 8, schemas: 160, few_subjects: 8 };

    /// Subjects few enough for the caches, with all that a register looks at.
    fn known_subjects(&self) -> usize {
        self.subjects / 20
    }

    /// What the database that others are compared with holds.
    fn few_schemas(&self) -> usize {
        self.schemas / self.subjects * self.few_subjects
    }
}

/// Where a server stores.
#[derive(Clone, Copy)]
enum Place<'a> {
    /// SQLite's file is made there.
    Folder(&'a Path),
    /// The URL of an empty database.
    Postgres(&'a str),
}

impl Place<'_> {
    fn start(self) -> Process {
        Process::start(&mut self.command())
    }

    /// What the figures depend on beside the server.
    fn described(self) -> String {
        match self {
            Self::Folder(folder) => {
                let above = folder.parent().expect("in a temporary folder").display().to_string();
                let system = printed(&["df", "--output=fstype", &above]);
                format!("The file lies on {}.", system.lines().last().expect("the type of a file system"))
            }
            Self::Postgres(url) => {
                let runtime = tokio::runtime::Runtime::new().expect("a runtime");
                let of = "SELECT current_setting('server_version'), current_setting('fsync'), \
                          current_setting('synchronous_commit')";
                let (version, fsync, commit): (String, String, String) = runtime.block_on(async {
                    let mut connection = sqlx::PgConnection::connect(url).await.expect("a database");
                    sqlx::query_as(of).fetch_one(&mut connection).await.expect("settings that all releases have")
                });
                assert!(fsync == "on" && commit == "on", "fsync {fsync}, synchronous_commit {commit}");
                format!("PostgreSQL {version}, with `fsync` and `synchronous_commit` on.")
            }
        }
    }

    fn command(self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_registry-server"));
        command.args(["--listen", "127.0.0.1:0"]);
        match self {
            Self::Folder(folder) => {
                std::fs::create_dir_all(folder).expect("a folder");
                command.current_dir(folder);
            }
            Self::Postgres(url) => {
                command.args(["--database", url]);
            }
        }
        command
    }
}

/// One backend, on which the server is started again and again.
struct Bench<'a> {
    many: Place<'a>,
    few: Place<'a>,
    sizes: &'a Sizes,
    report: &'a mut Report,
}

impl Bench<'_> {
    fn run(&mut self) {
        self.report.heading(match self.many {
            Place::Folder(_) => "### SQLite",
            Place::Postgres(_) => "### PostgreSQL",
        });
        self.report.note(&self.many.described());
        let server = self.start("empty", StartGoal { first_answer_ms: Some(50.0), resident_mb: Some(25.0) });
        self.read(&server);
        self.compare(&server);
        self.write(&server);
        drop(server);
        self.write_more();
        self.read_stored();
        self.grow();
        self.remember();
        self.compare_sizes();
        self.report.starts_end();
    }

    /// Starts the server; how long its first answer took, and what it holds in memory then, go into the report.
    fn start(&mut self, database: &str, goal: StartGoal) -> Process {
        let started = Instant::now();
        let server = self.many.start();
        Connection::open(server.address).send(&get("/subjects/order/versions/latest"));
        self.report.start(database, goal, started.elapsed().as_secs_f64() * 1e3, server.resident_mb());
        server
    }

    /// What a read is to reach whose answer is validated: on PostgreSQL that is one query.
    fn goal_of_validated(&self, floors: f64) -> Goal {
        match self.many {
            Place::Folder(_) => Goal::Floors(floors),
            Place::Postgres(_) => Goal::CpuMs(0.15),
        }
    }

    /// Of new schemas from 32 clients at once.
    fn goal_of_writes(&self) -> Goal {
        Goal::CpuMsAtRate { cpu_ms: REGISTER_MS, per_second: self.writes_per_second() }
    }

    fn writes_per_second(&self) -> f64 {
        match self.many {
            Place::Folder(_) => 1_000.0,
            Place::Postgres(_) => 500.0,
        }
    }

    /// What clients ask all the time, of a subject with one version.
    fn read(&mut self, server: &Process) {
        let mut connection = Connection::open(server.address);
        connection.send_ok(&register("order", &order(0)));
        let floor = floor_of(server, &get("/schemas/ids/1"));
        let (latest, by_subject) = (self.goal_of_validated(1.5), self.goal_of_validated(1.25));
        let sizes = self.sizes;
        self.report.requests_begin("One schema");
        let mut load = Load::new(&floor, server, 4, self.report);
        load.of_one("get by id", Goal::Floors(1.25), sizes.reads, get("/schemas/ids/1"));
        load.of_one("get by id, with `?subject`", by_subject, sizes.reads, get("/schemas/ids/1?subject=order"));
        load.of_one("latest", latest, sizes.reads, get("/subjects/order/versions/latest"));
        load.of_one("register existing", Goal::CpuMs(0.05), sizes.reads / 2, register("order", &order(0)));
        load.of_one("lookup", Goal::CpuMs(0.05), sizes.reads / 2, lookup("order", &order(0)));
    }

    /// Checks of compatibility.
    fn compare(&mut self, server: &Process) {
        let mut connection = Connection::open(server.address);
        connection.send_ok(&register("wide", &wide(0)));
        let floor = floor_of(server, &check("wide", "latest", &wide(0)));
        let sizes = self.sizes;
        self.report.requests_begin("Checks");
        let mut load = Load::new(&floor, server, 4, self.report);
        // Each asks about another text: what is read once is remembered.
        let checks = (1..=sizes.checks).map(|at| check("wide", "latest", &wide(at))).collect();
        load.of("a record of 100 fields", Goal::CpuMs(CHECK_MS), checks);
        for (versions, goal) in sizes.versions.into_iter().zip([Goal::CpuMs(0.2), Goal::None]) {
            let subject = write_chain(&mut connection, versions);
            let checks = (1..=sizes.checks / 5).map(|at| check(&subject, "", &chain(versions + at))).collect();
            load.of(&format!("ten fields, transitively against {versions} versions"), goal, checks);
        }
    }

    /// New schemas, each in a subject of its own: the first half of them.
    fn write(&mut self, server: &Process) {
        let (by_one, half) = (self.sizes.subjects / 10, self.sizes.subjects / 2);
        let (floor, of_many) = (floor_of(server, &register("order", &order(0))), self.goal_of_writes());
        self.report.requests_begin("New schemas, each in a subject of its own");
        let one = (0..by_one).map(new).collect();
        Load::new(&floor, server, 1, self.report).of("register new", Goal::CpuMs(REGISTER_MS), one);
        if let Place::Folder(folder) = self.many {
            let (durable, name) = (floor_in(folder), "a bare handler that has as much written");
            Load::new(&floor, &durable, 1, self.report).of_one(name, Goal::None, by_one, get("/"));
        }
        let many = (by_one..half).map(new).collect();
        Load::new(&floor, server, 32, self.report).of("register new", of_many, many);
    }

    /// The other half.
    fn write_more(&mut self) {
        let (half, all) = (self.sizes.subjects / 2, self.sizes.subjects);
        let goal = StartGoal { first_answer_ms: Some(100.0), ..StartGoal::default() };
        let server = self.start(&format!("{half} schemas in as many subjects"), goal);
        let (floor, goal) = (floor_of(&server, &register("order", &order(0))), self.goal_of_writes());
        self.report.requests_begin(&format!("Further ones, behind {half}"));
        let requests = (half..all).map(new).collect();
        Load::new(&floor, &server, 32, self.report).of("register new", goal, requests);
    }

    /// Reads while many schemas are stored.
    fn read_stored(&mut self) {
        let (latest, sizes) = (self.goal_of_validated(1.5), self.sizes);
        let server = self.start(&format!("{} schemas in as many subjects", sizes.subjects), MANY_SUBJECTS);
        let small = floor_of(&server, &get("/schemas/ids/1"));
        self.report.requests_begin(&format!("{} schemas in as many subjects", sizes.subjects));
        let mut load = Load::new(&small, &server, 4, self.report);
        let ids = (2..2 + sizes.subjects / 2).map(|id| get(&format!("/schemas/ids/{id}"))).collect();
        load.of("get by id, each for the first time", Goal::None, ids);
        load.of_one("get by id", Goal::Floors(1.25), sizes.reads, get("/schemas/ids/1"));
        load.of_one("latest", latest, sizes.reads, get("/subjects/order/versions/latest"));
        load.of_one("register existing", Goal::CpuMs(0.05), sizes.reads / 2, register("order", &order(0)));
        let large = floor_of(&server, &get("/subjects"));
        for clients in [1, 4] {
            let mut load = Load::new(&large, &server, clients, self.report);
            load.of_one("list of all subjects", Goal::None, sizes.lists, get("/subjects"));
        }
    }

    /// Many versions in each of the subjects, and a start on them.
    fn grow(&mut self) {
        let sizes = self.sizes;
        let server = self.start(&format!("{} schemas in as many subjects", sizes.subjects), MANY_SUBJECTS);
        let small = floor_of(&server, &register("order", &order(0)));
        let (known, others): (Vec<usize>, Vec<usize>) =
            (sizes.subjects..sizes.schemas).partition(|at| at % sizes.subjects < sizes.known_subjects());
        let further = |at: &usize| register(&format!("subject-{}", at % sizes.subjects), &order(at + 1));
        let (first, known) = known.split_at(sizes.known_subjects());
        let mut connection = Connection::open(server.address);
        for at in first {
            connection.send_ok(&further(at));
        }
        let (of_known, of_all) = (self.goal_of_writes(), Goal::Rate(self.writes_per_second()));
        self.report.requests_begin(&format!("Further versions, first those of {} subjects", sizes.known_subjects()));
        let mut load = Load::new(&small, &server, 32, self.report);
        let requests = known.iter().map(further).collect();
        load.of("register a further version, of subjects that are in the caches", of_known, requests);
        let requests = others.iter().map(further).collect();
        load.of("register a further version, of all others", of_all, requests);
        drop(server);
        for _ in 0..3 {
            self.start(&format!("{} schemas in {} subjects", sizes.schemas, sizes.subjects), MANY_SUBJECTS);
        }
    }

    /// What is held in memory by who has read everything.
    fn remember(&mut self) {
        for bytes in [CACHE_BYTES_DEFAULT / 8, CACHE_BYTES_DEFAULT] {
            self.report.requests_begin(&format!("Every schema once, with caches of {} MiB", bytes >> 20));
            let server = Process::start(self.many.command().env(CACHE_BYTES, bytes.to_string()));
            let small = floor_of(&server, &get("/schemas/ids/1"));
            let ids = (1..=self.sizes.schemas).map(|id| get(&format!("/schemas/ids/{id}"))).collect();
            Load::new(&small, &server, 4, self.report).of("get by id, each for the first time", Goal::None, ids);
            self.report.bounded_peak(server.peak_mb(), (bytes >> 20) as f64 + BESIDE_CACHES_MB);
        }
    }
}

/// What a new schema may take, and a check against one version, in milliseconds of CPU time.
const REGISTER_MS: f64 = 0.25;
const CHECK_MS: f64 = 0.12;

/// What a start on many subjects is to reach.
const MANY_SUBJECTS: StartGoal = StartGoal { first_answer_ms: Some(300.0), resident_mb: None };

/// What a server may hold beside its caches.
const BESIDE_CACHES_MB: f64 = 32.0;

/// The setting of the caches' memory, and its default.
const CACHE_BYTES: &str = "SCHEMA_REGISTRY_CACHE_BYTES";
const CACHE_BYTES_DEFAULT: usize = 64 << 20;

/// Registers so many versions that all count in a check, and answers the subject.
fn write_chain(connection: &mut Connection, versions: usize) -> String {
    let subject = format!("chain-{versions}");
    connection.send_ok(&schemas::all_versions_count(&subject));
    for at in 0..versions {
        connection.send_ok(&register(&subject, &chain(at)));
    }
    subject
}

/// A schema that is there nowhere yet, in a subject that is new, too.
fn new(at: usize) -> Request {
    register(&format!("subject-{at}"), &order(at + 1))
}

/// The floor of what answers as many bytes as this server does to a request; asked over a connection of its own, since
/// one that idles while others are measured is closed.
fn floor_of(server: &Process, request: &Request) -> Process {
    floor(Connection::open(server.address).send_ok(request).len())
}

/// The floor, in a process of its own.
fn floor(body_bytes: usize) -> Process {
    Process::start(this_program().args([FLOOR, &body_bytes.to_string()]))
}

/// The floor of who writes there.
fn floor_in(folder: &Path) -> Process {
    Process::start(this_program().args([FLOOR, "8"]).arg(folder))
}

fn this_program() -> Command {
    Command::new(std::env::current_exe().expect("this program"))
}
