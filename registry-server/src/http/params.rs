//! Path segments and query parameters as values.
//!
//! Parameters follow the Java server's conversions: of a repeated name the first counts, booleans are
//! `true` in any case or else false, a number that is none is a 404.

use std::borrow::Cow;

use schema_core::Version;
use schema_core::error_code::ApiError;
use schema_core::wire::trimmed;

use crate::registry::{DeleteMode, Deleted, Inherit, Selector};

use super::error::HttpError;
use super::path::{Plus, decode};

/// The query of a request, decoded when asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Query<'a>(pub(super) &'a str);

impl<'a> Query<'a> {
    /// The first value of a name; `None` when the name is not there.
    pub(super) fn text(self, name: &str) -> Result<Option<Cow<'a, str>>, HttpError> {
        for pair in self.0.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            if decoded(key)? == name {
                return decoded(value).map(Some);
            }
        }
        Ok(None)
    }

    /// The first value of a name, as something to look for among the names of subjects and contexts. None of these has
    /// a control character, and PostgreSQL refuses U+0000 even in a question: another one stands for it, and finds as
    /// little.
    pub(super) fn name(self, name: &str) -> Result<Option<Cow<'a, str>>, HttpError> {
        let text = self.text(name)?;
        Ok(text.map(|text| if text.contains('\0') { Cow::Owned(text.replace('\0', "\u{1}")) } else { text }))
    }

    /// Every value of a name, in order.
    pub(super) fn texts(self, name: &str) -> Result<Vec<Cow<'a, str>>, HttpError> {
        let mut texts = Vec::new();
        for pair in self.0.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            if decoded(key)? == name {
                texts.push(decoded(value)?);
            }
        }
        Ok(texts)
    }

    /// Whether a name is set to true.
    pub(super) fn flag(self, name: &str) -> Result<bool, HttpError> {
        Ok(self.text(name)?.is_some_and(|value| value.eq_ignore_ascii_case("true")))
    }

    /// A number; an empty one counts as absent.
    pub(super) fn number(self, name: &str) -> Result<Option<i32>, HttpError> {
        match self.text(name)? {
            None => Ok(None),
            Some(text) if text.is_empty() => Ok(None),
            Some(text) => text.parse().map(Some).map_err(|_| ApiError::not_found().into()),
        }
    }

    /// `deleted`.
    pub(super) fn deleted(self) -> Result<Deleted, HttpError> {
        Ok(if self.flag("deleted")? { Deleted::Include } else { Deleted::Hide })
    }

    /// Of a list that can show soft-deleted things alone: `deletedOnly`, else `deleted`.
    pub(super) fn deleted_in_list(self) -> Result<Deleted, HttpError> {
        let deleted = self.deleted()?;
        Ok(if self.flag("deletedOnly")? { Deleted::Only } else { deleted })
    }

    /// `permanent`.
    pub(super) fn delete_mode(self) -> Result<DeleteMode, HttpError> {
        Ok(if self.flag("permanent")? { DeleteMode::Permanent } else { DeleteMode::Soft })
    }

    /// `defaultToGlobal`.
    pub(super) fn inherit(self) -> Result<Inherit, HttpError> {
        Ok(if self.flag("defaultToGlobal")? { Inherit::Yes } else { Inherit::No })
    }

    /// `offset` and `limit`.
    pub(super) fn page(self) -> Result<Pagination, HttpError> {
        let offset = self.number("offset")?.unwrap_or(0);
        let limit = self.number("limit")?.unwrap_or(-1);
        let Ok(skip) = usize::try_from(offset) else {
            return Err(ApiError::bad_request("`offset` is negative: expected 0 or more").into());
        };
        Ok(Pagination { skip, take: usize::try_from(limit).ok().filter(|&take| take > 0) })
    }
}

/// A name or a value without its escapes.
pub(super) fn decoded(raw: &str) -> Result<Cow<'_, str>, HttpError> {
    if !raw.contains(['%', '+']) {
        return Ok(Cow::Borrowed(raw));
    }
    match decode(raw, Plus::Space) {
        Ok(text) => Ok(Cow::Owned(text)),
        Err(error) => Err(ApiError::bad_request(error.0).into()),
    }
}

/// A part of a list.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pagination {
    skip: usize,
    /// `None` is everything.
    take: Option<usize>,
}

impl Pagination {
    /// How many items come before it.
    pub(super) fn skip(self) -> usize {
        self.skip
    }

    /// How many items it has at most.
    pub(super) fn take(self) -> usize {
        self.take.unwrap_or(usize::MAX)
    }

    /// The part of `items` that was asked for.
    pub(super) fn of<T>(self, items: impl IntoIterator<Item = T>) -> Vec<T> {
        items.into_iter().skip(self.skip).take(self.take.unwrap_or(usize::MAX)).collect()
    }
}

/// A schema id; numbers below 1 are ids that nothing has.
pub(super) fn id(text: &str) -> Result<i32, HttpError> {
    text.parse().map_err(|_| ApiError::not_found().into())
}

/// `latest`, `-1` or a number from 1 to 2^31-1, blanks around it allowed.
pub(super) fn version(text: &str) -> Result<Selector, HttpError> {
    let trimmed = trimmed(text);
    if trimmed.eq_ignore_ascii_case("latest") {
        return Ok(Selector::Latest);
    }
    match trimmed.parse::<i32>() {
        Ok(-1) => Ok(Selector::Latest),
        Ok(number) if number > 0 => Ok(Selector::Number(Version(number.unsigned_abs()))),
        _ => Err(ApiError::invalid_version(text).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_read_as_the_java_server_reads_it() {
        let query = Query("deleted=TRUE&deleted=false&limit=&offset=%2B3&x=%C3%A9&a+b&limit=9");

        assert!(query.flag("deleted").unwrap());
        assert!(!query.flag("Deleted").unwrap());
        assert!(!Query("deleted=true%20").flag("deleted").unwrap());
        assert_eq!(query.number("limit").unwrap(), None);
        assert_eq!(query.number("offset").unwrap(), Some(3));
        assert_eq!(query.text("x").unwrap().as_deref(), Some("é"));
        assert_eq!(query.text("a b").unwrap().as_deref(), Some(""));
        for odd in ["abc", "1.5", "2147483648"] {
            assert!(Query(&format!("limit={odd}")).number("limit").is_err(), "{odd}");
        }
        assert!(Query("x=%zz").text("x").is_err());
        assert!(Query("offset=-1").page().is_err());
    }

    #[test]
    fn no_name_that_is_looked_for_has_a_character_that_a_database_refuses() {
        let query = Query("subject=a%00b&prefix=a");

        assert_eq!(query.name("subject").unwrap().as_deref(), Some("a\u{1}b"));
        assert_eq!(query.name("prefix").unwrap().as_deref(), Some("a"));
        assert_eq!(query.name("other").unwrap(), None);
    }

    #[test]
    fn versions_are_numbers_from_one_or_latest() {
        for (text, expected) in [
            ("latest", Selector::Latest),
            (" LATEST", Selector::Latest),
            ("-1", Selector::Latest),
            (" 1", Selector::Number(Version(1))),
            ("+01", Selector::Number(Version(1))),
            ("\u{1}1\t", Selector::Number(Version(1))),
            ("2147483647", Selector::Number(Version(2_147_483_647))),
        ] {
            assert_eq!(version(text).unwrap(), expected, "{text}");
        }
        for text in ["0", "-2", "abc", "", "2147483648", "1.0", "null", "\u{2003}1"] {
            assert!(version(text).is_err(), "{text}");
        }
    }
}
