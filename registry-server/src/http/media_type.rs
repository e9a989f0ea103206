//! Content types: which one an answer has (`Accept`), and which ones a body may have (`Content-Type`).

use std::borrow::Cow;

use actix_web::http::header::{HeaderMap, HeaderName};

/// The type of answers when the client does not mind.
pub(super) const V1: &str = "application/vnd.schemaregistry.v1+json";

/// What can be answered, the preferred one first.
pub(super) const OFFERED: [&str; 3] = [V1, "application/vnd.schemaregistry+json", "application/json"];

/// The type of a body that does not say what it is.
const BYTES: &str = "application/octet-stream";

/// What Java, Python and Go clients send: all three in our own order.
const ALL_OFFERED: &str =
    "application/vnd.schemaregistry.v1+json, application/vnd.schemaregistry+json, application/json";

/// The types that a body may have, as `Accept` says it.
pub(super) const TAKEN: &str = "application/vnd.schemaregistry.v1+json, application/vnd.schemaregistry+json, \
                                application/json, application/octet-stream";

/// A body's type that is not taken.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum BadContentType {
    /// The header is no media type.
    Malformed,
    /// A media type of something else.
    Unsupported,
}

/// A list in a header, whose lines are one list (RFC 9110, 5.3); a line that is no text counts as nothing that we know.
pub(super) fn list(headers: &HeaderMap, name: HeaderName) -> Option<Cow<'_, str>> {
    let mut lines = headers.get_all(name).map(|line| line.to_str().unwrap_or("\u{fffd}"));
    let first = lines.next()?;
    Some(lines.fold(Cow::Borrowed(first), |list, line| list + ", " + line))
}

/// The type of the answer, or `None` when the client takes none of ours.
///
/// Of the offered types the one with the client's highest weight wins, of equal ones ours.
pub(super) fn negotiate(accept: Option<&str>) -> Option<&'static str> {
    let accept = match accept.map(str::trim) {
        None | Some("" | "*/*" | V1 | ALL_OFFERED) => return Some(V1),
        Some(accept) => accept,
    };
    let ranges: Vec<Range<'_>> = accept.split(',').filter_map(Range::parse).collect();
    let mut best: Option<(u16, &'static str)> = None;
    for offered in OFFERED {
        let weight = ranges.iter().filter(|range| range.covers(offered)).max_by_key(|range| range.precision());
        let weight = weight.map_or(0, |range| range.weight_thousandths);
        if weight > best.map_or(0, |(weight, _)| weight) {
            best = Some((weight, offered));
        }
    }
    best.map(|(_, offered)| offered)
}

/// One element of `Accept`.
struct Range<'a> {
    kind: &'a str,
    subtype: &'a str,
    weight_thousandths: u16,
}

impl<'a> Range<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.split(';');
        let name = parts.next()?.trim();
        // As Jersey reads it: old clients of Java send `*`.
        let (kind, subtype) = name.split_once('/').unwrap_or((name, "*"));
        let weight = parts.find_map(|part| part.trim().strip_prefix("q="));
        let weight = weight.map_or(1.0, |weight| weight.trim().parse::<f32>().unwrap_or(0.0)).clamp(0.0, 1.0);
        let weight_thousandths = (weight * 1000.0) as u16;
        Some(Self { kind, subtype, weight_thousandths })
    }

    fn covers(&self, offered: &str) -> bool {
        let (kind, subtype) = offered.split_once('/').unwrap_or((offered, ""));
        (self.kind == "*" || self.kind.eq_ignore_ascii_case(kind))
            && (self.subtype == "*" || self.subtype.eq_ignore_ascii_case(subtype))
    }

    /// `application/json` counts before `application/*`, which counts before `*/*`.
    fn precision(&self) -> u8 {
        u8::from(self.kind != "*") + u8::from(self.subtype != "*")
    }
}

/// Whether a body of this type is read as JSON. No header at all is fine; parameters do not matter.
pub(super) fn check_content_type(header: Option<&str>) -> Result<(), BadContentType> {
    let Some(header) = header else { return Ok(()) };
    let essence = header.split(';').next().unwrap_or("").trim();
    let Some((kind, subtype)) = essence.split_once('/') else { return Err(BadContentType::Malformed) };
    if !is_token(kind) || !is_token(subtype) {
        return Err(BadContentType::Malformed);
    }
    let is_taken =
        OFFERED.iter().any(|offered| offered.eq_ignore_ascii_case(essence)) || essence.eq_ignore_ascii_case(BYTES);
    if is_taken { Ok(()) } else { Err(BadContentType::Unsupported) }
}

/// Whether `Accept-Encoding` names gzip and does not forbid it.
pub(super) fn takes_gzip(accept_encoding: &str) -> bool {
    accept_encoding.split(',').any(|element| {
        let mut parts = element.split(';').map(str::trim);
        let is_gzip = parts.next().is_some_and(|coding| coding == "*" || coding.eq_ignore_ascii_case("gzip"));
        let weight = parts.find_map(|part| part.strip_prefix("q=")).map_or(1.0, |q| q.parse::<f32>().unwrap_or(0.0));
        is_gzip && weight > 0.0
    })
}

fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_to_be_taken_is_taken_and_nothing_else() {
        let taken: Vec<&str> = TAKEN.split(", ").collect();

        assert_eq!(taken, [OFFERED.as_slice(), &[BYTES]].concat());
        assert!(taken.iter().all(|kind| check_content_type(Some(kind)).is_ok()));
    }

    #[test]
    fn the_answer_has_the_best_of_the_three_types() {
        let plain = "application/vnd.schemaregistry+json";
        let json = "application/json";
        let cases = [
            (None, Some(V1)),
            (Some(""), Some(V1)),
            (Some("*/*"), Some(V1)),
            (Some("application/*"), Some(V1)),
            (Some(ALL_OFFERED), Some(V1)),
            (Some(json), Some(json)),
            (Some("Application/JSON"), Some(json)),
            (Some("application/json;q=0.1, application/vnd.schemaregistry+json;q=0.9"), Some(plain)),
            (Some("text/html, */*;q=0.1"), Some(V1)),
            (Some("application/json, */*;q=0.1"), Some(json)),
            (Some("application/vnd.schemaregistry.v1+json;q=0, */*"), Some(plain)),
            (Some("text/html"), None),
            (Some("application/xml"), None),
            (Some("application/vnd.schemaregistry.v2+json"), None),
            (Some("bogus"), None),
            (Some("application"), Some(V1)),
            (Some("text/html, image/gif, image/jpeg, *; q=.2"), Some(V1)),
            (Some("application/octet-stream"), None),
        ];

        for (accept, expected) in cases {
            assert_eq!(negotiate(accept), expected, "{accept:?}");
        }
    }

    #[test]
    fn gzip_is_used_where_it_is_asked_for() {
        for (header, expected) in [
            ("gzip, deflate", true),
            ("GZIP;q=0.5", true),
            ("*", true),
            ("gzip;q=0", false),
            ("br", false),
            ("", false),
        ] {
            assert_eq!(takes_gzip(header), expected, "{header}");
        }
    }

    #[test]
    fn bodies_come_as_json_or_without_a_name() {
        let cases = [
            (None, Ok(())),
            (Some("application/json; charset=utf-16"), Ok(())),
            (Some("APPLICATION/JSON"), Ok(())),
            (Some("application/octet-stream"), Ok(())),
            (Some(V1), Ok(())),
            (Some("application/x-www-form-urlencoded"), Err(BadContentType::Unsupported)),
            (Some("text/plain"), Err(BadContentType::Unsupported)),
            (Some("*/*"), Err(BadContentType::Unsupported)),
            (Some("bogus"), Err(BadContentType::Malformed)),
            (Some(""), Err(BadContentType::Malformed)),
        ];

        for (header, expected) in cases {
            assert_eq!(check_content_type(header), expected, "{header:?}");
        }
    }
}
