//! ApiVersions: what the broker serves.

use kafka_protocol::messages::api_versions_response::ApiVersion;
use kafka_protocol::messages::{ApiVersionsRequest, ApiVersionsResponse};

use super::api::Api;
use super::cluster::Cluster;
use super::script::Target;
use super::server::{Answer, Call, Served, Shared};

impl Served for ApiVersionsRequest {
    fn targets(&self, _cluster: &Cluster) -> Vec<Target> {
        Vec::new()
    }

    async fn answer(self, call: &Call<'_>) -> Answer<ApiVersionsResponse> {
        let error_code = call.plan.request_error().map_or(0, |error| error.code());
        Answer::Body(announce(call.shared, error_code).with_throttle_time_ms(call.plan.throttle_ms()))
    }
}

/// The list of APIs, with `error_code` in front.
pub(super) fn announce(shared: &Shared, error_code: i16) -> ApiVersionsResponse {
    let announced = Api::ALL.into_iter().map(|api| {
        ApiVersion::default()
            .with_api_key(api.key() as i16)
            .with_min_version(api.announced_min())
            .with_max_version(shared.max_version(api))
    });
    ApiVersionsResponse::default().with_error_code(error_code).with_api_keys(announced.collect())
}
