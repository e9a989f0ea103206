//! Connections by address: kept while they work, opened once at a time, with a pause after failures.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tracing::Instrument as _;

use super::{Connection, ConnectionError, ConnectionOptions, Endpoint, Transport};

/// How long a pause is waited for at a time: there may be another broker to ask by then.
const PAUSE_WAIT_MAX: Duration = Duration::from_secs(1);

/// Pauses between attempts to connect: `reconnect.backoff.ms` and `reconnect.backoff.max.ms`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ReconnectBackoff {
    pub(crate) first: Duration,
    pub(crate) max: Duration,
}

impl Default for ReconnectBackoff {
    fn default() -> Self {
        Self { first: Duration::from_millis(50), max: Duration::from_secs(1) }
    }
}

/// Connections by address: those of the cluster's brokers and the bootstrap list. Brokers that come back at another
/// address each time, as in containers, leave none behind: a place without a connection goes when another is added.
pub(crate) struct Pool {
    transport: Arc<dyn Transport>,
    options: ConnectionOptions,
    backoff: ReconnectBackoff,
    places: Mutex<HashMap<Endpoint, Arc<Place>>>,
}

/// How a broker could be asked now, the better the smaller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Standing {
    /// Over a working connection, with so many requests that have no reply yet.
    Connected { unanswered: usize },
    /// Over the connection that is just being made.
    Connecting,
    /// Over a new connection.
    Unconnected,
    /// Only after the pause that follows a failure to connect.
    Paused,
}

/// What there is for one address.
#[derive(Default)]
struct Place {
    /// Held by whoever makes the connection.
    turn: tokio::sync::Mutex<()>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    connection: Option<Connection>,
    is_connecting: bool,
    failures: u32,
    not_before: Option<Instant>,
    /// The broker asked for a pause (KIP-219).
    muted_until: Option<Instant>,
}

impl Place {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The connection, if it works.
    fn open(&self) -> Option<&Connection> {
        self.connection.as_ref().filter(|connection| connection.is_open())
    }

    fn standing(&self, now: Instant) -> Standing {
        match self.open() {
            Some(connection) => Standing::Connected { unanswered: connection.unanswered() },
            None if self.is_connecting => Standing::Connecting,
            None if self.not_before.is_some_and(|not_before| now < not_before) => Standing::Paused,
            None => Standing::Unconnected,
        }
    }

    /// Whether it holds a connection, or failures that the next attempt has to know of.
    fn is_needed(&self, now: Instant, backoff: ReconnectBackoff) -> bool {
        let has_failed = self.not_before.is_some_and(|not_before| now < not_before + backoff.max);
        self.open().is_some() || self.is_muted(now) || has_failed
    }

    fn is_muted(&self, now: Instant) -> bool {
        self.muted_until.is_some_and(|until| now < until)
    }
}

/// An attempt to connect; its end, however it comes, is noted.
struct Attempt<'a>(&'a Place);

impl<'a> Attempt<'a> {
    fn begin(place: &'a Place) -> Self {
        place.state().is_connecting = true;
        Self(place)
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        self.0.state().is_connecting = false;
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("options", &self.options).finish_non_exhaustive()
    }
}

impl Pool {
    pub(crate) fn new(transport: Arc<dyn Transport>, options: ConnectionOptions, backoff: ReconnectBackoff) -> Self {
        Self { transport, options, backoff, places: Mutex::default() }
    }

    /// The addresses of a name, each by its number, within the time that a connection may take; the name itself if it
    /// has none now: whoever connects to it learns why.
    pub(crate) async fn resolve(&self, endpoint: &Endpoint) -> Vec<Endpoint> {
        let resolving = tokio::time::timeout(self.options.setup_timeout, self.transport.resolve(endpoint));
        match resolving.await {
            Ok(Ok(addresses)) if !addresses.is_empty() => addresses,
            _ => vec![endpoint.clone()],
        }
    }

    /// A working connection to `endpoint`. Waits out the pause after a failed attempt, then tries once.
    ///
    /// Cancel safety: dropping the future abandons the attempt; the next caller starts a new one.
    pub(crate) async fn get(&self, endpoint: &Endpoint) -> Result<Connection, ConnectionError> {
        let place = self.place(endpoint);
        let _turn = place.turn.lock().await;
        let (not_before, failures) = {
            let mut state = place.state();
            if let Some(connection) = state.open() {
                return Ok(connection.clone());
            }
            state.connection = None;
            (state.not_before, state.failures)
        };
        if let Some(not_before) = not_before {
            tokio::time::sleep_until(not_before).await;
        }
        let span = tracing::debug_span!("connect", %endpoint);
        // A network that takes longer than the first timeout would else never be got through.
        let (first, max) = (self.options.setup_timeout, self.options.setup_timeout_max);
        let setup_timeout = crate::backoff::pause(first, max, failures.saturating_add(1));
        let options = ConnectionOptions { setup_timeout, ..self.options.clone() };
        let attempt = Attempt::begin(&place);
        let opened = Connection::open(&*self.transport, endpoint, &options).instrument(span).await;
        drop(attempt);
        let mut state = place.state();
        match opened {
            Ok(connection) => {
                let muted_until = state.muted_until;
                *state = State { connection: Some(connection.clone()), muted_until, ..State::default() };
                Ok(connection)
            }
            Err(error) => {
                state.failures = failures.saturating_add(1);
                let pause = crate::backoff::pause(self.backoff.first, self.backoff.max, state.failures);
                state.not_before = Some(Instant::now() + pause);
                Err(error)
            }
        }
    }

    /// Leaves a broker alone for so long, as its answer asked (`throttle_time_ms`); not positive: no pause.
    pub(crate) fn mute(&self, endpoint: &Endpoint, throttle_ms: i32) {
        let Some(pause) = u64::try_from(throttle_ms).ok().filter(|pause| *pause > 0) else { return };
        let place = self.place(endpoint);
        let mut state = place.state();
        let pause = Duration::from_millis(pause);
        state.muted_until = state.muted_until.max(Some(Instant::now() + pause));
        if let Some(connection) = &state.connection {
            connection.mute(pause);
        }
    }

    /// Whether a broker is to be left alone; others are asked rather.
    pub(crate) fn is_muted(&self, endpoint: &Endpoint) -> bool {
        self.known(endpoint).is_some_and(|place| place.state().is_muted(Instant::now()))
    }

    /// How a broker could be asked now.
    pub(crate) fn standing(&self, endpoint: &Endpoint) -> Standing {
        self.known(endpoint).map_or(Standing::Unconnected, |place| place.state().standing(Instant::now()))
    }

    /// Whether there is a working connection to a broker.
    pub(crate) fn is_connected(&self, endpoint: &Endpoint) -> bool {
        matches!(self.standing(endpoint), Standing::Connected { .. })
    }

    /// Waits until one of these brokers may be asked, for a second at most; false if all still want a pause then.
    pub(crate) async fn any_unmuted(&self, endpoints: &[Endpoint]) -> bool {
        let muted_until = |endpoint: &Endpoint| self.known(endpoint).and_then(|place| place.state().muted_until);
        // `None`, no pause at all, is the least.
        let Some(until) = endpoints.iter().map(muted_until).min().flatten() else { return true };
        let look_at = Instant::now() + PAUSE_WAIT_MAX;
        tokio::time::sleep_until(until.min(look_at)).await;
        until <= look_at
    }

    /// Forgets every connection; their sockets close when nobody uses them any more.
    pub(crate) fn clear(&self) {
        self.places().clear();
    }

    fn known(&self, endpoint: &Endpoint) -> Option<Arc<Place>> {
        self.places().get(endpoint).cloned()
    }

    fn place(&self, endpoint: &Endpoint) -> Arc<Place> {
        let mut places = self.places();
        if !places.contains_key(endpoint) {
            let now = Instant::now();
            places.retain(|_, place| Arc::strong_count(place) > 1 || place.state().is_needed(now, self.backoff));
        }
        places.entry(endpoint.clone()).or_default().clone()
    }

    fn places(&self) -> MutexGuard<'_, HashMap<Endpoint, Arc<Place>>> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::super::transport::Connecting;
    use super::*;

    struct Nobody;

    impl Transport for Nobody {
        fn connect<'a>(&'a self, _endpoint: &'a Endpoint) -> Connecting<'a> {
            Box::pin(async { Err(io::ErrorKind::ConnectionRefused.into()) })
        }
    }

    /// Notes when somebody connects; takes up no connection, or never says whether it does.
    struct Noting {
        attempts: Mutex<Vec<Instant>>,
        is_silent: bool,
    }

    impl Noting {
        fn new(is_silent: bool) -> Arc<Self> {
            Arc::new(Self { attempts: Mutex::default(), is_silent })
        }
    }

    impl Transport for Noting {
        fn connect<'a>(&'a self, _endpoint: &'a Endpoint) -> Connecting<'a> {
            self.attempts.lock().unwrap().push(Instant::now());
            if self.is_silent {
                return Box::pin(std::future::pending());
            }
            Box::pin(async { Err(io::ErrorKind::ConnectionRefused.into()) })
        }
    }

    /// Times of a fifth more or less, and a millisecond for the timers.
    fn check_growth(times: &[Duration], expected_ms: &[u32]) {
        assert_eq!(times.len(), expected_ms.len());
        for (time, expected) in times.iter().zip(expected_ms) {
            let (least, most) = (expected * 8 / 10, expected * 12 / 10 + 1);
            assert!((u128::from(least)..=u128::from(most)).contains(&time.as_millis()), "{times:?}: {expected_ms:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn pauses_between_attempts_grow_up_to_the_maximum() {
        let transport = Noting::new(false);
        let backoff = ReconnectBackoff { first: Duration::from_millis(50), max: Duration::from_millis(300) };
        let pool = Pool::new(transport.clone(), ConnectionOptions::default(), backoff);
        let endpoint = Endpoint::new("broker", 1);

        for _ in 0..6 {
            assert!(pool.get(&endpoint).await.is_err());
        }

        let attempts = transport.attempts.lock().unwrap();
        let pauses: Vec<_> = attempts.windows(2).map(|pair| pair[1] - pair[0]).collect();
        check_growth(&pauses, &[50, 100, 200, 300, 300]);
    }

    #[tokio::test(start_paused = true)]
    async fn attempts_are_given_more_time_up_to_the_maximum() {
        let transport = Noting::new(true);
        let setup_timeout = Duration::from_secs(1);
        let options =
            ConnectionOptions { setup_timeout, setup_timeout_max: Duration::from_secs(5), ..Default::default() };
        let backoff = ReconnectBackoff { first: Duration::ZERO, max: Duration::ZERO };
        let pool = Pool::new(transport.clone(), options, backoff);
        let endpoint = Endpoint::new("broker", 1);

        let mut times = Vec::new();
        for _ in 0..5 {
            let before = Instant::now();
            assert!(pool.get(&endpoint).await.is_err());
            times.push(before.elapsed());
        }

        check_growth(&times, &[1000, 2000, 4000, 5000, 5000]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_broker_stands_worse_while_it_is_connected_to_and_worst_after_a_failure() {
        let options = ConnectionOptions { setup_timeout: Duration::from_secs(1), ..Default::default() };
        let backoff = ReconnectBackoff { first: Duration::from_millis(50), max: Duration::from_millis(50) };
        let pool = Pool::new(Noting::new(true), options, backoff);
        let endpoint = Endpoint::new("broker", 1);
        let standing = || pool.standing(&endpoint);
        let standing_after = async |milliseconds| {
            tokio::time::sleep(Duration::from_millis(milliseconds)).await;
            standing()
        };
        assert_eq!(standing(), Standing::Unconnected, "nobody has tried");

        tokio::select! {
            _ = pool.get(&endpoint) => panic!("it is silent"),
            standing = standing_after(500) => assert_eq!(standing, Standing::Connecting),
        }
        assert_eq!(standing(), Standing::Unconnected, "the attempt was abandoned");
        assert!(pool.get(&endpoint).await.is_err());
        assert_eq!(standing(), Standing::Paused);
        tokio::select! {
            _ = pool.get(&endpoint) => panic!("there is a pause before it"),
            standing = standing_after(30) => assert_eq!(standing, Standing::Paused),
        }
        assert_eq!(standing_after(30).await, Standing::Unconnected, "the pause is over");
    }

    #[tokio::test(start_paused = true)]
    async fn addresses_that_are_gone_leave_no_place_behind() {
        let pool = Pool::new(Arc::new(Nobody), ConnectionOptions::default(), ReconnectBackoff::default());
        let count = || pool.places.lock().unwrap().len();

        for port in 1..=50 {
            assert!(pool.get(&Endpoint::new("pod", port)).await.is_err());
        }
        assert_eq!(count(), 50, "the pauses after their failures are remembered");
        tokio::time::advance(Duration::from_secs(2)).await;
        assert!(pool.get(&Endpoint::new("pod", 51)).await.is_err());

        assert_eq!(count(), 1);
    }
}
