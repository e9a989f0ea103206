//! The process itself, under the names that every exporter of processes uses. Linux only; elsewhere nothing is shown.

use std::collections::HashMap;
use std::fs;

use prometheus::core::{Collector, Desc};
use prometheus::proto::{Counter, Gauge, Metric, MetricFamily, MetricType};

use super::made;

/// The kernel counts CPU time and start times in hundredths of a second, whatever its own tick.
const TICKS_PER_SECOND: f64 = 100.0;

const CPU: (&str, &str) = ("process_cpu_seconds_total", "CPU time in user and kernel mode.");
const RESIDENT: (&str, &str) = ("process_resident_memory_bytes", "Memory in use.");
const VIRTUAL: (&str, &str) = ("process_virtual_memory_bytes", "Address space in use.");
const THREADS: (&str, &str) = ("process_threads", "Threads.");
const OPEN_FDS: (&str, &str) = ("process_open_fds", "Open file descriptors, connections among them.");
const MAX_FDS: (&str, &str) = ("process_max_fds", "How many file descriptors may be open.");
const START: (&str, &str) = ("process_start_time_seconds", "When the process started, in seconds since 1970.");

/// Reads `/proc/self` each time it is asked.
#[derive(Debug)]
pub(super) struct Process {
    descs: Vec<Desc>,
}

impl Process {
    pub(super) fn new() -> Self {
        let all = [CPU, RESIDENT, VIRTUAL, THREADS, OPEN_FDS, MAX_FDS, START];
        let desc = |(name, help): &(&str, &str)| {
            made(Desc::new((*name).to_owned(), (*help).to_owned(), Vec::new(), HashMap::new()))
        };
        Self { descs: all.iter().map(desc).collect() }
    }
}

impl Collector for Process {
    fn desc(&self) -> Vec<&Desc> {
        self.descs.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let gauges = [
            (RESIDENT, status("VmRSS:").map(|kib| kib * 1024.0)),
            (VIRTUAL, status("VmSize:").map(|kib| kib * 1024.0)),
            (THREADS, status("Threads:")),
            (OPEN_FDS, open_fds()),
            (MAX_FDS, max_fds()),
            (START, start_time()),
        ];
        let gauges = gauges.into_iter().filter_map(|(metric, value)| Some(gauge(metric, value?)));
        cpu_seconds().map(|seconds| counter(CPU, seconds)).into_iter().chain(gauges).collect()
    }
}

fn gauge(name: (&str, &str), value: f64) -> MetricFamily {
    let mut gauge = Gauge::default();
    gauge.set_value(value);
    family(name, MetricType::GAUGE, Metric::from_gauge(gauge))
}

fn counter(name: (&str, &str), value: f64) -> MetricFamily {
    let mut counter = Counter::default();
    counter.set_value(value);
    let mut metric = Metric::default();
    metric.set_counter(counter);
    family(name, MetricType::COUNTER, metric)
}

fn family((name, help): (&str, &str), kind: MetricType, metric: Metric) -> MetricFamily {
    let mut family = MetricFamily::default();
    family.set_name(name.to_owned());
    family.set_help(help.to_owned());
    family.set_field_type(kind);
    family.set_metric(vec![metric]);
    family
}

/// User and kernel time: fields 14 and 15 of `stat`.
fn cpu_seconds() -> Option<f64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    Some((stat_field(&stat, 14)? + stat_field(&stat, 15)?) / TICKS_PER_SECOND)
}

/// Field 22 of `stat` counts from the start of the machine, which `/proc/stat` has as `btime`.
fn start_time() -> Option<f64> {
    let started = stat_field(&fs::read_to_string("/proc/self/stat").ok()?, 22)? / TICKS_PER_SECOND;
    let machine = fs::read_to_string("/proc/stat").ok()?;
    let booted: f64 = machine.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()?;
    Some(booted + started)
}

/// A field of `stat` by its number in proc(5). The name of the process, field 2, may hold blanks: it is passed first.
fn stat_field(stat: &str, number: usize) -> Option<f64> {
    let (_, behind_name) = stat.rsplit_once(')')?;
    behind_name.split_whitespace().nth(number.checked_sub(3)?)?.parse().ok()
}

/// A number of `status`; sizes stand there in KiB.
fn status(name: &str) -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    status.lines().find_map(|line| line.strip_prefix(name))?.split_whitespace().next()?.parse().ok()
}

fn open_fds() -> Option<f64> {
    // Reading the folder opens one more.
    let count = fs::read_dir("/proc/self/fd").ok()?.count().saturating_sub(1);
    u32::try_from(count).ok().map(f64::from)
}

/// The soft limit; `unlimited` is left out.
fn max_fds() -> Option<f64> {
    let limits = fs::read_to_string("/proc/self/limits").ok()?;
    limits.lines().find_map(|line| line.strip_prefix("Max open files"))?.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_found_behind_a_name_with_blanks_and_parentheses() {
        let stat = "7 (a (b) c) S 1 7 7 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 4 0 12345 1 2";

        assert_eq!(stat_field(stat, 14), Some(250.0));
        assert_eq!(stat_field(stat, 15), Some(50.0));
        assert_eq!(stat_field(stat, 22), Some(12345.0));
        assert_eq!(stat_field(stat, 99), None);
    }
}
