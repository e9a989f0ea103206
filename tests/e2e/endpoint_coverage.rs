//! Walks the routes of the registry: each has a case, and each case does reach its route.

use std::collections::BTreeSet;

use end_to_end_tests::is_of_endpoint;

use crate::registry_api::{cases, with_registry};

#[test]
fn every_route_has_a_case() {
    let routes: BTreeSet<String> = registry_server::routes::route_names().into_iter().collect();
    let cases: BTreeSet<String> = cases().map(|case| case.endpoint.to_owned()).collect();

    assert_eq!(routes.difference(&cases).collect::<Vec<_>>(), Vec::<&String>::new(), "routes without a case");
    assert_eq!(cases.difference(&routes).collect::<Vec<_>>(), Vec::<&String>::new(), "cases without a route");
}

#[test]
fn every_endpoint_answers_as_its_case_says() {
    for case in cases() {
        let sent = with_registry(case.run);

        let reached = sent.iter().any(|sent| {
            (200..300).contains(&sent.answer.status) && is_of_endpoint(case.endpoint, &sent.method, &sent.path)
        });
        assert!(reached, "the case of `{}` has no request that succeeds", case.endpoint);
    }
}
