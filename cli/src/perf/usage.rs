//! What this process has taken of the machine, from `/proc` where there is one.

/// Ticks per second of the times in `/proc/self/stat`; 100 for user space on every Linux (`getconf CLK_TCK`).
const TICKS_PER_S: f64 = 100.0;

/// User and system time of all threads so far, in seconds.
pub(super) fn cpu_s() -> Option<f64> {
    cpu_of(&std::fs::read_to_string("/proc/self/stat").ok()?)
}

/// The most memory that was resident at a time, in bytes.
pub(super) fn peak_memory_bytes() -> Option<u64> {
    peak_of(&std::fs::read_to_string("/proc/self/status").ok()?)
}

fn cpu_of(stat: &str) -> Option<f64> {
    // The name in parentheses may hold spaces; `utime` and `stime` are the 12th and 13th fields after it.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<f64>().ok();
    Some((ticks()? + ticks()?) / TICKS_PER_S)
}

fn peak_of(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_lines_are_read() {
        assert_eq!(cpu_of("7 (a ) b) S 1 1 1 0 -1 4194304 1 0 0 0 250 50 0 0 20"), Some(3.0));
        assert_eq!(peak_of("VmPeak:\t 9 kB\nVmHWM:\t    2048 kB\n"), Some(2 << 20));
        assert_eq!((cpu_of("7 (x) S"), peak_of("")), (None, None));
    }
}
