//! Values and locks as texts of SQL, for a message that takes no parameters: several statements in one round trip.
//!
//! A text from outside is written in digits, so nothing that it holds can be taken for SQL, whatever the settings of
//! the server.

use super::super::connection::Value;
use super::super::locks::Locks;

const HEX_DIGITS: &[u8; 16] = b"0123456789abcdef";

/// A statement that takes locks in their order, a row for each: the rows of `unnest` come in the order of the arrays,
/// and each is locked as it comes. At READ COMMITTED every later statement sees what those have committed who held them
/// before.
pub(super) fn take_locks(locks: &Locks) -> String {
    let (keys, exclusive) = locks.in_order();
    let statement = include_str!("../sql/take_locks_postgres.sql");
    statement.replace("$1", &array(&keys)).replace("$2", &array(&exclusive))
}

/// Values as the arguments of EXECUTE.
pub(super) fn arguments(values: &[Value<'_>]) -> String {
    let bytes: usize = values.iter().map(length).sum();
    let mut arguments = String::with_capacity(bytes);
    for (at, value) in values.iter().enumerate() {
        if at > 0 {
            arguments.push_str(", ");
        }
        match *value {
            Value::Text(None) | Value::Number(None) => arguments.push_str("NULL"),
            Value::Text(Some(text)) => {
                arguments.push_str("convert_from(decode('");
                push_hex(&mut arguments, text.as_bytes());
                arguments.push_str("', 'hex'), 'UTF8')");
            }
            Value::Number(Some(number)) => arguments.push_str(&number.to_string()),
            Value::Bytes(bytes) => {
                arguments.push_str("decode('");
                push_hex(&mut arguments, bytes);
                arguments.push_str("', 'hex')");
            }
        }
    }
    arguments
}

/// More bytes than a value takes.
fn length(value: &Value<'_>) -> usize {
    const AROUND_MAX: usize = 48;
    let digits = match value {
        Value::Text(text) => 2 * text.map_or(0, str::len),
        Value::Number(_) => 0,
        Value::Bytes(bytes) => 2 * bytes.len(),
    };
    digits + AROUND_MAX
}

fn push_hex(text: &mut String, bytes: &[u8]) {
    for byte in bytes {
        for digit in [byte >> 4, byte & 0xf] {
            text.push(char::from(HEX_DIGITS[usize::from(digit)]));
        }
    }
}

/// An array's text in SQL.
fn array(items: &[impl ToString]) -> String {
    let items: Vec<String> = items.iter().map(ToString::to_string).collect();
    format!("'{{{}}}'", items.join(","))
}

#[cfg(test)]
mod tests {
    use super::super::super::connection::values;
    use super::*;

    #[test]
    fn nothing_of_a_text_is_left_that_sql_could_take_for_its_own() {
        let sent = values!["'); DROP TABLE schemas; --\\", None::<&str>, -5_i64, None::<i64>, true, &[0_u8, 255][..]];

        assert_eq!(
            arguments(sent),
            "convert_from(decode('27293b2044524f50205441424c4520736368656d61733b202d2d5c', 'hex'), 'UTF8'), NULL, -5, \
             NULL, 1, decode('00ff', 'hex')"
        );
    }

    #[test]
    fn the_room_that_is_made_is_enough() {
        let sent = values!["", "é", i64::MIN, &[7_u8; 32][..]];

        assert!(arguments(sent).len() <= sent.iter().map(length).sum::<usize>());
    }
}
