//! Endpoints by the names that the registry's routes have.

/// Whether a request goes to an endpoint, which is named as `GET /schemas/ids/{id}`.
///
/// # Panics
/// The name has no method.
#[must_use]
pub fn is_of_endpoint(endpoint: &str, method: &str, path: &str) -> bool {
    let (own_method, route) = endpoint.split_once(' ').expect("a method and a path");
    let path = path.split('?').next().unwrap_or_default().trim_end_matches('/');
    let (route, path): (Vec<_>, Vec<_>) = (route.trim_end_matches('/').split('/').collect(), path.split('/').collect());
    own_method == method
        && route.len() == path.len()
        && route.iter().zip(&path).all(|(part, segment)| part.starts_with('{') || part == segment)
}
