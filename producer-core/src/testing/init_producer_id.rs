//! InitProducerId: a fresh producer id with the first epoch. Transactional ids are refused: there are no transactions.

use kafka_protocol::messages::{InitProducerIdRequest, InitProducerIdResponse, ProducerId};

use super::cluster::Cluster;
use super::script::Target;
use super::server::{Answer, Call, Served};
use crate::error_code::INVALID_REQUEST;

impl Served for InitProducerIdRequest {
    fn targets(&self, _cluster: &Cluster) -> Vec<Target> {
        Vec::new()
    }

    async fn answer(self, call: &Call<'_>) -> Answer<InitProducerIdResponse> {
        let response = InitProducerIdResponse::default().with_throttle_time_ms(call.plan.throttle_ms());
        let refused = self.transactional_id.is_some().then_some(INVALID_REQUEST);
        let error = call.plan.request_error().map(|error| error.code()).or(refused);
        if let Some(code) = error {
            let none = response.with_error_code(code).with_producer_id(ProducerId(-1)).with_producer_epoch(-1);
            return Answer::Body(none);
        }
        // Without a transactional id a broker gives a new id whatever id and epoch the client had (KIP-360).
        let mut cluster = call.shared.cluster();
        let id = cluster.next_producer_id();
        Answer::Body(response.with_producer_id(ProducerId(id)).with_producer_epoch(cluster.first_epoch))
    }
}
