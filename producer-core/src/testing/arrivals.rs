//! Which requests arrived, for tests that ask when, where and how often.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use super::api::Api;

/// Requests that are remembered; the oldest are forgotten first. More than any test looks at.
const ARRIVALS_MAX: usize = 10_000;

/// A request that was read whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Arrival {
    pub(super) api: Api,
    pub(super) node: i32,
    pub(super) version: i16,
}

/// A request that reached a node of the fake broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ArrivedRequest {
    /// When, since the broker was started, by the clock of the runtime (which tests may stop).
    pub at: Duration,
    /// The node, from 1.
    pub node: i32,
    /// The version of the request.
    pub version: i16,
}

/// The requests so far.
#[derive(Debug)]
pub(super) struct Arrivals {
    started: Instant,
    counts: [u64; Api::ALL.len()],
    latest: VecDeque<(Api, ArrivedRequest)>,
}

impl Default for Arrivals {
    fn default() -> Self {
        Self { started: Instant::now(), counts: [0; Api::ALL.len()], latest: VecDeque::new() }
    }
}

impl Arrivals {
    pub(super) fn add(&mut self, arrival: Arrival) {
        let Arrival { api, node, version } = arrival;
        self.counts[api as usize] += 1;
        if self.latest.len() == ARRIVALS_MAX {
            self.latest.pop_front();
        }
        self.latest.push_back((api, ArrivedRequest { at: self.started.elapsed(), node, version }));
    }

    pub(super) fn count(&self, api: Api) -> u64 {
        self.counts[api as usize]
    }

    pub(super) fn of(&self, api: Api) -> Vec<ArrivedRequest> {
        self.latest.iter().filter(|(of, _)| *of == api).map(|(_, request)| *request).collect()
    }
}
