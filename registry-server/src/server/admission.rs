//! Who comes when there are as many connections as there may be: waits for one of them to end, and is told so if none
//! does.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout};

use crate::metrics::{Refusals, Unheard};

use super::refusal::{note_refused, refusal};

/// How many are accepted beside those that have a place, all workers together but for rounding. Those behind them the
/// operating system lets wait.
pub(super) const WAITING_MAX: usize = 32;

/// How long one waits for a place: longer than a request takes as a rule, and short enough for a client that has
/// another server to go to.
const PATIENCE: Duration = Duration::from_secs(1);

/// How long a client has to take its answer, and to end.
const FAREWELL: Duration = Duration::from_secs(1);

/// The log tells of it no more often, however many are turned away.
const WARNED_EVERY: Duration = Duration::from_secs(60);

/// The connections that there may be, whichever workers have them.
#[derive(Debug, Clone)]
pub(super) struct Admission {
    places: Arc<Semaphore>,
    refusals: Refusals,
    warned: Arc<Mutex<Option<Instant>>>,
}

/// The place of a connection: it is free again when this is dropped.
pub(super) type Place = OwnedSemaphorePermit;

impl Admission {
    /// For so many connections at once; tells `refusals` of who is turned away.
    pub(super) fn new(places: usize, refusals: Refusals) -> Self {
        let places = Arc::new(Semaphore::new(places.min(Semaphore::MAX_PERMITS)));
        Self { places, refusals, warned: Arc::default() }
    }

    /// Gives no places any more, and tells those that wait.
    pub(super) fn close(&self) {
        self.places.close();
    }

    /// The stream with a place; `None` when there was none, and the client has been told.
    pub(super) async fn admit<S: AsyncRead + AsyncWrite + Unpin>(&self, stream: S) -> Option<(S, Place)> {
        let place = match Arc::clone(&self.places).try_acquire_owned() {
            Ok(place) => Some(place),
            // None is free, or none is given any more.
            Err(_) => timeout(PATIENCE, Arc::clone(&self.places).acquire_owned()).await.ok().and_then(Result::ok),
        };
        let Some(place) = place else {
            note_refused(&self.refusals, Unheard::NoPlace);
            self.warn_now_and_then();
            if let Ok(Err(error)) = timeout(FAREWELL, turn_away(stream)).await {
                tracing::debug!(%error, "a client did not wait for its answer");
            }
            return None;
        };
        Some((stream, place))
    }

    fn warn_now_and_then(&self) {
        // That of the end of a server says nothing of its settings.
        if self.places.is_closed() {
            return;
        }
        let mut warned = self.warned.lock().unwrap_or_else(PoisonError::into_inner);
        if warned.is_none_or(|last| last.elapsed() >= WARNED_EVERY) {
            *warned = Some(Instant::now());
            tracing::warn!(
                "all connections are taken, and clients are refused: raise `limits.connections`, or close idle ones \
                 sooner (`http.keep_alive_timeout_ms`)"
            );
        }
    }
}

/// Tells a client, whatever it asks. It is read to its end: what nobody reads takes the answer away with it.
async fn turn_away(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> io::Result<()> {
    stream.write_all(&refusal(Unheard::NoPlace)).await?;
    stream.shutdown().await?;
    let mut unread = [0; 1024];
    while stream.read(&mut unread).await? > 0 {}
    Ok(())
}

#[cfg(test)]
mod tests {
    use tokio::io::duplex;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn whoever_finds_no_place_waits_for_one_and_is_told_if_none_is_free_in_time() {
        let admission = Admission::new(1, Refusals::new());
        let (stream, _first) = duplex(4096);
        let first = admission.admit(stream).await.unwrap();

        let (stream, mut client) = duplex(4096);
        client.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
        let told = tokio::spawn(async move {
            let mut answer = String::new();
            client.read_to_string(&mut answer).await.unwrap();
            answer
        });
        let began = Instant::now();
        assert!(admission.admit(stream).await.is_none());
        assert_eq!(began.elapsed(), PATIENCE);
        let answer = told.await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
        assert!(answer.contains("\r\nretry-after: 1\r\n"), "{answer}");
        assert!(answer.contains("`limits.connections`"), "{answer}");

        let (stream, _client) = duplex(4096);
        let waiting = admission.clone();
        let waiting = tokio::spawn(async move { waiting.admit(stream).await.is_some() });
        tokio::time::sleep(PATIENCE / 2).await;
        drop(first);
        assert!(waiting.await.unwrap());
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_waits_is_told_at_once_when_no_more_places_are_given() {
        let admission = Admission::new(0, Refusals::new());
        let (stream, mut client) = duplex(4096);
        let waiting = admission.clone();
        let waiting = tokio::spawn(async move { waiting.admit(stream).await.is_none() });
        tokio::task::yield_now().await;
        let began = Instant::now();

        admission.close();

        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
        drop(client);
        assert!(waiting.await.unwrap());
        assert_eq!(began.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_does_not_end_is_left_in_the_end() {
        let admission = Admission::new(0, Refusals::new());
        let (stream, _client) = duplex(4096);
        let began = Instant::now();

        assert!(admission.admit(stream).await.is_none());

        assert_eq!(began.elapsed(), PATIENCE + FAREWELL);
    }
}
