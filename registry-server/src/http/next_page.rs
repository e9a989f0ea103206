//! The `Link` to the page after this one (RFC 8288), so that no list ends without saying that it goes on.

use std::borrow::Cow;

use schema_core::Version;
use schema_core::error_code::ApiError;

use crate::registry::{Subject, SubjectKey, qualified};

use super::error::HttpError;
use super::params::{Query, decoded};

/// The parameter that says behind what the answer begins.
const AFTER: &str = "after";

/// `<?QUERY&after=VERSION:SUBJECT>; rel="next"`: the same question, answered from behind a version on. An offset would
/// be counted from the start for each page. As seen from the path that was asked for, which the client knows: a proxy
/// may have taken off what stands in front of it. No client of Confluent's looks for a link: its server has none.
pub(super) fn link(query: Query<'_>, (subject, version): &(SubjectKey, Version)) -> String {
    let mut query: Vec<&str> = query.0.split('&').filter(|part| !part.is_empty()).collect();
    let name = |part: &str| decoded(part.split('=').next().unwrap_or_default()).map(Cow::into_owned);
    query.retain(|part| !name(part).is_ok_and(|name| name == "offset" || name == AFTER));
    let after = format!("{AFTER}={}", encoded(&format!("{version}:{}", qualified(subject))));
    query.push(&after);
    format!("<?{}>; rel=\"next\"", query.join("&"))
}

/// The version that a question begins behind.
///
/// # Errors
/// 400 for what no link has.
pub(super) fn after(query: Query<'_>) -> Result<Option<(SubjectKey, Version)>, HttpError> {
    let Some(text) = query.name(AFTER)?.filter(|text| !text.is_empty()) else { return Ok(None) };
    let place = text.split_once(':').and_then(|(version, subject)| Some((version.parse().ok()?, subject)));
    let Some((version, subject)) = place else {
        return Err(ApiError::bad_request("`after` is not from a link: expected `VERSION:SUBJECT`").into());
    };
    Ok(Some((Subject::parse(subject).key().clone(), Version(version))))
}

/// A text with escapes for all that could mean something in a query.
fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => encoded.push(char::from(byte)),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(subject: &str, version: u32) -> (SubjectKey, Version) {
        (Subject::parse(subject).key().clone(), Version(version))
    }

    #[test]
    fn the_place_is_replaced_and_the_rest_of_the_question_stays() {
        let cases = [
            ("", "<?after=7%3As>; rel=\"next\""),
            ("offset=3&subjectPrefix=a%2F", "<?subjectPrefix=a%2F&after=7%3As>; rel=\"next\""),
            ("%6Fffset=3&limit=1&after=6%3Aa", "<?limit=1&after=7%3As>; rel=\"next\""),
        ];

        for (asked, expected) in cases {
            assert_eq!(link(Query(asked), &place("s", 7)), expected);
        }
    }

    #[test]
    fn a_link_leads_to_its_place_whatever_the_name_is() {
        for subject in ["s", ":.c:a:b", "a&b=c d+e%/?#", "\u{e9}\u{10000}\"\\", ""] {
            let linked = link(Query(""), &place(subject, 12));
            let query = linked.strip_prefix("<?").and_then(|rest| rest.split_once('>')).expect("a link").0;

            assert_eq!(after(Query(query)).expect(query), Some(place(subject, 12)), "{query}");
        }
        assert_eq!(after(Query("after=")).expect("nothing"), None);
        for odd in ["after=x", "after=x:s", "after=-1:s", "after=4294967296:s"] {
            assert!(after(Query(odd)).is_err(), "{odd}");
        }
    }
}
