//! The `Link` to the page after this one (RFC 8288), so that no list ends without saying that it goes on.

use actix_web::http::Uri;

use super::params::decoded;

/// `<PATH?QUERY&offset=N>; rel="next"`: the same question from another offset.
pub(super) fn link(uri: &Uri, offset: usize) -> String {
    let mut query: Vec<&str> = uri.query().unwrap_or("").split('&').filter(|part| !part.is_empty()).collect();
    let is_offset = |part: &str| decoded(part.split('=').next().unwrap_or_default()).is_ok_and(|name| name == "offset");
    query.retain(|part| !is_offset(part));
    let offset = format!("offset={offset}");
    query.push(&offset);
    format!("<{}?{}>; rel=\"next\"", uri.path(), query.join("&"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_offset_is_replaced_and_the_rest_of_the_question_stays() {
        let cases = [
            ("/schemas", "</schemas?offset=7>; rel=\"next\""),
            ("/schemas?offset=3&subjectPrefix=a%2F", "</schemas?subjectPrefix=a%2F&offset=7>; rel=\"next\""),
            ("/schemas?%6Fffset=3&limit=1", "</schemas?limit=1&offset=7>; rel=\"next\""),
            ("/contexts/.c/schemas?limit=2", "</contexts/.c/schemas?limit=2&offset=7>; rel=\"next\""),
        ];

        for (asked, expected) in cases {
            assert_eq!(link(&asked.parse().expect(asked), 7), expected);
        }
    }
}
