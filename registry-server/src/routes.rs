//! Every URL and its handlers on one page; nothing else.
//!
//! HEAD is answered by GET's handler and OPTIONS from this table, so neither stands in it.

use actix_web::http::Method;

use crate::http::{
    Page, Route, associations, compatibility, contexts, docs, guids, health, metrics, mode, openapi, root, schema_list,
    schemas, server_metadata, subject_config, subjects, versions,
};

/// All routes. A literal segment is tried before one in braces by standing further up.
pub(crate) static ROUTES: &[Route] = &[
    Route { path: &[], methods: &[(Method::GET, root::get), (Method::POST, root::post)] },
    Route { path: &["subjects"], methods: &[(Method::GET, subjects::list)] },
    Route {
        path: &["subjects", "{subject}"],
        methods: &[(Method::POST, subjects::lookup), (Method::DELETE, subjects::delete)],
    },
    Route { path: &["subjects", "{subject}", "metadata"], methods: &[(Method::GET, versions::find_by_metadata)] },
    Route {
        path: &["subjects", "{subject}", "versions"],
        methods: &[(Method::GET, versions::list), (Method::POST, versions::register)],
    },
    Route {
        path: &["subjects", "{subject}", "versions", "{version}"],
        methods: &[(Method::GET, versions::get), (Method::DELETE, versions::delete)],
    },
    Route {
        path: &["subjects", "{subject}", "versions", "{version}", "schema"],
        methods: &[(Method::GET, versions::get_schema)],
    },
    Route {
        path: &["subjects", "{subject}", "versions", "{version}", "referencedby"],
        methods: &[(Method::GET, versions::referenced_by)],
    },
    Route {
        path: &["subjects", "{subject}", "versions", "{version}", "tags"],
        methods: &[(Method::POST, versions::tag)],
    },
    Route { path: &["schemas"], methods: &[(Method::GET, schema_list::list)] },
    Route { path: &["schemas", "types"], methods: &[(Method::GET, schemas::types)] },
    Route { path: &["schemas", "ids", "{id}"], methods: &[(Method::GET, schemas::get)] },
    Route { path: &["schemas", "ids", "{id}", "schema"], methods: &[(Method::GET, schemas::get_schema)] },
    Route { path: &["schemas", "ids", "{id}", "subjects"], methods: &[(Method::GET, schemas::subjects)] },
    Route { path: &["schemas", "ids", "{id}", "versions"], methods: &[(Method::GET, schemas::versions)] },
    Route { path: &["schemas", "guids", "{guid}"], methods: &[(Method::GET, guids::get)] },
    Route { path: &["schemas", "guids", "{guid}", "ids"], methods: &[(Method::GET, guids::ids)] },
    Route {
        path: &["compatibility", "subjects", "{subject}", "versions"],
        methods: &[(Method::POST, compatibility::check_all)],
    },
    Route {
        path: &["compatibility", "subjects", "{subject}", "versions", "{version}"],
        methods: &[(Method::POST, compatibility::check_one)],
    },
    Route {
        path: &["config"],
        methods: &[
            (Method::GET, subject_config::get_global),
            (Method::PUT, subject_config::put_global),
            (Method::DELETE, subject_config::delete_global),
        ],
    },
    Route {
        path: &["config", "{subject}"],
        methods: &[
            (Method::GET, subject_config::get),
            (Method::PUT, subject_config::put),
            (Method::DELETE, subject_config::delete),
        ],
    },
    Route {
        path: &["mode"],
        methods: &[
            (Method::GET, mode::get_global),
            (Method::PUT, mode::put_global),
            (Method::DELETE, mode::delete_global),
        ],
    },
    Route {
        path: &["mode", "{subject}"],
        methods: &[(Method::GET, mode::get), (Method::PUT, mode::put), (Method::DELETE, mode::delete)],
    },
    Route { path: &["contexts"], methods: &[(Method::GET, contexts::list)] },
    Route { path: &["contexts", "{context}"], methods: &[(Method::DELETE, contexts::delete)] },
    Route { path: &["associations", "subjects", "{subject}"], methods: &[(Method::GET, associations::list)] },
    Route { path: &["associations", "resources", "{resource}"], methods: &[(Method::GET, associations::list)] },
    Route {
        path: &["associations", "resources", "{namespace}", "{resource}"],
        methods: &[(Method::GET, associations::list)],
    },
    Route { path: &["v1", "metadata", "id"], methods: &[(Method::GET, server_metadata::id)] },
    Route { path: &["v1", "metadata", "version"], methods: &[(Method::GET, server_metadata::version)] },
    Route { path: &["v1", "metadata", "deployment"], methods: &[(Method::GET, server_metadata::deployment)] },
    Route { path: &["health", "live"], methods: &[(Method::GET, health::live)] },
    Route { path: &["health", "ready"], methods: &[(Method::GET, health::ready)] },
];

/// What is shown beside the API.
pub(crate) static PAGES: &[Page] = &[
    Page { path: &["metrics"], media_type: metrics::MEDIA_TYPE, content: metrics::text },
    Page { path: &["openapi.json"], media_type: openapi::MEDIA_TYPE, content: openapi::document },
    Page { path: &["docs"], media_type: docs::HTML, content: docs::page },
    Page { path: &["docs", "viewer.js"], media_type: docs::SCRIPT, content: docs::script },
    Page { path: &["docs", "viewer.css"], media_type: docs::STYLE, content: docs::style },
];

/// The template of each path, `/schemas/ids/{id}`: routes first, then pages.
pub(crate) fn templates() -> impl Iterator<Item = String> {
    let paths = ROUTES.iter().map(|route| route.path).chain(PAGES.iter().map(|page| page.path));
    paths.map(|path| format!("/{}", path.join("/")))
}

/// Each route as text, `GET /schemas/ids/{id}`; what a test of every endpoint walks.
pub fn route_names() -> Vec<String> {
    let methods = ROUTES.iter().map(|route| route.methods.iter().map(|(method, _)| method.as_str()).collect());
    let methods = methods.chain(PAGES.iter().map(|_| vec!["GET"]));
    let names = templates().zip(methods).flat_map(|(path, methods): (_, Vec<_>)| {
        methods.into_iter().map(|method| format!("{method} {path}")).collect::<Vec<_>>()
    });
    names.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_route_is_there_once() {
        let mut names = route_names();
        names.sort();
        let count = names.len();
        names.dedup();

        assert_eq!(names.len(), count);
    }
}
