//! The demo's data: flights that left New York in 2013, and the schemas they are written with.

use anyhow::Context;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// The first 5,000 flights; their origin stands in `cli/data/README.md`.
const FLIGHTS_CSV: &str = include_str!("../../data/flights.csv");

/// Version 1 of the schema.
pub(crate) const SCHEMA_V1: &str = include_str!("../../data/flight-v1.avsc");
/// Version 2 adds `delay_cause` with a default: compatible.
pub(crate) const SCHEMA_V2: &str = include_str!("../../data/flight-v2.avsc");
/// Version 3 renames `carrier` without an alias: not compatible.
pub(crate) const SCHEMA_V3: &str = include_str!("../../data/flight-v3.avsc");

/// Declares a record with version 1's fields and after them those that a later version adds.
macro_rules! flight_record {
    ($(#[$doc:meta])* $name:ident { $($added:ident: $added_type:ty),* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        pub(crate) struct $name {
            pub(crate) year: i32,
            pub(crate) month: i32,
            pub(crate) day: i32,
            pub(crate) dep_time: Option<i32>,
            pub(crate) sched_dep_time: i32,
            pub(crate) dep_delay: Option<i32>,
            pub(crate) arr_time: Option<i32>,
            pub(crate) sched_arr_time: i32,
            pub(crate) arr_delay: Option<i32>,
            pub(crate) carrier: String,
            pub(crate) flight: i32,
            pub(crate) tailnum: Option<String>,
            pub(crate) origin: String,
            pub(crate) dest: String,
            pub(crate) air_time: Option<i32>,
            pub(crate) distance: i32,
            pub(crate) hour: i32,
            pub(crate) minute: i32,
            pub(crate) time_hour: String,
            $(pub(crate) $added: $added_type,)*
        }
    };
}

flight_record! {
    /// A flight as version 1 describes it.
    Flight {}
}

flight_record! {
    /// A flight as version 2 describes it.
    FlightWithCause { delay_cause: Option<String> }
}

/// The first half of the flights in version 1, the rest in version 2.
#[derive(Debug)]
pub(crate) struct Flights {
    pub(crate) before: Vec<Flight>,
    pub(crate) after: Vec<FlightWithCause>,
}

/// Reads the flights that the program carries.
pub(crate) fn load() -> anyhow::Result<Flights> {
    let mut reader = csv::Reader::from_reader(FLIGHTS_CSV.as_bytes());
    let headers = reader.headers()?.clone();
    let rows = reader.records().collect::<Result<Vec<_>, _>>().context("the flights' CSV cannot be read")?;
    let (before, after) = rows.split_at(rows.len() / 2);
    let mut headers_with_cause = headers.clone();
    headers_with_cause.push_field("delay_cause");
    Ok(Flights {
        before: before.iter().map(|row| record(row.iter(), &headers)).collect::<anyhow::Result<_>>()?,
        after: after
            .iter()
            .map(|row| record(row.iter().chain([delay_cause(row.get(5))]), &headers_with_cause))
            .collect::<anyhow::Result<_>>()?,
    })
}

/// One row; `NA` is how the file writes null.
fn record<'a, T: DeserializeOwned>(
    columns: impl Iterator<Item = &'a str>,
    headers: &csv::StringRecord,
) -> anyhow::Result<T> {
    let row: csv::StringRecord = columns.map(|column| if column == "NA" { "" } else { column }).collect();
    row.deserialize(Some(headers)).context("a row of the flights' CSV does not fit")
}

/// The file has no causes, so the demo makes one up from the delay at departure.
fn delay_cause(dep_delay: Option<&str>) -> &'static str {
    match dep_delay.and_then(|minutes| minutes.parse::<i32>().ok()) {
        None => "cancelled",
        Some(minutes) if minutes > 60 => "late aircraft",
        Some(minutes) if minutes > 15 => "air traffic",
        Some(_) => "NA",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flight_is_read_and_na_is_null() {
        let flights = load().unwrap();

        assert_eq!(flights.before.len() + flights.after.len(), 5_000);
        let first = &flights.before[0];
        assert_eq!((first.carrier.as_str(), first.tailnum.as_deref()), ("UA", Some("N14228")));
        assert!(flights.before.iter().any(|flight| flight.dep_time.is_none()));
        assert!(flights.after.iter().any(|flight| flight.delay_cause.is_none()));
        assert!(flights.after.iter().any(|flight| flight.delay_cause.as_deref() == Some("late aircraft")));
    }
}
