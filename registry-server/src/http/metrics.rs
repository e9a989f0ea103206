//! `/metrics`: what the server counts, for Prometheus.

use actix_web::web::Bytes;

use super::State;

pub(crate) use crate::metrics::MEDIA_TYPE;

/// `GET /metrics`.
pub(crate) fn text(state: &State) -> Bytes {
    let bodies = &state.body_memory;
    state.metrics.http.bodies.show(bodies.taken_bytes(), bodies.limit_bytes());
    state.metrics.text().into()
}
