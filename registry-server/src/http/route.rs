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
    /// The place of the first route of a table that a path fits.
    pub(super) fn find(table: &[Self], segments: &[Cow<'_, str>]) -> Option<usize> {
        table.iter().position(|route| {
            route.path.len() == segments.len()
                && route.path.iter().zip(segments).all(|(part, segment)| is_argument(part) || *part == segment.as_ref())
        })
    }

    /// The texts of the segments in braces, of a path that fits.
    pub(super) fn arguments<'a>(&self, segments: Vec<Cow<'a, str>>) -> Vec<Cow<'a, str>> {
        let arguments = self.path.iter().zip(segments).filter(|(part, _)| is_argument(part));
        arguments.map(|(_, segment)| segment).collect()
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

        let path = segments("/subjects/versions/versions/latest");
        let route = &TABLE[Route::find(TABLE, &path).expect("a route")];

        assert_eq!(route.path, ["subjects", "{subject}", "versions", "{version}"]);
        assert_eq!(route.arguments(path), ["versions", "latest"]);
        assert_eq!(route.allowed(), "GET,HEAD,OPTIONS");
        assert_eq!(Route::find(TABLE, &segments("/subjects/a/nothing")), None);
        assert_eq!(Route::find(TABLE, &segments("/schemas/types/x")), None);
    }
}
