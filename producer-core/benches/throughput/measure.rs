//! Wall clock and CPU time around a round.

use std::time::{Duration, Instant};

/// Ticks per second of the times in `/proc/self/stat`; 100 for user space on every Linux (`getconf CLK_TCK`).
const TICKS_PER_S: f64 = 100.0;

/// What one round took.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    records: u64,
    elapsed: Duration,
    cpu_s: f64,
}

impl Sample {
    pub(crate) fn records_per_s(&self) -> f64 {
        self.records as f64 / self.elapsed.as_secs_f64()
    }

    pub(crate) fn cpu_s_per_million(&self) -> f64 {
        self.cpu_s * 1e6 / self.records as f64
    }
}

/// Runs a round, which returns how many records it brought to the broker.
pub(crate) fn measure(run: &dyn Fn() -> u64) -> Sample {
    let (started, cpu_s) = (Instant::now(), process_cpu_s());
    let records = run();
    Sample { records, elapsed: started.elapsed(), cpu_s: process_cpu_s() - cpu_s }
}

/// The middle one by CPU time.
pub(crate) fn median(mut samples: Vec<Sample>) -> Sample {
    samples.sort_by(|a, b| a.cpu_s_per_million().total_cmp(&b.cpu_s_per_million()));
    samples[samples.len() / 2]
}

/// User and system time of all threads of this process.
fn process_cpu_s() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    // The name in parentheses may hold spaces; `utime` and `stime` are the 12th and 13th fields after it.
    let (_, fields) = stat.rsplit_once(')').unwrap();
    let ticks: f64 = fields.split_whitespace().skip(11).take(2).map(|field| field.parse::<f64>().unwrap()).sum();
    ticks / TICKS_PER_S
}
