//! Numbers of the command line, for `value_parser`: what is none is told with what one would be. The standard library
//! has words for programmers, `invalid digit found in string`.

use std::fmt::Display;
use std::num::{IntErrorKind, ParseIntError};
use std::ops::RangeInclusive;
use std::str::FromStr;

/// A count, a size or milliseconds.
pub(crate) fn whole<N: FromStr<Err = ParseIntError>>(text: &str) -> Result<N, String> {
    text.parse().map_err(|error: ParseIntError| match error.kind() {
        IntErrorKind::PosOverflow => "expected a smaller number".to_owned(),
        _ => "expected a whole number, 0 or more, as 1000".to_owned(),
    })
}

/// One of these.
pub(crate) fn within<N>(range: RangeInclusive<N>) -> impl Fn(&str) -> Result<N, String> + Clone
where
    N: FromStr + PartialOrd + Display + Clone,
{
    move |text| {
        let number = text.parse().ok().filter(|number| range.contains(number));
        number.ok_or_else(|| format!("expected a whole number from {} to {}", range.start(), range.end()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_number_is_told_with_what_one_would_be() {
        assert_eq!(whole("1000"), Ok(1000_u64));
        for odd in ["x", "", "-1", "1.5", "1_000", "1e6"] {
            assert_eq!(whole::<u64>(odd), Err("expected a whole number, 0 or more, as 1000".to_owned()), "{odd}");
        }
        assert_eq!(whole::<u64>("18446744073709551616"), Err("expected a smaller number".to_owned()));

        let parts = within(1..=200_u32);
        assert_eq!((parts("1"), parts("200")), (Ok(1), Ok(200)));
        for odd in ["x", "", "0", "201", "4294967296"] {
            assert_eq!(parts(odd), Err("expected a whole number from 1 to 200".to_owned()), "{odd}");
        }
    }
}
