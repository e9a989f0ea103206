//! What was measured, as a page of Markdown.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::load::Measure;

/// A request that costs more than so many times as much where ten times as much is stored is said to grow. What is
/// looked through would cost ten times as much; an index that is a level deeper, and noise, stay below.
const GROWTH_MAX: f64 = 1.25;

/// Of less CPU time than this, a ratio is chance.
const GROWTH_CPU_MIN: Duration = Duration::from_millis(100);

/// What a request of several clients costs the floor on the machine that goals in milliseconds are for.
const FLOOR_MS: f64 = 0.011;

/// What a row is to reach.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Goal {
    None,
    /// At most so many times the floor's CPU time.
    Floors(f64),
    /// At most so much CPU time of the server a request, in milliseconds; more where the floor takes more than
    /// [`FLOOR_MS`].
    CpuMs(f64),
    /// At least so many a second.
    Rate(f64),
    /// As [`Goal::CpuMs`], and at least so many a second.
    CpuMsAtRate {
        cpu_ms: f64,
        per_second: f64,
    },
}

/// What a start is to reach.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct StartGoal {
    pub(crate) first_answer_ms: Option<f64>,
    pub(crate) resident_mb: Option<f64>,
}

/// Prints as it goes, and keeps the text for a page.
#[derive(Debug, Default)]
pub(crate) struct Report {
    text: String,
    starts: Vec<String>,
    /// What each row's floor has cost a request of several clients, in milliseconds.
    floors_ms: Vec<f64>,
}

impl Report {
    fn line(&mut self, line: &str) {
        println!("{line}");
        self.text.push_str(line);
        self.text.push('\n');
    }

    pub(crate) fn heading(&mut self, heading: &str) {
        if !self.text.ends_with("\n\n") {
            self.line("");
        }
        self.line(heading);
        self.line("");
    }

    pub(crate) fn requests_begin(&mut self, heading: &str) {
        self.heading(&format!("#### {heading}"));
        self.line(
            "| | clients | requests | req/s | p50 ms | p99 ms | CPU s per 100,000 | of the floor's | peak MB | goal |",
        );
        self.line("|---|---:|---:|---:|---:|---:|---:|---:|---:|---|");
    }

    /// What the floor of the rows that follow took in the turns of the first of them.
    pub(crate) fn floor(&mut self, clients: usize, floor: &Measure) {
        self.row("floor", clients, floor, "1.00", "");
    }

    pub(crate) fn requests(&mut self, name: &str, clients: usize, goal: Goal, server: &Measure, floor: &Measure) {
        if clients > 1 && !matches!(goal, Goal::None) {
            self.floors_ms.push(floor.cpu_per_request() * 1e3);
        }
        let cpu_ms = server.cpu_per_request() * 1e3;
        let floors = server.cpu_per_request() / floor.cpu_per_request();
        let (goal, is_met) = match goal {
            Goal::None => (String::new(), true),
            Goal::Floors(most) => (format!("{most} of the floor's"), floors <= most),
            Goal::CpuMs(most_ms) => self.judged(most_ms, cpu_ms),
            Goal::Rate(least) => (format!("{least} req/s"), server.per_second() >= least),
            Goal::CpuMsAtRate { cpu_ms: most_ms, per_second: least } => {
                let (most, is_met) = self.judged(most_ms, cpu_ms);
                (format!("{most}, {least} req/s"), is_met && server.per_second() >= least)
            }
        };
        let missed = if is_met { "" } else { ", missed" };
        self.row(name, clients, server, &format!("{floors:.2}"), &format!("{goal}{missed}"));
    }

    fn row(&mut self, name: &str, clients: usize, measure: &Measure, floors: &str, goal: &str) {
        let [half, most] = [0.5, 0.99].map(|share| measure.percentile(share).as_secs_f64() * 1e3);
        self.line(&format!(
            "| {name} | {clients} | {} | {:.0} | {half:.2} | {most:.2} | {:.2} | {floors} | {:.0} | {goal} |",
            measure.count(),
            measure.per_second(),
            measure.cpu_per_request() * 1e5,
            measure.peak_mb(),
        ));
    }

    /// A goal in milliseconds as it is told, and whether it is met here.
    fn judged(&self, most_ms: f64, cpu_ms: f64) -> (String, bool) {
        let mut floors_ms = self.floors_ms.clone();
        floors_ms.sort_by(f64::total_cmp);
        let floor_ms = floors_ms.get(floors_ms.len() / 2).copied().unwrap_or_default();
        let here_ms = most_ms * (floor_ms / FLOOR_MS).max(1.0);
        let here = if here_ms > most_ms { format!(" (here {:.1})", here_ms * 100.0) } else { String::new() };
        (format!("{:.0} s{here}", most_ms * 100.0), cpu_ms <= here_ms)
    }

    pub(crate) fn growth_begin(&mut self, heading: &str) {
        self.heading(&format!("#### {heading}"));
        self.line("| | clients | requests | CPU s per 100,000: few | many | many to few | grows | goal |");
        self.line("|---|---:|---:|---:|---:|---:|---|---|");
    }

    /// The same requests to a server with few schemas and to one with many, which is to reach the goal, too.
    pub(crate) fn growth(&mut self, name: &str, clients: usize, most_ms: Option<f64>, few: &Measure, many: &Measure) {
        let [few_ms, many_ms] = [few, many].map(|measure| measure.cpu_per_request() * 1e3);
        let ratio = many_ms / few_ms;
        let grows = match few.cpu().min(many.cpu()) {
            cpu if cpu < GROWTH_CPU_MIN => "too few to tell",
            _ if ratio > GROWTH_MAX => "yes",
            _ => "no",
        };
        let goal = most_ms.map_or(String::new(), |most_ms| {
            let (goal, is_met) = self.judged(most_ms, many_ms);
            goal + if is_met { "" } else { ", missed" }
        });
        self.line(&format!(
            "| {name} | {clients} | {} | {:.2} | {:.2} | {ratio:.2} | {grows} | {goal} |",
            many.count(),
            few_ms * 100.0,
            many_ms * 100.0,
        ));
    }

    /// What is to be said beside the tables.
    pub(crate) fn note(&mut self, note: &str) {
        if !self.text.ends_with("\n\n") {
            self.line("");
        }
        self.line(note);
    }

    /// A peak that is to stay within a bound.
    pub(crate) fn bounded_peak(&mut self, peak_mb: f64, most_mb: f64) {
        let missed = if peak_mb <= most_mb { "" } else { ", missed" };
        self.note(&format!("The server held at most {peak_mb:.0} MB (goal: {most_mb:.0} MB{missed})."));
    }

    /// A start of the server, for the table that [`Report::starts_end`] writes.
    pub(crate) fn start(&mut self, database: &str, goal: StartGoal, first_answer_ms: f64, resident_mb: f64) {
        let told = |value: f64, most: Option<f64>, unit| {
            let missed = if most.is_some_and(|most| value > most) { ", missed" } else { "" };
            most.map(|most| format!("{most:.0} {unit}{missed}"))
        };
        let goals = [told(first_answer_ms, goal.first_answer_ms, "ms"), told(resident_mb, goal.resident_mb, "MB")];
        let goals: Vec<String> = goals.into_iter().flatten().collect();
        let row = format!("| {database} | {first_answer_ms:.0} | {resident_mb:.1} | {} |", goals.join(", "));
        println!("{row}");
        self.starts.push(row);
    }

    pub(crate) fn starts_end(&mut self) {
        self.heading("#### Starts");
        self.line("| database | first answer after ms | resident MB then | goal |");
        self.line("|---|---:|---:|---|");
        for row in std::mem::take(&mut self.starts) {
            self.line(&row);
        }
    }

    /// Writes the page, in place of an older one.
    pub(crate) fn write_page(&self, path: &Path) {
        let commit = &["git", "describe", "--always", "--dirty=, with changes", "--exclude=*"];
        let [date, commit] = [&["date", "-I"][..], commit].map(printed);
        let processor = std::fs::read_to_string("/proc/cpuinfo").expect("Linux");
        let processor = processor.lines().find_map(|line| line.strip_prefix("model name\t: ")).unwrap_or("unknown");
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let measured = format!("\n{date}, commit {commit}, {cores} virtual cores of {processor}.\n");
        std::fs::write(path, [HEAD, &measured, &self.text].concat()).expect("the page");
    }
}

/// What a program prints.
pub(crate) fn printed(command: &[&str]) -> String {
    let output = Command::new(command[0]).args(&command[1..]).output().expect("a program that is everywhere");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

const HEAD: &str = "\
# What a request costs the registry

Written by `registry-server/benches/http`. The server is the release build in a process of its own, with its log at
`info`; the load comes from one thread of another process of the same machine, over a kept connection for each client
with one request under way. CPU time is user and system time of the server's process alone: both sides share the
machine's cores, and requests per second and latencies tell of both.

- The floor is a bare actix handler that answers a body of the same size from memory. It takes turns with what is
  measured, so that both meet the same noise; its own row is that of the turns with the row behind it.
- Peak MB is the most memory that the process held while the row was measured.
- Schemas are records of twenty optional fields where nothing else is said; each that is registered has its own text.
- SQLite writes to its file and waits for the disk with every commit (`synchronous = FULL`); PostgreSQL runs on the same
  machine with its own defaults, and its processes' CPU time is not counted.
- Whether a cost grows with what is stored is told by a second server with a tenth of the schemas: the two get the same
  requests in turns. It grows if the larger one takes more than 1.25 times as much. What is asked for after a start is
  in none of the server's caches; the system has the files in memory.
- What a row is to reach stands in its last column. A goal in seconds is that of a machine on which the floor takes
  1.1 s for 100,000 requests of several clients. Where it takes more, by the median of the rows so far, `here` tells
  what that makes of the goal.
- The goal for a register is that of a new schema in a new subject, or in one that the server has in its caches. Of any
  other subject the versions before it are read from the database first; there only the rate has a goal.
- What it takes to have a schema on the disk, with one client, is told by a bare handler that hands the commit to a
  thread: that writes eight pages of 4 KiB, as SQLite does for a new schema as a rule, and waits for the disk.
- Who has read everything is to hold what its caches may, and 32 MB.

## Reproduce

On a machine that does nothing else, with two empty databases of PostgreSQL, of which the second gets little:

```text
cargo bench --workspace --all-features --bench http -- postgres://USER@HOST:PORT/MANY postgres://USER@HOST:PORT/FEW \\
  --page docs/registry-benchmarks.md
```

## Measured
";
