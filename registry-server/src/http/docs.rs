//! `/docs`: a page that shows `/openapi.json` to a person. Its files are part of the binary; nothing is fetched from
//! elsewhere.

use actix_web::web::Bytes;

use super::State;

/// The media type of the page.
pub(crate) const HTML: &str = "text/html; charset=utf-8";

/// The media type of its script.
pub(crate) const SCRIPT: &str = "text/javascript; charset=utf-8";

/// The media type of its style.
pub(crate) const STYLE: &str = "text/css; charset=utf-8";

/// `GET /docs`.
pub(crate) fn page(_state: &State) -> Bytes {
    Bytes::from_static(include_bytes!("docs/index.html"))
}

/// `GET /docs/viewer.js`.
pub(crate) fn script(_state: &State) -> Bytes {
    Bytes::from_static(include_bytes!("docs/viewer.js"))
}

/// `GET /docs/viewer.css`.
pub(crate) fn style(_state: &State) -> Bytes {
    Bytes::from_static(include_bytes!("docs/viewer.css"))
}
