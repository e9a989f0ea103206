//! schemathesis against the real `registry-server`: no 5xx, and no answer that its OpenAPI document does not tell of.

use std::time::Duration;

use end_to_end_tests::services::python::Python;
use end_to_end_tests::{Registry, start_registry};

/// Random requests per operation: here, and with `./test --long`.
const EXAMPLES: (u32, u32) = (10, 100);

#[test]
fn every_answer_is_as_the_document_says() {
    judge(start_registry().unwrap());
}

/// Makes requests of an empty registry, and stops it.
pub(crate) fn judge(registry: Registry) {
    let examples = if std::env::var_os("SR_LONG").is_some() { EXAMPLES.1 } else { EXAMPLES.0 };
    let script = "services/foreign_clients/openapi_requests.py";
    let arguments = [registry.url(), &examples.to_string()];

    let told = Python::find().unwrap().run(script, &arguments, Duration::from_secs(1800)).unwrap();

    println!("{told}");
    registry.stop().unwrap();
}
