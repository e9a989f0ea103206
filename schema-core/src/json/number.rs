//! Numbers as Java prints and reads them: `Double.toString`, `Float.toString` (JDK 19 or newer) and
//! `Double.parseDouble`.

use std::fmt::{LowerExp, Write as _};

/// Appends a JSON number: integers as they stand, all others as a double. A double out of range is the string
/// `"Infinity"`, as Jackson prints it.
pub(crate) fn write_number(number: &str, out: &mut String) {
    if is_integer(number) {
        out.push_str(if number == "-0" { "0" } else { number });
        return;
    }
    // The reader has checked the grammar, which is a subset of Rust's.
    write_double(number.parse().unwrap_or(f64::NAN), out);
}

/// Whether a JSON number is written without fraction and exponent.
pub(crate) fn is_integer(number: &str) -> bool {
    !number.bytes().any(|byte| matches!(byte, b'.' | b'e' | b'E'))
}

/// Appends a double as JSON; what is no finite number is a string.
pub(crate) fn write_double(value: f64, out: &mut String) {
    if !value.is_finite() {
        return write_not_finite(value, out);
    }
    let mut digits = format!("{value:e}");
    if !digits.contains('.') {
        prefer_two_digits(value, |text| text.parse() == Ok(value), &mut digits);
    }
    write_decimal(&digits, out);
}

/// Appends a float as JSON, with a float's shorter digits.
pub(crate) fn write_float(value: f32, out: &mut String) {
    if !value.is_finite() {
        return write_not_finite(f64::from(value), out);
    }
    let mut digits = format!("{value:e}");
    if !digits.contains('.') {
        prefer_two_digits(value, |text| text.parse() == Ok(value), &mut digits);
    }
    write_decimal(&digits, out);
}

fn write_not_finite(value: f64, out: &mut String) {
    out.push_str(if value.is_nan() {
        "\"NaN\""
    } else if value > 0.0 {
        "\"Infinity\""
    } else {
        "\"-Infinity\""
    });
}

/// Java always shows two digits, and then the closest ones: the smallest double is 4.9E-324, not 5.0E-324.
fn prefer_two_digits<T: LowerExp>(value: T, same: impl Fn(&str) -> bool, digits: &mut String) {
    let two = format!("{value:.1e}");
    if same(&two) && !two.contains(".0e") {
        *digits = two;
    }
}

/// Turns `1.25e-7` into Java's form: plain from 10^-3 up to 10^7, else with `E`; always with a point.
fn write_decimal(scientific: &str, out: &mut String) {
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let (sign, mantissa) = match mantissa.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", mantissa),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    out.push_str(sign);
    if whole == "0" {
        out.push_str("0.0");
    } else if (-3..0).contains(&exponent) {
        out.push_str("0.");
        (1..-exponent).for_each(|_| out.push('0'));
        out.push_str(whole);
        out.push_str(fraction);
    } else if (0..7).contains(&exponent) {
        let exponent = exponent as usize;
        out.push_str(whole);
        for at in 0..exponent {
            out.push(fraction.as_bytes().get(at).map_or('0', |digit| char::from(*digit)));
        }
        out.push('.');
        out.push_str(fraction.get(exponent..).filter(|rest| !rest.is_empty()).unwrap_or("0"));
    } else {
        let fraction = if fraction.is_empty() { "0" } else { fraction };
        let _ = write!(out, "{whole}.{fraction}E{exponent}");
    }
}

/// Reads a text as `Double.parseDouble` does, but for hexadecimal floats, which are refused.
pub(crate) fn parse_java_double(text: &str) -> Option<f64> {
    let text = text.trim_matches(|c| c <= ' ');
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let negative = text.starts_with('-');
    let value = match unsigned {
        "NaN" => f64::NAN,
        "Infinity" => f64::INFINITY,
        _ => {
            let digits = unsigned.strip_suffix(['f', 'F', 'd', 'D']).unwrap_or(unsigned);
            // Rust also reads `inf` and `nan`, and a second sign would be taken for the first.
            let starts_well = digits.starts_with(|c: char| c.is_ascii_digit() || c == '.');
            let plain = digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-'));
            if !starts_well || !plain {
                return None;
            }
            digits.parse().ok()?
        }
    };
    Some(if negative { -value } else { value })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_are_printed_as_java_prints_them() {
        let rows = [
            ("0.0", "0.0"),
            ("-0.0", "-0.0"),
            ("1e3", "1000.0"),
            ("1e7", "1.0E7"),
            ("9999999.0", "9999999.0"),
            ("12345678.9", "1.23456789E7"),
            ("0.001", "0.001"),
            ("0.0001", "1.0E-4"),
            ("1e-7", "1.0E-7"),
            ("1.50", "1.5"),
            ("123.456", "123.456"),
            ("0.0123", "0.0123"),
            ("1e21", "1.0E21"),
            ("1e23", "1.0E23"),
            ("5e-324", "4.9E-324"),
            ("1e-322", "9.9E-323"),
            ("2e-323", "2.0E-323"),
            ("1.7976931348623157e308", "1.7976931348623157E308"),
            ("1e400", "\"Infinity\""),
            ("-1e400", "\"-Infinity\""),
            ("100", "100"),
            ("-0", "0"),
            ("123456789012345678901234567890", "123456789012345678901234567890"),
            ("1234567.0", "1234567.0"),
            ("0.1", "0.1"),
            ("-12.0e-1", "-1.2"),
            ("2.2250738585072014E-308", "2.2250738585072014E-308"),
        ];
        for (number, expected) in rows {
            let mut out = String::new();
            write_number(number, &mut out);
            assert_eq!(out, expected, "{number}");
        }
    }

    #[test]
    fn floats_are_printed_with_float_digits() {
        let rows = [
            (12_345.679_f32, "12345.679"),
            (0.1, "0.1"),
            (1.0e-45, "1.4E-45"),
            (9.223_372e18, "9.223372E18"),
            (f32::INFINITY, "\"Infinity\""),
        ];
        for (value, expected) in rows {
            let mut out = String::new();
            write_float(value, &mut out);
            assert_eq!(out, expected);
        }
    }

    #[test]
    fn text_is_read_as_java_reads_doubles() {
        let rows = [
            ("1", Some(1.0)),
            (" 1e3 ", Some(1000.0)),
            ("1f", Some(1.0)),
            ("-.5d", Some(-0.5)),
            ("1.", Some(1.0)),
            ("Infinity", Some(f64::INFINITY)),
            ("-Infinity", Some(f64::NEG_INFINITY)),
            ("1E400", Some(f64::INFINITY)),
            ("", None),
            ("x", None),
            ("inf", None),
            ("nan", None),
            ("infinity", None),
            ("--1", None),
            ("1e", None),
            ("0x1p3", None),
            ("f", None),
        ];
        for (text, expected) in rows {
            assert_eq!(parse_java_double(text), expected, "{text:?}");
        }
        assert!(parse_java_double("NaN").is_some_and(f64::is_nan));
    }
}
