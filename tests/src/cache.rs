//! Where `./test` keeps what it fetched: the jars of Kafka and Avro, the Python environment, nginx, the flights.

use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};

/// The cache folder: `$SR_CACHE`, else `~/.cache/schema-registry-tests`. `./test` fills it.
///
/// # Errors
/// Neither `SR_CACHE` nor `HOME` is set.
pub fn folder() -> Result<PathBuf> {
    if let Some(folder) = std::env::var_os("SR_CACHE") {
        return Ok(PathBuf::from(folder));
    }
    let home = std::env::var_os("HOME").context("neither `SR_CACHE` nor `HOME` is set")?;
    Ok(PathBuf::from(home).join(".cache/schema-registry-tests"))
}

/// The path of an entry of the cache.
///
/// # Errors
/// It is not there, because `./test` has not fetched it yet.
pub fn entry(name: &str) -> Result<PathBuf> {
    let path = folder()?.join(name);
    ensure!(path.exists(), "`{}` is not there: `./test` fetches it", path.display());
    Ok(path)
}
