//! `Route`: one path of the API with its handlers, and how a request finds it in a table of them.

use std::borrow::Cow;

use actix_web::http::Method;

use super::Handler;

/// A path with what it answers to.
#[derive(Debug)]
pub(crate) struct Route {
    /// Segments; one in braces takes any text.
    pub(crate) path: &'static [&'static str],
    /// Methods with their handlers.
    pub(crate) methods: &'static [(Method, Handler)],
}

impl Route {
    /// The first route of a table that a path fits, and the texts of its segments in braces.
    pub(super) fn find<'a>(
        table: &'static [Self],
        segments: Vec<Cow<'a, str>>,
    ) -> Option<(&'static Self, Vec<Cow<'a, str>>)> {
        let route = table.iter().find(|route| {
            route.path.len() == segments.len()
                && route
                    .path
                    .iter()
                    .zip(&segments)
                    .all(|(part, segment)| is_argument(part) || *part == segment.as_ref())
        })?;
        let arguments = route.path.iter().zip(segments).filter(|(part, _)| is_argument(part));
        Some((route, arguments.map(|(_, segment)| segment).collect()))
    }

    /// The handler of a method; HEAD is answered by GET's.
    pub(super) fn handler(&self, method: &Method) -> Option<Handler> {
        let method = if *method == Method::HEAD { &Method::GET } else { method };
        self.methods.iter().find(|(own, _)| own == method).map(|(_, handler)| *handler)
    }

    /// The value of `Allow`.
    pub(super) fn allowed(&self) -> String {
        let mut names = vec![Method::OPTIONS.to_string()];
        for (method, _) in self.methods {
            names.push(method.to_string());
            if *method == Method::GET {
                names.push(Method::HEAD.to_string());
            }
        }
        names.sort();
        names.join(",")
    }
}

fn is_argument(part: &str) -> bool {
    part.starts_with('{')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::{schemas, versions};

    static TABLE: &[Route] = &[
        Route { path: &["schemas", "types"], methods: &[(Method::GET, schemas::types)] },
        Route { path: &["subjects", "{subject}", "versions", "{version}"], methods: &[(Method::GET, versions::get)] },
    ];

    #[test]
    fn a_path_finds_its_route_and_arguments() {
        let segments = |path: &'static str| path.split('/').skip(1).map(Cow::Borrowed).collect::<Vec<_>>();

        let (route, arguments) = Route::find(TABLE, segments("/subjects/versions/versions/latest")).expect("a route");

        assert_eq!(route.path, ["subjects", "{subject}", "versions", "{version}"]);
        assert_eq!(arguments, ["versions", "latest"]);
        assert_eq!(route.allowed(), "GET,HEAD,OPTIONS");
        assert!(Route::find(TABLE, segments("/subjects/a/nothing")).is_none());
        assert!(Route::find(TABLE, segments("/schemas/types/x")).is_none());
    }
}
