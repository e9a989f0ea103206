//! Who we are to the brokers: producer id and epoch, asked for once and bumped here (KIP-360).

use std::sync::Arc;
use std::time::Duration;

use kafka_protocol::messages::{InitProducerIdRequest, InitProducerIdResponse, ProducerId};
use tokio::sync::{Notify, watch};

use crate::accumulator::partition::Identity;
use crate::config::ProducerConfig;
use crate::connection::{ConnectionError, ConnectionErrorKind, Endpoint, Pool};
use crate::error_code::{
    self, CLUSTER_AUTHORIZATION_FAILED, INVALID_REQUEST, TOPIC_AUTHORIZATION_FAILED,
    TRANSACTIONAL_ID_AUTHORIZATION_FAILED, UNSUPPORTED_VERSION,
};
use crate::metadata::Metadata;

/// What is known of ourselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum IdentityState {
    /// To be asked for, and why there is none yet if somebody was asked.
    Unknown(Option<Arc<str>>),
    Known(Identity),
    /// The cluster gives us none.
    Refused(Arc<str>),
}

impl Default for IdentityState {
    fn default() -> Self {
        Self::Unknown(None)
    }
}

impl IdentityState {
    fn is_unknown(&self) -> bool {
        matches!(self, Self::Unknown(_))
    }
}

/// The producer's identity, shared by its senders.
#[derive(Debug, Default)]
pub(crate) struct Identities {
    state: watch::Sender<IdentityState>,
    wanted: Notify,
}

impl Identities {
    /// The identity, asked for if there is none yet.
    pub(crate) fn current(&self) -> Option<Identity> {
        match &*self.state.borrow() {
            IdentityState::Known(identity) => Some(*identity),
            _ => None,
        }
    }

    /// Why there is no identity yet, for whom it may concern.
    pub(crate) fn obstacle(&self) -> Arc<str> {
        match &*self.state.borrow() {
            IdentityState::Unknown(Some(failure)) => format!("no producer id yet: {failure}").into(),
            _ => "no producer id yet".into(),
        }
    }

    /// Has the task ask for an identity, if there is none.
    pub(crate) fn request(&self) {
        self.wanted.notify_one();
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<IdentityState> {
        self.state.subscribe()
    }

    /// An epoch newer than `old`; `None` if a new id has to be asked for first.
    ///
    /// Without transactions the client may raise the epoch by itself; a broker takes sequence 0 with it.
    pub(crate) fn epoch_after(&self, old: Option<Identity>) -> Option<Identity> {
        self.state.send_if_modified(|state| {
            let IdentityState::Known(current) = state else { return false };
            if Some(*current) != old {
                return false;
            }
            *state = match current.epoch.checked_add(1) {
                Some(epoch) => IdentityState::Known(Identity { epoch, ..*current }),
                None => IdentityState::Unknown(None),
            };
            true
        });
        self.current()
    }
}

/// The task that asks for an identity.
pub(crate) struct Registrar {
    identities: Arc<Identities>,
    metadata: Arc<Metadata>,
    pool: Pool,
    bootstrap: Vec<Endpoint>,
    backoff: (Duration, Duration),
    request_timeout: Duration,
    /// Asked last, so that another one is asked next.
    last: Option<Endpoint>,
}

impl Registrar {
    pub(crate) fn new(
        identities: Arc<Identities>,
        metadata: Arc<Metadata>,
        pool: Pool,
        config: &ProducerConfig,
    ) -> Self {
        Self {
            identities,
            metadata,
            pool,
            bootstrap: config.bootstrap_endpoints(),
            backoff: (config.retry_backoff, config.retry_backoff_max),
            request_timeout: config.request_timeout,
            last: None,
        }
    }

    /// Asks whenever somebody wants an identity and there is none; runs until dropped.
    pub(crate) async fn run(mut self) {
        let state = self.identities.state.clone();
        let mut failures = 0_u32;
        loop {
            if !state.borrow().is_unknown() || failures == 0 {
                self.identities.wanted.notified().await;
            }
            if !state.borrow().is_unknown() {
                continue;
            }
            let patience = crate::backoff::patience(failures, self.request_timeout);
            let Some(endpoint) = self.choose().await else { return };
            let found = match tokio::time::timeout(patience, self.ask(&endpoint)).await {
                Ok(Ok(found)) => found,
                Ok(Err(error)) => IdentityState::Unknown(Some(error.in_full())),
                Err(_) => {
                    let silence = format!("no answer from {endpoint} within {} ms", patience.as_millis());
                    IdentityState::Unknown(Some(silence.into()))
                }
            };
            tracing::debug!(asked = %endpoint, ?found, "asked for a producer id");
            let is_answer = !found.is_unknown();
            // Senders are woken by a failure, too: they tell it when batches expire.
            state.send_replace(found);
            if is_answer {
                failures = 0;
                continue;
            }
            failures = failures.saturating_add(1);
            tokio::time::sleep(crate::backoff::pause(self.backoff.0, self.backoff.1, failures)).await;
        }
    }

    /// Any broker hands out ids; while all want a pause, waits for the first that does not. `None` only without any
    /// address, which `validate` refuses: the pool is this task's own, so no pause begins between the two looks at it.
    async fn choose(&mut self) -> Option<Endpoint> {
        let mut endpoints = self.brokers();
        while !self.pool.any_unmuted(&endpoints).await {
            endpoints = self.brokers();
        }
        endpoints.retain(|endpoint| !self.pool.is_muted(endpoint));
        // One that is down or frozen is asked twice in a row only if all others want a pause.
        if endpoints.len() > 1 {
            endpoints.retain(|endpoint| Some(endpoint) != self.last.as_ref());
        }
        let chosen = fastrand::choice(endpoints);
        self.last.clone_from(&chosen);
        chosen
    }

    /// Those known by now.
    fn brokers(&self) -> Vec<Endpoint> {
        let cluster = self.metadata.subscribe().borrow().clone();
        if cluster.brokers.is_empty() { self.bootstrap.clone() } else { cluster.brokers.values().cloned().collect() }
    }

    async fn ask(&self, endpoint: &Endpoint) -> Result<IdentityState, ConnectionError> {
        let connection = self.pool.get(endpoint).await?;
        let request = InitProducerIdRequest::default()
            .with_transactional_id(None)
            .with_transaction_timeout_ms(i32::MAX)
            .with_producer_id(ProducerId(-1))
            .with_producer_epoch(-1);
        match connection.call(&request).await {
            Ok(reply) => {
                self.pool.mute(endpoint, reply.throttle_time_ms);
                Ok(judge(&reply))
            }
            Err(lost) if matches!(lost.error.kind, ConnectionErrorKind::UnsupportedVersion { .. }) => {
                Ok(IdentityState::Refused(format!("{}; set `enable.idempotence=false`", lost.error).into()))
            }
            Err(lost) => Err(lost.error),
        }
    }
}

fn judge(reply: &InitProducerIdResponse) -> IdentityState {
    let name = format!("{} ({})", error_code::name(reply.error_code), reply.error_code);
    let refused = |advice: &str| IdentityState::Refused(format!("no producer id, {name}: {advice}").into());
    match reply.error_code {
        0 => IdentityState::Known(Identity { producer_id: reply.producer_id.0, epoch: reply.producer_epoch }),
        TOPIC_AUTHORIZATION_FAILED | CLUSTER_AUTHORIZATION_FAILED | TRANSACTIONAL_ID_AUTHORIZATION_FAILED => {
            refused("grant this client IdempotentWrite on the cluster, or set `enable.idempotence=false`")
        }
        UNSUPPORTED_VERSION | INVALID_REQUEST => {
            refused("the broker does not know the request, set `enable.idempotence=false`")
        }
        // Not ready, loading, moving or overloaded.
        _ => IdentityState::Unknown(Some(name.into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(epoch: i16) -> Identity {
        Identity { producer_id: 9, epoch }
    }

    #[test]
    fn an_epoch_is_raised_once_however_many_ask() {
        let identities = Identities::default();
        identities.state.send_replace(IdentityState::Known(known(4)));

        let first = identities.epoch_after(Some(known(4)));
        let second = identities.epoch_after(Some(known(4)));

        assert_eq!((first, second), (Some(known(5)), Some(known(5))));
    }

    #[test]
    fn after_the_last_epoch_a_new_id_is_needed() {
        let identities = Identities::default();
        identities.state.send_replace(IdentityState::Known(known(i16::MAX)));

        assert_eq!(identities.epoch_after(Some(known(i16::MAX))), None);
        assert!(identities.state.borrow().is_unknown());
    }
}
