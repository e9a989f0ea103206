//! The name that somebody may have meant, among those that there are: for settings and topics.

/// The known name that goes on where this one ends, or that a typing error would explain: at most a third of the
/// letters differ.
pub(crate) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let is_near = |(distance, known): &(usize, &str)| {
        let goes_on = known.strip_prefix(name).is_some_and(|rest| rest.starts_with('.'));
        goes_on || *distance <= (name.len() / 3).min(5)
    };
    let known = known.into_iter().map(|known| (strsim::levenshtein(name, known), known));
    known.filter(is_near).min().map(|(_, known)| known)
}
