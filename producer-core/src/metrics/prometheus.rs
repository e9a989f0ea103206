//! Prometheus' text format 0.0.4 (<https://prometheus.io/docs/instrumenting/exposition_formats/>).

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::Metric;

/// The values as text, each name once with all its series.
pub(super) fn text(metrics: &[Metric]) -> String {
    let mut by_name = BTreeMap::<String, Vec<&Metric>>::new();
    for metric in metrics.iter().filter(|metric| !metric.value.is_nan()) {
        let name = format!("kafka_producer_{}_{}", underscored(metric.group), underscored(metric.name));
        by_name.entry(name).or_default().push(metric);
    }
    let mut out = String::new();
    for (name, series) in &by_name {
        let kind = if name.ends_with("_total") { "counter" } else { "gauge" };
        // Writing into a string does not fail.
        let _ = writeln!(out, "# TYPE {name} {kind}");
        for metric in series {
            let labels: Vec<String> = metric
                .tags
                .iter()
                .map(|(name, value)| format!("{}=\"{}\"", underscored(name), escaped(value)))
                .collect();
            let _ = writeln!(out, "{name}{{{}}} {}", labels.join(","), metric.value);
        }
    }
    out
}

fn underscored(name: &str) -> String {
    name.replace('-', "_")
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
