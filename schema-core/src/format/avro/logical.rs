//! Which logical type a schema has. One that does not fit its type is no error: it stays a property.

use super::{Kind, LogicalType};
use crate::json::{Json, JsonValue};

/// The logical type that `properties` name, if it is valid on `kind`.
pub(super) fn find(kind: &Kind, properties: &[(String, Json)]) -> Option<LogicalType> {
    let JsonValue::String(name) = property(properties, "logicalType")? else {
        return None;
    };
    let logical = match (name.as_str(), kind) {
        ("decimal", Kind::Bytes | Kind::Fixed(_)) => return decimal(kind, properties),
        ("big-decimal", Kind::Bytes) => LogicalType::BigDecimal,
        ("uuid", Kind::String) => LogicalType::Uuid,
        ("uuid", Kind::Fixed(fixed)) if fixed.size == 16 => LogicalType::Uuid,
        ("duration", Kind::Fixed(fixed)) if fixed.size == 12 => LogicalType::Duration,
        ("date", Kind::Int) => LogicalType::Date,
        ("time-millis", Kind::Int) => LogicalType::TimeMillis,
        ("time-micros", Kind::Long) => LogicalType::TimeMicros,
        ("timestamp-millis", Kind::Long) => LogicalType::TimestampMillis,
        ("timestamp-micros", Kind::Long) => LogicalType::TimestampMicros,
        ("timestamp-nanos", Kind::Long) => LogicalType::TimestampNanos,
        ("local-timestamp-millis", Kind::Long) => LogicalType::LocalTimestampMillis,
        ("local-timestamp-micros", Kind::Long) => LogicalType::LocalTimestampMicros,
        ("local-timestamp-nanos", Kind::Long) => LogicalType::LocalTimestampNanos,
        _ => return None,
    };
    Some(logical)
}

fn decimal(kind: &Kind, properties: &[(String, Json)]) -> Option<LogicalType> {
    let precision = integer(property(properties, "precision")?)?;
    let scale = match property(properties, "scale") {
        Some(scale) => integer(scale)?,
        None => 0,
    };
    let fits = match kind {
        Kind::Fixed(fixed) => f64::from(precision) <= digits_in(fixed.size),
        _ => true,
    };
    (precision > 0 && scale <= precision && fits).then_some(LogicalType::Decimal { precision, scale })
}

/// Decimal digits that any number of `size` bytes, sign included, can hold.
fn digits_in(size: u32) -> f64 {
    (std::f64::consts::LOG10_2 * (8.0 * f64::from(size) - 1.0)).floor()
}

/// A 32-bit integer written as one: 9.0 and "9" are none. Negative ones are none either, here.
fn integer(value: &JsonValue) -> Option<u32> {
    match value {
        JsonValue::Number(number) => number.parse::<i32>().ok().and_then(|number| u32::try_from(number).ok()),
        _ => None,
    }
}

fn property<'p>(properties: &'p [(String, Json)], key: &str) -> Option<&'p JsonValue> {
    properties.iter().find(|(known, _)| known == key).map(|(_, json)| &json.value)
}
