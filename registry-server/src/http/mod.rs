//! The HTTP edge: judge the request, find its handler, answer. Rules stand in `registry`, URLs in `routes`.
//!
//! [`serve`] is the one service of the application. Requests are routed over the raw path here and not by actix's
//! router, for three reasons: a path has to be judged before it is matched, a segment must be decoded exactly
//! once, and HEAD, OPTIONS, 404 and 405 come from the same table as everything else.
//!
//! Order of judgements, as clients know it: size of the head (414, 431), path (400), route (404), method (405),
//! `Content-Type` (415, 400), `Accept` (406), body (400, 413, 422), and then the rules.

use std::borrow::Cow;
use std::cell::Cell;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use actix_web::HttpRequest;
use actix_web::http::{ConnectionType, Method, header};
use actix_web::web::{Bytes, Data, Payload};
use futures_util::FutureExt as _;
use futures_util::future::LocalBoxFuture;
use schema_core::Version;
use schema_core::error_code::{ApiError, ErrorCode};
use schema_core::wire::ModeUpdate;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::metrics::Metrics;
use crate::registry::{Registry, SubjectKey};

pub(crate) mod associations;
pub(crate) mod compatibility;
pub(crate) mod contexts;
pub(crate) mod docs;
pub(crate) mod guids;
pub(crate) mod health;
pub(crate) mod metrics;
pub(crate) mod mode;
pub(crate) mod openapi;
pub(crate) mod root;
pub(crate) mod schema_list;
pub(crate) mod schemas;
pub(crate) mod server_metadata;
pub(crate) mod subject_config;
pub(crate) mod subjects;
pub(crate) mod versions;

mod body;
mod body_memory;
mod context_prefix;
mod deadline;
mod error;
mod head;
mod json_nesting;
mod long_list;
mod media_type;
mod next_page;
mod page;
mod params;
mod path;
mod reply;
mod route;
mod schema_body;
mod view;

pub(crate) use body::BodyLimits;
pub(crate) use body_memory::BodyMemory;
pub(crate) use error::RETRY_AFTER;
pub(crate) use head::HeadLimits;
pub(crate) use page::Page;
pub(crate) use reply::Reply;
pub(crate) use route::Route;

use body_memory::Body;
use error::HttpError;
use long_list::Rest;
use media_type::BadContentType;
use params::Query;

/// A body above this is parsed on a thread of its own.
const INLINE_BODY_BYTES_MAX: usize = 64 << 10;

/// An answer that says no more than that it is one.
const EMPTY_OBJECT: Bytes = Bytes::from_static(b"{}");

/// What a handler gives: the finished JSON of a 200 (of a long list the first piece), or no bytes at all for a 204.
pub(crate) type Answer = Result<Bytes, HttpError>;

/// A handler of one route and method.
pub(crate) type Handler = for<'a> fn(&'a Call<'a>) -> LocalBoxFuture<'a, Answer>;

/// What every request shares.
#[derive(Debug)]
pub(crate) struct State {
    /// Every path with its handlers, the more literal ones first.
    pub(crate) routes: &'static [Route],
    /// What is shown beside the API.
    pub(crate) pages: &'static [Page],
    /// What is counted; of routes first, then of pages.
    pub(crate) metrics: Metrics,
    /// The rules.
    pub(crate) registry: Arc<Registry>,
    /// Bounds on heads.
    pub(crate) head: HeadLimits,
    /// Bounds on bodies.
    pub(crate) body: BodyLimits,
    /// What bodies take of it together.
    pub(crate) body_memory: Arc<BodyMemory>,
    /// How many schemas `GET /schemas` puts into one answer.
    pub(crate) page_items: usize,
    /// From the end of the body to the answer.
    pub(crate) request_timeout: Duration,
    /// The number of a register that breaks a promise: 40901 or 409.
    pub(crate) incompatible_code: ErrorCode,
    /// Set when the server is to end: then it is not ready, and each answer is the last of its connection.
    pub(crate) is_draining: Arc<AtomicBool>,
}

/// A request taken apart, as a handler gets it.
pub(crate) struct Call<'a> {
    registry: &'a Arc<Registry>,
    /// The texts of the route's segments in braces, in order.
    arguments: Vec<Cow<'a, str>>,
    /// What stands before names of the context in front of the path, `:.team:`.
    names_within: Option<String>,
    query: Query<'a>,
    body: Body<'a>,
    /// Levels of JSON that a body may have.
    json_nesting: usize,
    /// How many items a long list puts into one answer.
    page_items: usize,
    /// Behind what the next page of a list begins, when there is one.
    next_page: Cell<Option<(SubjectKey, Version)>>,
    /// Set by a handler that has changed nothing, whatever the method says.
    only_read: Cell<bool>,
    /// What follows the answer's first piece, when it is a long list.
    rest: Cell<Option<Rest>>,
    /// How long each further piece may take.
    piece_timeout: Duration,
    /// Whether the server is to end.
    is_draining: &'a AtomicBool,
}

impl std::fmt::Debug for Call<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Call").field("arguments", &self.arguments).field("query", &self.query).finish_non_exhaustive()
    }
}

impl Call<'_> {
    /// A segment in braces, by its place.
    fn argument(&self, index: usize) -> &str {
        self.arguments.get(index).map_or("", |argument| argument)
    }

    /// A query parameter that names a subject, or begins its name, in the context that the path asks for.
    fn name_parameter(&self, name: &str) -> Result<Option<Cow<'_, str>>, HttpError> {
        let prefix = self.names_within.as_deref();
        match self.query.name(name)? {
            Some(text) => Ok(Some(context_prefix::within(prefix, text))),
            None => Ok(prefix.map(Cow::Borrowed)),
        }
    }

    /// The body as `T`. `operation` names the request in the error of a body that is not there.
    async fn read<T: DeserializeOwned + Send + 'static>(&self, operation: &'static str) -> Result<T, HttpError> {
        if self.body.len() <= INLINE_BODY_BYTES_MAX {
            return body::parse(&self.body, self.json_nesting, operation);
        }
        let (body, nesting) = (self.body.to_bytes(), self.json_nesting);
        let parsed = tokio::task::spawn_blocking(move || body::parse(&body, nesting, operation)).await;
        parsed.unwrap_or_else(|error| match error.try_into_panic() {
            Ok(panic) => Err(HttpError::panicked(panic)),
            Err(_) => Err(ApiError::internal().into()),
        })
    }

    /// The body of a change of a mode, which need not be an object.
    fn read_mode(&self, operation: &'static str) -> Result<ModeUpdate, HttpError> {
        body::parse_with(ModeUpdate::read, &self.body, self.json_nesting, operation)
    }
}

/// JSON of an answer.
fn json<T: Serialize + ?Sized>(value: &T) -> Answer {
    match serde_json::to_vec(value) {
        Ok(bytes) => Ok(bytes.into()),
        Err(_) => Err(ApiError::internal().into()),
    }
}

/// What is known of a request before its answer is.
struct Seen {
    /// The type of the answer.
    media_type: &'static str,
    /// The place of its route, pages counted behind the routes.
    route: Option<usize>,
    /// Whether it may have changed something.
    is_write: bool,
    /// Whether [`body::discard`] has run.
    is_body_discarded: bool,
}

/// Answers one request, whatever it is.
pub(crate) async fn serve(
    request: HttpRequest,
    mut payload: Payload,
    state: Data<Arc<State>>,
) -> actix_web::HttpResponse {
    let started = Instant::now();
    let is_write = !is_reading(request.method());
    let mut seen = Seen { media_type: media_type::V1, route: None, is_write, is_body_discarded: false };
    // A bug in what answers one request must not cost its client an answer, nor others the connection. Whatever it held
    // (a subject's turn, a place among the readers, a connection to the database) it has given back on its way out.
    let answering = AssertUnwindSafe(answer(&request, &mut payload, &state, &mut seen));
    let answered = answering.catch_unwind().await.unwrap_or_else(|panic| Err(HttpError::panicked(panic)));
    // Whoever waits for what follows waits in vain, and the HTTP library closes the connection meanwhile.
    let mut is_broken = matches!(answered, Err(HttpError::BrokenBody(_)));
    let reply = match answered {
        Ok(reply) => reply,
        Err(error) => reply::log_failure(error, &request).into_reply(state.incompatible_code),
    };
    if !is_broken && !reply.is_request_timeout() && !seen.is_body_discarded {
        is_broken = body::discard(&mut payload, state.body).await.is_err();
    }
    let elapsed = started.elapsed();
    state.metrics.http.observe(seen.route, request.method().as_str(), reply.status(), elapsed);
    reply::log_access(&request, &reply, seen.is_write, elapsed);
    let mut response = reply.into_response(&request, seen.media_type);
    if is_broken || state.is_draining.load(Ordering::Relaxed) {
        response.head_mut().set_connection_type(ConnectionType::Close);
    }
    response
}

async fn answer(
    request: &HttpRequest,
    payload: &mut Payload,
    state: &State,
    seen: &mut Seen,
) -> Result<Reply, HttpError> {
    state.head.check(request)?;
    let uri = request.uri();
    let method = request.method();
    let refused = |error: path::BadPath| ApiError::bad_request(error.0);
    let mut path = path::read(uri.path()).map_err(refused)?;
    // `/config/$SUBJECT` with an empty variable must not reach the settings of everything.
    if path.has_trailing_slash && !is_reading(method) && context_prefix::names_nothing(&path) {
        return Err(ApiError::not_found().into());
    }
    let names_within = context_prefix::take(uri.path(), &mut path).map_err(refused)?;
    let Some(index) = Route::find(state.routes, &path.segments) else {
        let Some(page) = state.pages.iter().position(|page| page.is_at(&path)) else {
            return Ok(Reply::unknown_path(uri.path()));
        };
        seen.route = Some(state.routes.len() + page);
        return Ok(state.pages[page].reply(&path, method, state));
    };
    seen.route = Some(index);
    let route = &state.routes[index];
    if method == Method::OPTIONS {
        return Ok(Reply::allowing(route.allowed()));
    }
    let Some(handler) = route.handler(method) else {
        if associations::is_to_come(route, method) {
            return Err(ApiError::not_found().into());
        }
        return Ok(Reply::method_not_allowed(route.allowed()));
    };
    let arguments = route.arguments(path.segments);

    let headers = request.headers();
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or("\u{fffd}"));
    let has_body = !is_reading(method);
    if has_body {
        media_type::check_content_type(text(header::CONTENT_TYPE)).map_err(|error| match error {
            BadContentType::Malformed => ApiError::bad_request("`Content-Type` is no media type"),
            BadContentType::Unsupported => ApiError::unsupported_media_type(media_type::TAKEN),
        })?;
    }
    seen.media_type = media_type::negotiate(media_type::list(headers, header::ACCEPT).as_deref())
        .ok_or_else(ApiError::not_acceptable)?;
    let body = if has_body {
        let length = text(header::CONTENT_LENGTH).and_then(|length| length.parse().ok());
        body::read(payload, text(header::CONTENT_ENCODING), length, state.body, &state.body_memory).await?
    } else {
        // Before the answer is looked for: the HTTP library ends the connection as soon as it finds a body broken, and
        // what is not answered at once then is never.
        seen.is_body_discarded = true;
        body::discard(payload, state.body).await?;
        Body::absent(&state.body_memory)
    };

    let query = Query(uri.query().unwrap_or(""));
    let call = Call {
        registry: &state.registry,
        arguments,
        names_within,
        query,
        body,
        json_nesting: state.body.nesting,
        page_items: state.page_items,
        next_page: Cell::new(None),
        only_read: Cell::new(false),
        rest: Cell::new(None),
        piece_timeout: state.request_timeout,
        is_draining: &state.is_draining,
    };
    let Some(answer) = deadline::within(state.request_timeout, handler(&call)).await else {
        return Err(HttpError::request_timeout());
    };
    seen.is_write &= !call.only_read.get();
    let link = call.next_page.take().map(|after| next_page::link(query, &after));
    Ok(Reply::done(answer?, call.rest.take()).followed_by(link))
}

fn is_reading(method: &Method) -> bool {
    *method == Method::GET || *method == Method::HEAD || *method == Method::OPTIONS
}
