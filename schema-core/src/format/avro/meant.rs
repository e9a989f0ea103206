//! The type that somebody may have meant by a name that no type has.

use super::parse::primitive;

/// The words of types that are written with more than their name.
const COMPLEX: [&str; 5] = ["array", "enum", "fixed", "map", "record"];

const PRIMITIVE: [&str; 8] = ["boolean", "bytes", "double", "float", "int", "long", "null", "string"];

/// The type that `name` is near to, if any: a word of Avro's, or one of the `known` names. Of two the first by the
/// alphabet. Takes time in proportion to the lengths of all names.
pub(super) fn meant<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let simple = last_part(name);
    // These are named without what is needed with them, which their names do not tell.
    if COMPLEX.contains(&simple) {
        return None;
    }
    let known: Vec<&str> = known.collect();
    let of_text = |is_it: &dyn Fn(&str) -> bool| known.iter().copied().filter(|known| is_it(known)).min();
    let elsewhere = of_text(&|known| last_part(known) == simple);
    // Names of one's own begin with a capital; Avro's words have none.
    let lower = simple.to_ascii_lowercase();
    let is_slip = |word: &str| lower == simple && is_one_slip(simple, word);
    let is_of_avro = |word: &&str| lower == **word || is_slip(word) || is_other_form(simple, word);
    let of_avro = || PRIMITIVE.into_iter().chain(COMPLEX).find(is_of_avro);
    let slip = || of_text(&|known| simple.len() >= 3 && is_one_slip(name, known));
    elsewhere.or_else(of_avro).or_else(slip)
}

fn last_part(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}

/// Whether a primitive is what `name` is called elsewhere: `bool`, `str`, `integer`, `strings`.
fn is_other_form(name: &str, word: &str) -> bool {
    primitive(word).is_some()
        && name.len() >= 3
        && (word.starts_with(name) || name.strip_prefix(word).is_some_and(|rest| matches!(rest, "eger" | "s")))
}

/// Whether one letter was left out, added or taken for another, or two were swapped.
fn is_one_slip(a: &str, b: &str) -> bool {
    let same = |(a, b): &(&u8, &u8)| a == b;
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let prefix = a.iter().zip(b).take_while(same).count();
    let (a, b) = (&a[prefix..], &b[prefix..]);
    let suffix = a.iter().rev().zip(b.iter().rev()).take_while(same).count();
    match (&a[..a.len() - suffix], &b[..b.len() - suffix]) {
        ([], [_]) | ([_], [] | [_]) => true,
        ([a, b], [c, d]) => a == d && b == c,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_type_that_was_meant_is_found_and_no_other() {
        let known = ["com.x.Address", "com.x.Person", "com.x.A", "com.y.Person", "com.x.Song", "Money"];
        for (name, expected) in [
            ("strin", Some("string")),
            ("sting", Some("string")),
            ("strnig", Some("string")),
            ("String", Some("string")),
            ("INT", Some("int")),
            ("lnog", Some("long")),
            ("com.x.strin", Some("string")),
            ("bool", Some("boolean")),
            ("str", Some("string")),
            ("integer", Some("int")),
            ("longs", Some("long")),
            ("recrod", Some("record")),
            ("enm", Some("enum")),
            ("com.x.Adress", Some("com.x.Address")),
            ("com.z.Address", Some("com.x.Address")),
            ("Person", Some("com.x.Person")),
            ("Mony", Some("Money")),
            ("com.z.Song", Some("com.x.Song")),
            // Nothing is near, or it is not known what.
            ("array", None),
            ("Full", None),
            ("com.x.Mixed", None),
            ("Hint", None),
            ("Cap", None),
            ("interval", None),
            ("decimal", None),
            ("a", None),
            ("com.x.B", None),
            ("com.x.Order", None),
            ("strings.", None),
            ("", None),
            ("ß", None),
        ] {
            assert_eq!(meant(name, known.into_iter()), expected, "{name}");
        }
    }
}
