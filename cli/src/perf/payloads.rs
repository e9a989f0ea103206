//! What is sent: random letters as Kafka's own tool makes them, or the lines of a file.

use anyhow::{Context, ensure};
use bytes::Bytes;

/// Different payloads of random letters; more would only take memory, and no codec looks back over so many.
const RANDOM_PAYLOADS: usize = 1_000;

/// The most bytes that they take together; larger payloads are fewer.
const RANDOM_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Upper-case letters, the same in each run.
pub(super) fn random(record_bytes: usize) -> Vec<Bytes> {
    let count = (RANDOM_BYTES_MAX / record_bytes.max(1)).clamp(1, RANDOM_PAYLOADS);
    let mut random = fastrand::Rng::with_seed(0);
    let mut letters = || (0..record_bytes).map(|_| random.u8(b'A'..=b'Z')).collect::<Bytes>();
    (0..count).map(|_| letters()).collect()
}

/// The lines of a file, without empty ones.
pub(super) async fn lines(path: &str) -> anyhow::Result<Vec<Bytes>> {
    let text = tokio::fs::read(path).await.with_context(|| format!("`{path}` cannot be read"))?;
    let text = Bytes::from(text);
    let lines: Vec<Bytes> = text
        .split(|byte| *byte == b'\n')
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
        .filter(|line| !line.is_empty())
        .map(|line| text.slice_ref(line))
        .collect();
    ensure!(!lines.is_empty(), "`{path}` has no lines");
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_are_letters_of_the_size_asked_for_and_differ() {
        let payloads = random(100);

        assert_eq!(payloads.len(), RANDOM_PAYLOADS);
        assert!(payloads.iter().all(|payload| payload.len() == 100 && payload.iter().all(u8::is_ascii_uppercase)));
        assert_ne!(payloads[0], payloads[1]);
        assert_eq!(random(RANDOM_BYTES_MAX * 2).len(), 1);
        assert_eq!(random(0)[0].len(), 0);
    }

    #[tokio::test]
    async fn lines_of_a_file_come_without_their_ends() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "a\r\n\nb\n").unwrap();

        assert_eq!(lines(file.path().to_str().unwrap()).await.unwrap(), [&b"a"[..], b"b"]);
        assert!(lines("no such file").await.is_err());
    }
}
