//! The data set of the big tests: every flight that left New York in 2013.

use std::path::PathBuf;

use anyhow::Result;

use crate::cache;

/// Rows of the whole file, without its header.
pub const FLIGHT_COUNT: usize = 336_776;

/// How the file writes a missing value.
pub const MISSING: &str = "NA";

/// The path of the whole `flights.csv`; 31 MB, so it is kept in the cache folder and not in the tree.
///
/// # Errors
/// `./test` has not fetched it yet.
pub fn path() -> Result<PathBuf> {
    cache::entry("flights/flights.csv")
}
