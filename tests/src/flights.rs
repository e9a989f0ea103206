//! The data set of the big tests: every flight that left New York in 2013.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use crate::{binaries, cache};

/// Rows of the whole file, without its header.
pub const FLIGHT_COUNT: usize = 336_776;

/// Rows of the part that the demo has in the tree.
pub const SAMPLE_COUNT: usize = 5_000;

/// How the file writes a missing value.
const MISSING: &str = "NA";

/// The Avro schema of a [`Flight`].
pub const SCHEMA: &str = include_str!("../fixtures/flight.avsc");

/// A row of the file; the fields are its columns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the columns speak for themselves; the schema has a word on each that does not")]
pub struct Flight {
    pub year: i32,
    pub month: i32,
    pub day: i32,
    pub dep_time: Option<i32>,
    pub sched_dep_time: i32,
    pub dep_delay: Option<i32>,
    pub arr_time: Option<i32>,
    pub sched_arr_time: i32,
    pub arr_delay: Option<i32>,
    pub carrier: String,
    pub flight: i32,
    pub tailnum: Option<String>,
    pub origin: String,
    pub dest: String,
    pub air_time: Option<i32>,
    pub distance: i32,
    pub hour: i32,
    pub minute: i32,
    /// Milliseconds since the Unix epoch.
    pub time_hour: i64,
}

/// The path of the whole `flights.csv`; 31 MB, so it is kept in the cache folder and not in the tree.
///
/// # Errors
/// `./test` has not fetched it yet.
pub fn path() -> Result<PathBuf> {
    cache::entry("flights/flights.csv")
}

/// The path of the first rows, which are in the tree.
#[must_use]
pub fn sample_path() -> PathBuf {
    binaries::workspace().join("cli/data/flights.csv")
}

/// Reads the rows of a file.
///
/// # Errors
/// The file cannot be read or a row is no flight.
pub fn read(path: &Path) -> Result<Vec<Flight>> {
    let mut reader = csv::Reader::from_path(path).with_context(|| path.display().to_string())?;
    reader.records().map(|row| parse(&row?)).collect()
}

fn parse(row: &csv::StringRecord) -> Result<Flight> {
    let text = |index: usize| row.get(index).with_context(|| format!("no column {index} in {row:?}"));
    let optional = |index: usize| Ok::<_, anyhow::Error>(Some(text(index)?).filter(|text| *text != MISSING));
    let number = |index: usize| text(index)?.parse().with_context(|| format!("column {index} of {row:?}"));
    let optional_number = |index: usize| {
        let text = optional(index)?;
        text.map(|text| text.parse().with_context(|| format!("column {index} of {row:?}"))).transpose()
    };
    Ok(Flight {
        year: number(0)?,
        month: number(1)?,
        day: number(2)?,
        dep_time: optional_number(3)?,
        sched_dep_time: number(4)?,
        dep_delay: optional_number(5)?,
        arr_time: optional_number(6)?,
        sched_arr_time: number(7)?,
        arr_delay: optional_number(8)?,
        carrier: text(9)?.to_owned(),
        flight: number(10)?,
        tailnum: optional(11)?.map(str::to_owned),
        origin: text(12)?.to_owned(),
        dest: text(13)?.to_owned(),
        air_time: optional_number(14)?,
        distance: number(15)?,
        hour: number(16)?,
        minute: number(17)?,
        time_hour: milliseconds(text(18)?).with_context(|| format!("the time in {row:?}"))?,
    })
}

/// `2013-01-01T10:00:00Z` as milliseconds since the Unix epoch.
fn milliseconds(text: &str) -> Result<i64> {
    let (date, time) = text.trim_end_matches('Z').split_once('T').context("no `T`")?;
    let [year, month, day] = three_numbers(date, '-')?;
    let [hour, minute, second] = three_numbers(time, ':')?;
    // Years begin in March, so that the leap day is their last.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1;
    const DAYS_TO_1970: i64 = 719_468;
    Ok((((days - DAYS_TO_1970) * 24 + hour) * 60 + minute) * 60_000 + second * 1000)
}

fn three_numbers(text: &str, separator: char) -> Result<[i64; 3]> {
    let numbers = text.split(separator).map(str::parse).collect::<Result<Vec<i64>, _>>()?;
    numbers.try_into().map_err(|numbers| anyhow::anyhow!("not three numbers: {numbers:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sample_is_read_with_its_missing_values() {
        let flights = read(&sample_path()).unwrap();

        assert_eq!(flights.len(), SAMPLE_COUNT);
        assert_eq!(flights[0].tailnum.as_deref(), Some("N14228"));
        assert_eq!((flights[0].dep_delay, flights[0].time_hour), (Some(2), 1_357_034_400_000));
        assert_eq!(flights.iter().filter(|flight| flight.tailnum.is_none()).count(), 7);
        assert!(flights.iter().any(|flight| flight.air_time.is_none()));
    }

    #[test]
    fn times_are_counted_as_unix_does() {
        assert_eq!(milliseconds("1970-01-01T00:00:00Z").unwrap(), 0);
        assert_eq!(milliseconds("2012-02-29T23:59:59Z").unwrap(), 1_330_559_999_000);
        assert!(milliseconds("yesterday").is_err());
    }
}
