//! `Page`: what the server shows beside the API, each in a media type of its own. Only read, never negotiated.

use actix_web::web::Bytes;

use super::path::Path;
use super::{Reply, State, is_reading};

/// A path with a fixed media type.
#[derive(Debug)]
pub(crate) struct Page {
    /// Segments, all literal.
    pub(crate) path: &'static [&'static str],
    /// `Content-Type` of its content.
    pub(crate) media_type: &'static str,
    /// Makes the content.
    pub(crate) content: fn(&State) -> Bytes,
}

impl Page {
    /// What may be asked of a page.
    const ALLOWED: &'static str = "GET,HEAD,OPTIONS";

    /// Whether it is what a path names.
    pub(super) fn is_at(&self, path: &Path<'_>) -> bool {
        path.segments == self.path
    }

    /// The answer to a request for this page.
    pub(super) fn reply(&self, path: &Path<'_>, method: &actix_web::http::Method, state: &State) -> Reply {
        if *method == actix_web::http::Method::OPTIONS {
            return Reply::allowing(Self::ALLOWED.to_owned());
        }
        if !is_reading(method) {
            return Reply::method_not_allowed(Self::ALLOWED.to_owned());
        }
        // Links of a document are relative: behind a slash at the end they would lead astray.
        if path.has_trailing_slash && self.media_type.starts_with("text/html") {
            return Reply::moved(format!("../{}", self.path[self.path.len() - 1]));
        }
        Reply::page((self.content)(state), self.media_type)
    }
}
