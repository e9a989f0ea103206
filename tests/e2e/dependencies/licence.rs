//! SPDX licence expressions: `OR` offers a choice, `AND` binds to all, `/` is the old way to write `OR`.

/// Whether the expression can be met with licences of the list alone.
pub(super) fn is_allowed(expression: &str, allowed: &[&str]) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let mut words = spaced.split_whitespace().peekable();
    let met = any(&mut words, allowed);
    met && words.next().is_none()
}

type Words<'a, 'b> = &'a mut std::iter::Peekable<std::str::SplitWhitespace<'b>>;

fn any(words: Words<'_, '_>, allowed: &[&str]) -> bool {
    let mut met = all(words, allowed);
    while words.next_if_eq(&"OR").is_some() {
        // Evaluated first: the words have to be consumed even when the choice is already made.
        met = all(words, allowed) || met;
    }
    met
}

fn all(words: Words<'_, '_>, allowed: &[&str]) -> bool {
    let mut met = one(words, allowed);
    while words.next_if_eq(&"AND").is_some() {
        met = one(words, allowed) && met;
    }
    met
}

fn one(words: Words<'_, '_>, allowed: &[&str]) -> bool {
    if words.next_if_eq(&"(").is_some() {
        let met = any(words, allowed);
        return words.next_if_eq(&")").is_some() && met;
    }
    let Some(name) = words.next() else { return false };
    if words.next_if_eq(&"WITH").is_none() {
        return allowed.contains(&name);
    }
    let exception = words.next().unwrap_or_default();
    allowed.contains(&&*format!("{name} WITH {exception}"))
}

#[test]
fn expressions_are_read_as_spdx_says() {
    let allowed = ["MIT", "Apache-2.0", "Apache-2.0 WITH LLVM-exception"];

    for good in
        ["MIT", "MIT/GPL-2.0", "GPL-2.0 OR MIT", "(GPL-2.0 OR MIT) AND Apache-2.0", "Apache-2.0 WITH LLVM-exception"]
    {
        assert!(is_allowed(good, &allowed), "{good}");
    }
    for bad in [
        "",
        "GPL-2.0",
        "MIT AND GPL-2.0",
        "MIT AND (GPL-2.0 OR MPL-2.0)",
        "MIT WITH Other-exception",
        "(MIT",
        "MIT MIT",
    ] {
        assert!(!is_allowed(bad, &allowed), "{bad}");
    }
}
