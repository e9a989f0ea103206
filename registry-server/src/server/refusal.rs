//! What a client is told of whose request no handler hears: there is no place for it, its head does not end, or the
//! HTTP library cannot read what it sends. The library says so with an empty body; ours takes its place.

use actix_web::http::StatusCode;
use actix_web::http::header::Date;
use schema_core::error_code::ApiError;
use schema_core::wire::ErrorBody;

use crate::http::RETRY_AFTER;
use crate::metrics::{Refusals, Unheard};

/// Counts and logs a client that is refused.
pub(super) fn note_refused(refusals: &Refusals, reason: Unheard) {
    refusals.note(reason);
    tracing::debug!(http.refusal = reason.name(), "a client was refused whose request nobody reads");
}

/// The last answer of a connection.
pub(super) fn refusal(reason: Unheard) -> Vec<u8> {
    let error = match reason {
        Unheard::NoHttp => no_http(),
        Unheard::HeadTooLarge => ApiError::head_too_large(),
        Unheard::HeadTimeout => ApiError::request_timeout(),
        Unheard::NoPlace => ApiError::unavailable("all connections are taken (setting `limits.connections`)"),
    };
    let retry_after = match reason {
        Unheard::NoPlace => format!("retry-after: {}\r\n", RETRY_AFTER.as_secs()),
        Unheard::NoHttp | Unheard::HeadTooLarge | Unheard::HeadTimeout => String::new(),
    };
    let status = StatusCode::from_u16(error.code.status()).unwrap_or(StatusCode::BAD_REQUEST);
    let body = serde_json::to_vec(&ErrorBody::from(error)).unwrap_or_default();
    let head = format!(
        "HTTP/1.1 {status}\r\n\
         content-type: application/vnd.schemaregistry.v1+json\r\n\
         x-content-type-options: nosniff\r\n\
         connection: close\r\n\
         {retry_after}\
         content-length: {}\r\n\
         date: {}\r\n\r\n",
        body.len(),
        Date::now()
    );
    [head.into_bytes(), body].concat()
}

/// How the library's refusals begin behind the version. No other answer is 400 or 431 and empty.
const NO_HTTP: &[u8] = b" 400 Bad Request\r\ncontent-length: 0\r\n";
const HEAD_TOO_LARGE: &[u8] = b" 431 Request Header Fields Too Large\r\ncontent-length: 0\r\n";

/// How any answer begins: with that of the last request that could be read.
const VERSION_BYTES: usize = "HTTP/1.1".len();

/// How a head ends.
const END: &[u8] = b"\r\n\r\n";

/// A refusal of the library has two more headers at most, `connection` and `date`.
const MORE_BYTES_MAX: usize = 64;

/// Where in what the library sends, its last answer is a refusal: where that begins, and what it is for.
pub(super) fn of_library(sent: &[u8]) -> Option<(usize, Unheard)> {
    if !sent.ends_with(END) {
        return None;
    }
    let refusals = [(NO_HTTP, Unheard::NoHttp), (HEAD_TOO_LARGE, Unheard::HeadTooLarge)];
    refusals.into_iter().find_map(|(begin, reason)| {
        let first = sent.len().saturating_sub(begin.len() + MORE_BYTES_MAX + END.len());
        let at = first + sent[first..].windows(begin.len()).rposition(|bytes| bytes == begin)?;
        let more = &sent[at + begin.len() - END.len() / 2..sent.len() - END.len()];
        if more.windows(END.len()).any(|bytes| bytes == END) {
            // What ends there is the head of another answer.
            return None;
        }
        Some((at.checked_sub(VERSION_BYTES)?, reason))
    })
}

fn no_http() -> ApiError {
    ApiError::bad_request(
        "the request is no HTTP that can be read: look at its first line, at its headers, and at what tells the length \
         of its body",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const BAD: &str = "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n";
    const DATE: &str = "date: Sun, 06 Nov 1994 08:49:37 GMT\r\n";

    #[test]
    fn a_refusal_of_the_library_is_found_at_the_end_and_no_other_answer_is_taken_for_one() {
        let other = format!("HTTP/1.1 404 Not Found\r\ncontent-length: 2\r\n{DATE}\r\n{{}}");
        let too_large = BAD.replace("400 Bad Request", "431 Request Header Fields Too Large");
        for (sent, expected) in [
            (format!("{BAD}{DATE}\r\n"), Some((0, Unheard::NoHttp))),
            (format!("{BAD}connection: close\r\n{DATE}\r\n"), Some((0, Unheard::NoHttp))),
            (format!("{}connection: keep-alive\r\n{DATE}\r\n", BAD.replace("1.1", "1.0")), Some((0, Unheard::NoHttp))),
            (format!("{too_large}connection: close\r\n{DATE}\r\n"), Some((0, Unheard::HeadTooLarge))),
            (format!("{other}{BAD}{DATE}\r\n"), Some((other.len(), Unheard::NoHttp))),
            (format!("{BAD}{DATE}\r\n{other}"), None),
            (format!("{BAD}\r\nHTTP/1.1 204 No Content\r\n{DATE}\r\n"), None),
            (format!("HTTP/1.1 400 Bad Request\r\ncontent-length: 2\r\n{DATE}\r\n"), None),
            (BAD.to_owned(), None),
            ("\r\n\r\n".to_owned(), None),
            (String::new(), None),
        ] {
            assert_eq!(of_library(sent.as_bytes()), expected, "{sent}");
        }
    }
}
