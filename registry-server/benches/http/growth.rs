//! What costs more the more is stored: a server with few schemas and one with many get the same requests, in turns.

use crate::load::{Connection, Measure, Request, turns};
use crate::process::Process;
use crate::schemas::{chain, check, get, lookup, order, register, wide};
use crate::{Bench, CHECK_MS, REGISTER_MS, new, write_chain};

/// Numbers of schemas from here on are registered nowhere.
const FRESH: usize = 1_000_000;

/// Starts after which each subject is asked about once: of a single one, the CPU time would be too short to compare.
const ROUNDS: usize = 4;

/// A server with few schemas, and one with many.
struct Pair {
    few: Process,
    many: Process,
}

impl Pair {
    /// Asks the two in turns.
    fn ask(&self, clients: usize, count: usize, requests: &[Request], costs: &mut Costs) {
        for range in turns(count) {
            costs.few.add(&self.few, clients, requests, range.clone());
            costs.many.add(&self.many, clients, requests, range);
        }
    }
}

/// What requests cost the two.
#[derive(Default)]
struct Costs {
    few: Measure,
    many: Measure,
}

impl Bench<'_> {
    /// Needs the database with many to be full.
    pub(crate) fn compare_sizes(&mut self) {
        let sizes = self.sizes;
        self.fill_few();
        let (few, many) = ((sizes.few_schemas(), sizes.few_subjects), (sizes.schemas, sizes.subjects));
        let of = format!("{} schemas in {} subjects against {} in {}", few.0, few.1, many.0, many.1);

        self.report.growth_begin(&format!("{of}: one subject, again and again"));
        let pair = self.start_pair();
        self.ask_one(&pair);
        drop(pair);

        self.report.growth_begin(&format!("{of}: each subject once after a start"));
        self.ask_each();
    }

    /// The subjects that all sizes have, and a share of the many.
    fn fill_few(&self) {
        let sizes = self.sizes;
        let server = self.few.start();
        let mut connection = Connection::open(server.address);
        connection.send_ok(&register("order", &order(0)));
        connection.send_ok(&register("wide", &wide(0)));
        write_chain(&mut connection, sizes.versions[0]);
        let share = |at: usize| register(&format!("subject-{}", at % sizes.few_subjects), &order(at + 1));
        let requests: Vec<Request> = (0..sizes.few_schemas()).map(share).collect();
        Measure::default().add(&server, 32, &requests, 0..requests.len());
    }

    fn start_pair(&self) -> Pair {
        Pair { few: self.few.start(), many: self.many.start() }
    }

    /// What the server has in its caches.
    fn ask_one(&mut self, pair: &Pair) {
        let sizes = self.sizes;
        let reads = sizes.reads / 4;
        self.measure(pair, "get by id", 4, None, reads, &[get("/schemas/ids/1")]);
        self.measure(pair, "latest", 4, None, reads, &[get("/subjects/order/versions/latest")]);
        self.measure(pair, "lookup", 4, Some(0.05), reads, &[lookup("order", &order(0))]);
        self.measure(pair, "register existing", 4, Some(0.05), reads, &[register("order", &order(0))]);

        let checks: Vec<_> = (1..=sizes.checks).map(|at| check("wide", "latest", &wide(at))).collect();
        self.measure(pair, "check of a record of 100 fields", 4, Some(CHECK_MS), checks.len(), &checks);
        let versions = sizes.versions[0];
        let subject = format!("chain-{versions}");
        let checks: Vec<_> = (1..=sizes.checks).map(|at| check(&subject, "", &chain(versions + at))).collect();
        let name = format!("check of ten fields, transitively against {versions} versions");
        self.measure(pair, &name, 4, Some(0.2), checks.len(), &checks);

        let requests: Vec<_> = (FRESH..FRESH + sizes.subjects / 5).map(new).collect();
        self.measure(pair, "register new, in a new subject", 32, Some(REGISTER_MS), requests.len(), &requests);
    }

    /// What it has to read from the database. The system has the files in its memory.
    fn ask_each(&mut self) {
        let subject = |at: usize| format!("subject-{at}");
        let fresh = |round: usize, at: usize| order((2 + round) * FRESH + at);
        self.measure_cold("get by id", 4, |_, at| get(&format!("/schemas/ids/{}", at + 1)));
        self.measure_cold("latest", 4, |_, at| get(&format!("/subjects/{}/versions/latest", subject(at))));
        self.measure_cold("lookup", 4, |_, at| lookup(&subject(at), &order(at + 1)));
        self.measure_cold("register existing", 4, |_, at| register(&subject(at), &order(at + 1)));
        self.measure_cold("check", 4, |round, at| check(&subject(at), "latest", &fresh(round, at)));
        let further = |round, at| register(&subject(at), &fresh(round, at));
        self.measure_cold("register new, a further version", 32, further);
    }

    fn measure_cold(&mut self, name: &str, clients: usize, request: impl Fn(usize, usize) -> Request) {
        let mut costs = Costs::default();
        for round in 0..ROUNDS {
            let requests: Vec<Request> = (0..self.sizes.few_subjects).map(|at| request(round, at)).collect();
            self.start_pair().ask(clients, requests.len(), &requests, &mut costs);
        }
        self.report.growth(name, clients, None, &costs.few, &costs.many);
    }

    fn measure(
        &mut self,
        pair: &Pair,
        name: &str,
        clients: usize,
        most_ms: Option<f64>,
        count: usize,
        requests: &[Request],
    ) {
        let mut costs = Costs::default();
        pair.ask(clients, count, requests, &mut costs);
        self.report.growth(name, clients, most_ms, &costs.few, &costs.many);
    }
}
