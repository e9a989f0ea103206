//! The name that somebody may have meant, among those that there are: for settings and topics.

/// The known name that goes on where this one ends, or that a typing error would explain: at most a third of the
/// letters differ.
pub(crate) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let is_near = |(distance, known): &(usize, &str)| {
        let goes_on = known.strip_prefix(name).is_some_and(|rest| rest.starts_with('.'));
        goes_on || *distance <= (name.len() / 3).min(5)
    };
    let known = known.into_iter().map(|known| (distance(name, known), known));
    known.filter(is_near).min().map(|(_, known)| known)
}

/// Edit distance (Levenshtein).
fn distance(from: &str, to: &str) -> usize {
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in to.bytes().enumerate() {
            let replaced = diagonal + usize::from(a != b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[to.len()]
}
