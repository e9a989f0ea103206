//! What a process has used, as the kernel tells it.

use std::time::Duration;

use anyhow::{Context as _, Result};

/// Ticks per second of the times in `/proc/PID/stat`; 100 for user space on every Linux (`getconf CLK_TCK`).
const TICKS_PER_SECOND: u32 = 100;

/// A figure from a file of a process in `/proc`, in bytes: `VmRSS:` of `status`, `rchar:` of `io`.
///
/// # Errors
/// The process is gone, or has no such figure.
pub fn figure(pid: u32, file: &str, field: &str) -> Result<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/{file}"))?;
    let line = text.lines().find_map(|line| line.strip_prefix(field));
    let figure = line.with_context(|| format!("no `{field}` in {file}"))?.trim();
    match figure.strip_suffix(" kB") {
        Some(kilobytes) => Ok(kilobytes.parse::<u64>()? * 1024),
        None => Ok(figure.parse()?),
    }
}

/// What a process has computed since it began.
///
/// # Errors
/// The process is gone.
pub fn cpu_time(pid: u32) -> Result<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name in parentheses may hold spaces; `utime` and `stime` are the 12th and 13th fields after it.
    let (_, fields) = stat.rsplit_once(')').context("a line without a name")?;
    let ticks: Result<Vec<u32>, _> = fields.split_whitespace().skip(11).take(2).map(str::parse).collect();
    Ok(Duration::from_secs(1) * ticks?.into_iter().sum::<u32>() / TICKS_PER_SECOND)
}
