//! The lines that `sr perf produce` and Kafka's own tool print: how they look, whatever their figures are.

/// A line with each figure replaced by `N`, and an `n` for each of its decimals: `(12.50 MB/sec)` is `(N.nn MB/sec)`.
#[must_use]
pub fn shape(line: &str) -> String {
    let mut shape = String::new();
    for word in line.split_inclusive(' ') {
        let number = word.trim_start_matches('(').trim_end();
        if number.parse::<f64>().is_err() {
            shape += word;
            continue;
        }
        let decimals = number.split_once('.').map(|(_, decimals)| format!(".{}", "n".repeat(decimals.len())));
        shape += &word.replace(number, &format!("N{}", decimals.unwrap_or_default()));
    }
    shape
}
