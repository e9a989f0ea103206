//! Record batches as Kafka's own `org.apache.kafka.tools.DumpLogSegments` finds them on disk.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::services::java::Java;

/// The tool reads every segment once; most of its time is Java's start.
const DEADLINE: Duration = Duration::from_secs(120);

/// One batch in the log of one replica.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredBatch {
    /// The segment's path, which names node, topic and partition.
    pub segment: PathBuf,
    /// Offset of the first record.
    pub base_offset: i64,
    /// Offset of the last record.
    pub last_offset: i64,
    /// Records.
    pub count: i64,
    /// Sequence of the first record, -1 without idempotence.
    pub base_sequence: i64,
    /// Sequence of the last record.
    pub last_sequence: i64,
    /// Who wrote it, -1 without idempotence.
    pub producer_id: i64,
    /// The writer's epoch.
    pub producer_epoch: i64,
    /// `none`, `gzip`, `snappy`, `lz4` or `zstd`.
    pub codec: String,
    /// Whether Kafka finds that the checksum fits.
    pub is_valid: bool,
}

/// The batches of these segments, segment by segment in their order.
pub(super) fn batches(segments: &[PathBuf]) -> Result<Vec<StoredBatch>> {
    let names: Vec<_> = segments.iter().map(|segment| segment.display().to_string()).collect();
    parse(&Java::find()?.run_class(
        "org.apache.kafka.tools.DumpLogSegments",
        &["--files", &names.join(",")],
        DEADLINE,
    )?)
}

/// Each segment begins with `Dumping PATH`; a batch is a line of `name: value` pairs.
fn parse(printed: &str) -> Result<Vec<StoredBatch>> {
    let mut segment = PathBuf::new();
    let mut batches = Vec::new();
    for line in printed.lines() {
        if let Some(path) = line.strip_prefix("Dumping ") {
            segment = PathBuf::from(path);
        } else if line.starts_with("baseOffset: ") {
            batches.push(batch(&segment, line).with_context(|| format!("a batch as {line:?}"))?);
        }
    }
    Ok(batches)
}

fn batch(segment: &Path, line: &str) -> Result<StoredBatch> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let fields: HashMap<&str, &str> =
        words.windows(2).filter_map(|pair| Some((pair[0].strip_suffix(':')?, pair[1]))).collect();
    let text = |name: &str| fields.get(name).copied().with_context(|| format!("no `{name}`"));
    let number = |name: &str| Ok::<i64, anyhow::Error>(text(name)?.parse()?);
    Ok(StoredBatch {
        segment: segment.to_owned(),
        base_offset: number("baseOffset")?,
        last_offset: number("lastOffset")?,
        count: number("count")?,
        base_sequence: number("baseSequence")?,
        last_sequence: number("lastSequence")?,
        producer_id: number("producerId")?,
        producer_epoch: number("producerEpoch")?,
        codec: text("compresscodec")?.to_owned(),
        is_valid: text("isvalid")?.parse()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_of_the_tool_are_read() {
        let printed = "Dumping /d/t-0/0.log\nLog starting offset: 0\nbaseOffset: 3 lastOffset: 5 count: 3 \
            baseSequence: 7 lastSequence: 9 producerId: 4 producerEpoch: 1 partitionLeaderEpoch: 0 \
            isTransactional: false isControl: false deleteHorizonMs: OptionalLong.empty position: 0 \
            CreateTime: 1700000000000 size: 99 magic: 2 compresscodec: lz4 crc: 12 isvalid: true\n";

        let batches = parse(printed).unwrap();

        let expected = StoredBatch {
            segment: "/d/t-0/0.log".into(),
            base_offset: 3,
            last_offset: 5,
            count: 3,
            base_sequence: 7,
            last_sequence: 9,
            producer_id: 4,
            producer_epoch: 1,
            codec: "lz4".to_owned(),
            is_valid: true,
        };
        assert_eq!(batches, [expected]);
    }

    #[test]
    fn a_line_that_lacks_a_field_is_an_error() {
        assert!(parse("Dumping /d/t-0/0.log\nbaseOffset: 3 lastOffset: 5").is_err());
    }
}
