//! The answer on the wire: status, headers, compression; and its line in the log.

use std::borrow::Cow;
use std::io::Write;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use actix_web::body::{BodyStream, BoxBody};
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::http::{ConnectionType, StatusCode, Version};
use actix_web::web::Bytes;
use actix_web::{HttpMessage as _, HttpRequest, HttpResponse};
use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::{StreamExt, TryStreamExt, future, stream};
use schema_core::error_code::{ApiError, ErrorCode};
use schema_core::wire::ErrorBody;

use crate::registry::RegistryError;

use super::error::{HttpError, Refusal, chain};
use super::long_list::Rest;
use super::media_type;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// A longer id of a client is replaced by one of ours.
const REQUEST_ID_BYTES_MAX: usize = 128;

/// Below this a body fits into one packet as it is.
const COMPRESSED_BYTES_MIN: usize = 1400;

/// A page takes nothing from elsewhere and runs no script but the server's own files.
const PAGE_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
    img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// From deeper paths nothing is linked: no route is as deep.
const LINKED_DEPTH_MAX: usize = 16;

/// An answer before it is put into HTTP.
pub(crate) struct Reply {
    status: u16,
    body: Bytes,
    /// What follows the body, which is its first piece then.
    rest: Option<Rest>,
    /// Of a page; JSON has the negotiated one.
    media_type: Option<&'static str>,
    allow: Option<String>,
    /// Where the list goes on, or where the API is described.
    link: Option<String>,
    location: Option<String>,
    retry_after: Option<Duration>,
}

impl Reply {
    /// What a handler gave: a 200 with a body, or a 204.
    pub(super) fn done(body: Bytes, rest: Option<Rest>) -> Self {
        let status = if body.is_empty() { 204 } else { 200 };
        Self { status, rest, ..Self::ok(body) }
    }

    /// 200 with a finished body.
    fn ok(body: Bytes) -> Self {
        Self {
            status: 200,
            body,
            rest: None,
            media_type: None,
            allow: None,
            link: None,
            location: None,
            retry_after: None,
        }
    }

    /// With a `Link` to where the list goes on.
    pub(super) fn followed_by(self, link: Option<String>) -> Self {
        Self { link, ..self }
    }

    /// 200 with the content of a page.
    pub(super) fn page(body: Bytes, media_type: &'static str) -> Self {
        Self { media_type: Some(media_type), ..Self::ok(body) }
    }

    /// 308: it stands elsewhere, as seen from the path that was asked for.
    pub(super) fn moved(location: String) -> Self {
        Self { status: 308, location: Some(location), ..Self::ok(Bytes::new()) }
    }

    /// The answer to OPTIONS; `allow` are the methods that would do.
    pub(super) fn allowing(allow: String) -> Self {
        Self { allow: Some(allow), ..Self::ok(Bytes::new()) }
    }

    /// 405, with the methods that would do.
    pub(super) fn method_not_allowed(allow: String) -> Self {
        Self { allow: Some(allow), ..Self::error(ApiError::method_not_allowed(), None) }
    }

    /// 404 for what no route and no page has, with where they stand.
    pub(super) fn unknown_path(path: &str) -> Self {
        Self { link: descriptions(path), ..Self::error(ApiError::not_found(), None) }
    }

    /// The HTTP status.
    pub(super) fn status(&self) -> u16 {
        self.status
    }

    /// Whether the client was too slow to be waited for any longer.
    pub(super) fn is_request_timeout(&self) -> bool {
        self.status == ErrorCode::RequestTimeout.status()
    }

    fn error(api: ApiError, retry_after: Option<Duration>) -> Self {
        let status = api.code.status();
        let body = serde_json::to_vec(&ErrorBody::from(api)).unwrap_or_default();
        Self { status, retry_after, ..Self::ok(body.into()) }
    }

    /// The HTTP response in the negotiated type.
    pub(super) fn into_response(self, request: &HttpRequest, media_type: &'static str) -> HttpResponse {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let is_in_pieces = self.rest.is_some();
        let (body, is_compressed) = match self.rest {
            Some(rest) => in_pieces(self.body, rest, request),
            None => {
                let (body, is_compressed) = compressed(self.body, request);
                (BoxBody::new(body), is_compressed)
            }
        };
        let mut response = HttpResponse::with_body(status, body);
        if is_in_pieces && request.version() < Version::HTTP_11 {
            // There the end of the connection is the end of the body.
            response.head_mut().no_chunking(true);
            response.head_mut().set_connection_type(ConnectionType::Close);
        }
        let headers = response.headers_mut();
        if status != StatusCode::NO_CONTENT {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(self.media_type.unwrap_or(media_type)));
        }
        headers.insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
        // A schema is text from anybody: no browser is to take it for anything else than the type says.
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert(REQUEST_ID, request_id(request));
        if status == StatusCode::UNSUPPORTED_MEDIA_TYPE {
            // What would be taken (RFC 9110, section 15.5.16); the message is Confluent's to the letter.
            headers.insert(header::ACCEPT, HeaderValue::from_static(media_type::TAKEN));
            headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("gzip, identity"));
        }
        if self.media_type.is_some() {
            headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(PAGE_POLICY));
        }
        if is_compressed {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        if let Some(allow) = self.allow.and_then(|allow| HeaderValue::try_from(allow).ok()) {
            headers.insert(header::ALLOW, allow);
        }
        if let Some(link) = self.link.and_then(|link| HeaderValue::try_from(link).ok()) {
            headers.insert(header::LINK, link);
        }
        if let Some(location) = self.location.and_then(|location| HeaderValue::try_from(location).ok()) {
            headers.insert(header::LOCATION, location);
        }
        if let Some(after) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(after.as_secs()));
        }
        response
    }
}

/// Where the API is described and shown (RFC 8631), for who asks for a path that there is not: the body is Confluent's
/// to the letter. As seen from that path: a proxy may have taken off what stands in front of it.
fn descriptions(path: &str) -> Option<String> {
    let depth = path.matches('/').count().saturating_sub(1);
    let root = (depth <= LINKED_DEPTH_MAX).then(|| "../".repeat(depth))?;
    Some(format!("<{root}openapi.json>; rel=\"service-desc\", <{root}docs>; rel=\"service-doc\""))
}

impl HttpError {
    /// The error's answer.
    pub(super) fn into_reply(self, incompatible: ErrorCode) -> Reply {
        let Refusal { api, retry_after } = self.into_refusal(incompatible);
        Reply::error(api, retry_after)
    }
}

/// A body whose length nobody knows yet. Where a piece fails the connection ends: the client sees that it is not whole.
fn in_pieces(first: Bytes, rest: Rest, request: &HttpRequest) -> (BoxBody, bool) {
    let path = loggable(request).into_owned();
    let rest = AssertUnwindSafe(rest).catch_unwind();
    let rest = rest.map(|piece| piece.unwrap_or_else(|panic| Err(HttpError::panicked(panic))));
    let pieces = stream::once(async { Ok(first) }).chain(rest).map_err(move |error| {
        let cause = match error {
            HttpError::Registry(error) => chain(&error),
            HttpError::Api(error) | HttpError::BrokenBody(error) => error.message,
            HttpError::Panicked(said) => panicked(&said),
        };
        tracing::warn!(http.path = %path, error = cause, "a long answer was cut off");
        std::io::Error::other(cause)
    });
    if !takes_gzip(request) {
        return (BoxBody::new(BodyStream::new(pieces)), false);
    }
    let mut encoder = Some(GzEncoder::new(Vec::new(), Compression::fast()));
    let ended = stream::once(async { Ok::<_, std::io::Error>(None) });
    let compressed = pieces.map_ok(Some).chain(ended).map(move |piece| {
        Ok::<Bytes, std::io::Error>(match (piece?, &mut encoder) {
            (Some(piece), Some(encoder)) => {
                encoder.write_all(&piece)?;
                std::mem::take(encoder.get_mut()).into()
            }
            (None, encoder) => encoder.take().map_or_else(|| Ok(Vec::new()), GzEncoder::finish)?.into(),
            (Some(_), None) => Bytes::new(),
        })
    });
    (BoxBody::new(BodyStream::new(compressed.try_filter(|piece| future::ready(!piece.is_empty())))), true)
}

fn compressed(body: Bytes, request: &HttpRequest) -> (Bytes, bool) {
    if body.len() < COMPRESSED_BYTES_MIN || !takes_gzip(request) {
        return (body, false);
    }
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 4), Compression::fast());
    match encoder.write_all(&body).and_then(|()| encoder.finish()) {
        Ok(small) => (small.into(), true),
        Err(_) => (body, false),
    }
}

fn takes_gzip(request: &HttpRequest) -> bool {
    let accepted = media_type::list(request.headers(), header::ACCEPT_ENCODING);
    accepted.as_deref().is_some_and(media_type::takes_gzip)
}

/// What a request was called in the log.
struct LoggedId(HeaderValue);

/// The id that the log has, the client's, so that one request can be followed through both logs, or a new one.
fn request_id(request: &HttpRequest) -> HeaderValue {
    if let Some(LoggedId(id)) = request.extensions().get() {
        return id.clone();
    }
    let own = request.headers().get(REQUEST_ID);
    let own = own.filter(|id| id.len() <= REQUEST_ID_BYTES_MAX && !id.is_empty() && id.to_str().is_ok());
    own.cloned().unwrap_or_else(|| {
        // An id to tell requests apart needs no unpredictable randomness, which would cost a system call.
        let id = uuid::Builder::from_random_bytes(fastrand::u128(..).to_le_bytes()).into_uuid();
        let mut text = [0; uuid::fmt::Hyphenated::LENGTH];
        HeaderValue::from_str(id.hyphenated().encode_lower(&mut text)).unwrap_or(HeaderValue::from_static("-"))
    })
}

/// Logs an error that somebody must know of, once, with its causes; the client does not see them.
pub(super) fn log_failure(error: HttpError, request: &HttpRequest) -> HttpError {
    match &error {
        HttpError::Registry(cause @ (RegistryError::Unavailable(_) | RegistryError::Crowded { .. })) => {
            tracing::warn!(
                http.method = %request.method(), http.path = %loggable(request),
                http.request_id = logged_id(request), error = chain(cause), "request turned away"
            );
        }
        HttpError::Registry(
            cause @ (RegistryError::Store(_)
            | RegistryError::Corrupt { .. }
            | RegistryError::CorruptConfig { .. }
            | RegistryError::Aborted { .. }),
        ) => log_failed(request, &chain(cause)),
        HttpError::Panicked(said) => log_failed(request, &panicked(said)),
        HttpError::Api(_) | HttpError::BrokenBody(_) | HttpError::Registry(_) => {}
    }
    error
}

fn log_failed(request: &HttpRequest, cause: &str) {
    tracing::error!(
        http.method = %request.method(), http.path = %loggable(request), http.request_id = logged_id(request),
        error = cause, "request failed"
    );
}

/// What the log has of a panic; where it was has been printed there.
fn panicked(said: &str) -> String {
    format!("a handler panicked, which is a bug: {said}")
}

/// The id of a request for the log; its answer will have the same.
fn logged_id(request: &HttpRequest) -> String {
    let id = request_id(request);
    let text = String::from_utf8_lossy(id.as_bytes()).into_owned();
    request.extensions_mut().insert(LoggedId(id));
    text
}

/// One line per request: writes at `info`, reads at `debug`, also those that have a body (lookups, checks, registers of
/// what is there).
pub(super) fn log_access(request: &HttpRequest, reply: &Reply, is_write: bool, elapsed: Duration) {
    let elapsed_ms = elapsed.as_secs_f64() * 1000.0;
    let (method, path, status) = (request.method(), loggable(request), reply.status);
    if !is_write {
        tracing::debug!(
            http.method = %method, http.path = %path, http.status = status, elapsed_ms,
            "{method} {path} {status}"
        );
    } else {
        tracing::info!(
            http.method = %method, http.path = %path, http.status = status, elapsed_ms,
            "{method} {path} {status}"
        );
    }
}

/// The raw path, bounded; what is escaped in the URL stays escaped.
fn loggable(request: &HttpRequest) -> Cow<'_, str> {
    const PATH_BYTES_MAX: usize = 512;
    let path = request.uri().path();
    match path.get(..path.floor_char_boundary(PATH_BYTES_MAX)) {
        Some(start) if start.len() < path.len() => Cow::Owned(format!("{start}…")),
        _ => Cow::Borrowed(path),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::net::{TcpListener, TcpStream};
    use std::sync::Arc;

    use actix_web::test::TestRequest;
    use actix_web::{App, HttpServer, web};
    use flate2::read::GzDecoder;
    use tokio::sync::Notify;

    use super::*;

    const DEADLINE: Duration = Duration::from_secs(30);

    const FIRST: &[u8] = b"[1";
    const LAST: &[u8] = b",2]";

    /// How an answer in pieces ends, once the client has some of it.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    enum End {
        Whole,
        CutOff,
    }

    /// What a client gets until the connection ends, behind the head.
    fn received(end: End, accepted: &'static str) -> Vec<u8> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let has_some = Arc::new(Notify::new());
        let seen = Arc::clone(&has_some);
        let service = move |request: HttpRequest| {
            let has_some = Arc::clone(&has_some);
            let last = stream::once(async move {
                has_some.notified().await;
                match end {
                    End::Whole => Ok(Bytes::from_static(LAST)),
                    End::CutOff => Err(HttpError::request_timeout()),
                }
            });
            let reply = Reply::done(Bytes::from_static(FIRST), Some(Box::pin(last)));
            future::ready(reply.into_response(&request, "application/json"))
        };
        let client = move || {
            let mut stream = TcpStream::connect(address).unwrap();
            stream.set_read_timeout(Some(DEADLINE)).unwrap();
            let head = format!("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAccept-Encoding: {accepted}\r\n\r\n");
            stream.write_all(head.as_bytes()).unwrap();
            let (mut answer, mut piece) = (Vec::new(), [0; 1024]);
            loop {
                match stream.read(&mut piece).unwrap() {
                    0 => break answer,
                    count => answer.extend_from_slice(&piece[..count]),
                }
                seen.notify_one();
            }
        };

        let answer = actix_web::rt::System::new().block_on(async move {
            let app = move || App::new().default_service(web::to(service.clone()));
            let server = HttpServer::new(app).workers(1).disable_signals().listen(listener).unwrap().run();
            let handle = server.handle();
            let asking = async {
                let answer = tokio::task::spawn_blocking(client).await.unwrap();
                handle.stop(false).await;
                answer
            };
            let (answer, served) = future::join(asking, server).await;
            served.unwrap();
            answer
        });
        let head_end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap() + 4;
        let head = String::from_utf8_lossy(&answer[..head_end]).to_lowercase();
        assert!(head.starts_with("http/1.1 200") && head.contains("transfer-encoding: chunked"), "{head}");
        assert_eq!(head.contains("content-encoding: gzip"), accepted == "gzip", "{head}");
        answer[head_end..].to_owned()
    }

    /// The chunks of a body, and whether there is a last one (RFC 9112, section 7.1).
    fn chunks(mut body: &[u8]) -> (Vec<u8>, bool) {
        let mut content = Vec::new();
        while let Some(line_end) = body.windows(2).position(|bytes| bytes == b"\r\n") {
            let size = usize::from_str_radix(std::str::from_utf8(&body[..line_end]).unwrap(), 16).unwrap();
            if size == 0 {
                return (content, true);
            }
            content.extend_from_slice(&body[line_end + 2..][..size]);
            body = &body[line_end + 2 + size + 2..];
        }
        (content, false)
    }

    #[tokio::test]
    async fn a_piece_that_panics_ends_its_answer_and_nothing_else() {
        let pieces = stream::once(future::ready(Ok(Bytes::from_static(LAST))));
        let panics = stream::once(future::lazy(|_| panic!("a bug")));
        let request = TestRequest::get().to_http_request();

        let (body, _) = in_pieces(Bytes::from_static(FIRST), Box::pin(pieces.chain(panics)), &request);

        let told = actix_web::body::to_bytes(body).await.unwrap_err();
        assert_eq!(told.to_string(), "a handler panicked, which is a bug: a bug");
    }

    #[test]
    fn an_answer_in_pieces_ends_as_http_says_only_if_it_is_whole() {
        for (end, content) in [(End::Whole, &b"[1,2]"[..]), (End::CutOff, FIRST)] {
            assert_eq!(chunks(&received(end, "identity")), (content.to_owned(), end == End::Whole), "{end:?}");

            let (packed, has_last) = chunks(&received(end, "gzip"));
            let mut text = Vec::new();
            let unpacked = GzDecoder::new(&packed[..]).read_to_end(&mut text);
            assert_eq!((has_last, unpacked.is_ok()), (end == End::Whole, end == End::Whole), "{end:?}");
            assert!(end == End::CutOff || text == content);
        }
    }
}
