//! `/contexts/{context}` in front of any other path: clients put it into their base URL, so that all they do happens
//! in one context.
//!
//! A prefix becomes part of the names behind it: `/contexts/.team/subjects/orders` is `/subjects/:.team:orders`,
//! `/contexts/.team/config` is `/config/:.team:`, and a list or an id is asked for in `:.team:`. A name that is
//! qualified already stays as it is.

use std::borrow::Cow;

use super::path::{self, BadPath, Path};

/// First segment of a prefix.
const CONTEXTS: &str = "contexts";

/// The segment before a subject.
const SUBJECTS: &str = "subjects";

/// Settings: bare they are those of everything, with a segment behind those of a subject.
const SETTINGS: [&str; 2] = ["config", "mode"];

/// What stands before the names of every context.
const WILDCARD: &str = ":*:";

/// Takes the prefix off a path and puts it into the names behind it. Answers the prefix of names, `:.team:`.
///
/// # Errors
/// [`BadPath`] for a context with a colon inside.
pub(super) fn take<'a>(raw: &'a str, path: &mut Path<'a>) -> Result<Option<String>, BadPath> {
    if path.segments.len() < 2 || path.segments[0] != CONTEXTS {
        return Ok(None);
    }
    let context = context_of(written(raw, 1))?;
    if path.segments.len() == 2 {
        name_context(&mut path.segments, written(raw, 1), context);
        return Ok(None);
    }
    let prefix = format!(":{context}:");
    path.segments.drain(..2);
    if path.segments.len() == 2 && path.segments[0] == CONTEXTS {
        // A context stands in no other.
        name_context(&mut path.segments, written(raw, 3), context_of(written(raw, 3))?);
    } else {
        put_into(&mut path.segments, &prefix);
    }
    Ok(Some(prefix))
}

/// A segment as the client wrote it, without matrix parameters: escaped colons and dots belong to the name.
fn written(raw: &str, index: usize) -> &str {
    let segment = raw.trim_start_matches('/').split('/').nth(index).unwrap_or_default();
    segment.split(';').next().unwrap_or(segment)
}

/// Puts its name into the path of a bare context, `/contexts/team`.
///
/// It is a resource of its own, but the default one cannot be deleted: it is what is left when its name is taken away,
/// the root or the list of contexts.
fn name_context(segments: &mut Vec<Cow<'_, str>>, written: &str, context: String) {
    match written {
        "." => segments.clear(),
        ":.:" => segments.truncate(1),
        _ => segments[1] = Cow::Owned(context),
    }
}

/// Whether a path ends where a name would come next: `/config/`, also behind a prefix.
pub(super) fn names_nothing(path: &Path<'_>) -> bool {
    let last = match &path.segments[..] {
        [last] => last,
        [first, _, last] if first == CONTEXTS => last,
        _ => return false,
    };
    last == SUBJECTS || SETTINGS.contains(&last.as_ref())
}

/// `team`, `.team`, `:.team:` to `.team`.
fn context_of(written: &str) -> Result<String, BadPath> {
    let context = written.strip_prefix(':').unwrap_or(written);
    let context = context.strip_suffix(':').unwrap_or(context);
    if context.contains(':') {
        return Err(BadPath("colon inside the name of a context"));
    }
    let dot = if context.starts_with('.') { "" } else { "." };
    let context = path::decode(context, path::Plus::Literal)?;
    Ok(format!("{dot}{context}"))
}

fn put_into(segments: &mut Vec<Cow<'_, str>>, prefix: &str) {
    let is_settings = SETTINGS.contains(&segments[0].as_ref());
    if is_settings && segments.len() == 1 {
        segments.push(Cow::Owned(prefix.to_owned()));
        return;
    }
    let before = if is_settings { Some(0) } else { segments.iter().position(|segment| segment == SUBJECTS) };
    if let Some(subject) = before.and_then(|before| segments.get_mut(before + 1)) {
        let name = within(Some(prefix), std::mem::take(subject));
        *subject = name;
    }
}

/// A name with the prefix in front, unless it is qualified.
pub(super) fn within<'a>(prefix: Option<&str>, name: Cow<'a, str>) -> Cow<'a, str> {
    match prefix {
        Some(prefix) if !name.starts_with(":.") && !name.starts_with(WILDCARD) => Cow::Owned(format!("{prefix}{name}")),
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(raw: &str) -> (Vec<String>, Option<String>) {
        let mut path = path::read(raw).unwrap();
        let prefix = take(raw, &mut path).unwrap();
        (path.segments.into_iter().map(Cow::into_owned).collect(), prefix)
    }

    #[test]
    fn a_prefix_becomes_part_of_names() {
        for (raw, segments, prefix) in [
            ("/contexts/c/subjects/a/versions", "subjects|:.c:a|versions", Some(":.c:")),
            (
                "/contexts/.c/compatibility/subjects/a/versions/1",
                "compatibility|subjects|:.c:a|versions|1",
                Some(":.c:"),
            ),
            ("/contexts/:.c:/config", "config|:.c:", Some(":.c:")),
            ("/contexts/:.c/mode/a", "mode|:.c:a", Some(":.c:")),
            ("/contexts/c/subjects/:.d:a", "subjects|:.d:a", Some(":.c:")),
            ("/contexts/c/subjects", "subjects", Some(":.c:")),
            ("/contexts/c/schemas/ids/1", "schemas|ids|1", Some(":.c:")),
            ("/contexts/c/contexts", "contexts", Some(":.c:")),
            ("/contexts/../mode", "mode|:..:", Some(":..:")),
            ("/contexts/*/mode", "mode|:.*:", Some(":.*:")),
            ("//contexts/./subjects/a", "subjects|:.:a", Some(":.:")),
            ("/contexts/%C3%A9/config", "config|:.é:", Some(":.é:")),
            ("/contexts/%3A.c%3A/subjects/a", "subjects|:.:.c::a", Some(":.:.c::")),
            ("/contexts/c", "contexts|.c", None),
            ("/contexts/:.c:", "contexts|.c", None),
            ("/contexts/%3A.c%3A", "contexts|.:.c:", None),
            ("/contexts/.", "", None),
            ("/contexts/.;x", "", None),
            ("/contexts/:.:/", "contexts", None),
            ("/contexts/c/contexts/d", "contexts|.d", Some(":.c:")),
            ("/contexts/c/contexts/:.d:/", "contexts|.d", Some(":.c:")),
            ("/contexts/c/contexts/.", "", Some(":.c:")),
            ("/contexts/c/contexts/:.:", "contexts", Some(":.c:")),
            ("/contexts/c/subjects/contexts/versions", "subjects|:.c:contexts|versions", Some(":.c:")),
            ("/contexts", "contexts", None),
            ("/subjects/contexts/versions", "subjects|contexts|versions", None),
        ] {
            let (found, found_prefix) = taken(raw);
            assert_eq!((found.join("|").as_str(), found_prefix.as_deref()), (segments, prefix), "{raw}");
        }
        for raw in ["/contexts/a:b/config", "/contexts/c/contexts/a:b"] {
            assert!(take(raw, &mut path::read(raw).unwrap()).is_err(), "{raw}");
        }
    }

    #[test]
    fn a_path_that_ends_before_a_name_names_nothing() {
        for (raw, expected) in [
            ("/config/", true),
            ("/mode/", true),
            ("/subjects/", true),
            ("/contexts/c/config/", true),
            ("/contexts/", false),
            ("/config/config/", false),
            ("/subjects/mode/", false),
        ] {
            assert_eq!(names_nothing(&path::read(raw).unwrap()), expected, "{raw}");
        }
    }

    #[test]
    fn a_qualified_name_stays_as_it_is() {
        for (name, expected) in [("a", ":.c:a"), ("", ":.c:"), (":.d:a", ":.d:a"), (":*:a", ":*:a"), (":a", ":.c::a")] {
            assert_eq!(within(Some(":.c:"), Cow::Borrowed(name)), expected, "{name}");
        }
        assert_eq!(within(None, Cow::Borrowed("a")), "a");
    }
}
