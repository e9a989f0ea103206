//! How a setting is read from a properties file and written into the reference.

use std::fmt;
use std::time::Duration;

/// The largest number of Java's `int`.
pub(super) const INT: i64 = i32::MAX as i64;

/// A hundred years, longer than anything waits: Java's files say `9223372036854775807` for "for ever", which no
/// clock can add to now.
pub(super) const FOREVER_MS: i64 = 100 * 365 * 24 * 3600 * 1000;

/// The type of a setting.
pub(super) trait Setting: Sized {
    /// Reads what a properties file says.
    fn parse(text: &str) -> Option<Self>;

    /// As a properties file says it.
    fn print(&self) -> String;

    /// For comparing with a range; `None` for what is no number.
    fn number(&self) -> Option<i64> {
        None
    }
}

/// A setting that is one of a few words; the first name of a value is the one to print.
pub(crate) trait Named: Copy + PartialEq + 'static {
    const NAMES: &'static [(&'static str, Self)];
}

impl<T: Named> Setting for T {
    fn parse(text: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(name, _)| name.eq_ignore_ascii_case(text)).map(|(_, value)| *value)
    }

    fn print(&self) -> String {
        Self::NAMES.iter().find(|(_, value)| value == self).map(|(name, _)| (*name).to_owned()).unwrap_or_default()
    }
}

macro_rules! whole_numbers {
    ($($type:ty),+) => {$(
        impl Setting for $type {
            fn parse(text: &str) -> Option<Self> {
                text.parse().ok()
            }

            fn print(&self) -> String {
                self.to_string()
            }

            fn number(&self) -> Option<i64> {
                Some(i64::try_from(*self).unwrap_or(i64::MAX))
            }
        }
    )+};
}

whole_numbers!(i32, u32, usize);

impl Setting for Duration {
    fn parse(text: &str) -> Option<Self> {
        let milliseconds: u64 = text.parse().ok()?;
        Some(Self::from_millis(milliseconds.min(FOREVER_MS.unsigned_abs())))
    }

    fn print(&self) -> String {
        self.as_millis().to_string()
    }

    fn number(&self) -> Option<i64> {
        Some(i64::try_from(self.as_millis()).unwrap_or(i64::MAX))
    }
}

/// `None` is -1.
impl<T: Setting> Setting for Option<T> {
    fn parse(text: &str) -> Option<Self> {
        if text == "-1" { Some(None) } else { T::parse(text).map(Some) }
    }

    fn print(&self) -> String {
        self.as_ref().map_or_else(|| "-1".to_owned(), T::print)
    }

    fn number(&self) -> Option<i64> {
        self.as_ref().map_or(Some(-1), T::number)
    }
}

impl Setting for bool {
    fn parse(text: &str) -> Option<Self> {
        text.to_ascii_lowercase().parse().ok()
    }

    fn print(&self) -> String {
        self.to_string()
    }
}

impl Setting for String {
    fn parse(text: &str) -> Option<Self> {
        Some(text.to_owned())
    }

    fn print(&self) -> String {
        self.clone()
    }
}

impl Setting for Vec<String> {
    fn parse(text: &str) -> Option<Self> {
        Some(text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect())
    }

    fn print(&self) -> String {
        self.join(",")
    }
}

/// What a setting may be, in words.
#[derive(Debug, Clone, Copy)]
pub(super) enum Values {
    /// Said as it is.
    Text(&'static str),
    /// One of these.
    Words(fn() -> Vec<&'static str>),
    /// A number of these.
    Range { unit: &'static str, from: i64, to: i64, besides: Option<i64> },
}

impl Values {
    pub(super) const FLAG: Self = Self::Words(|| vec!["true", "false"]);

    pub(super) const fn words<T: Named>() -> Self {
        Self::Words(|| T::NAMES.iter().map(|(name, _)| *name).collect())
    }

    pub(super) const fn milliseconds(from: i64, to: i64) -> Self {
        Self::Range { unit: "milliseconds", from, to, besides: None }
    }

    pub(super) const fn bytes(from: i64, to: i64) -> Self {
        Self::Range { unit: "bytes", from, to, besides: None }
    }

    pub(super) const fn number(from: i64, to: i64) -> Self {
        Self::Range { unit: "", from, to, besides: None }
    }

    /// The range, or this one number outside it.
    pub(super) const fn or(self, number: i64) -> Self {
        match self {
            Self::Range { unit, from, to, .. } => Self::Range { unit, from, to, besides: Some(number) },
            other => other,
        }
    }

    /// Whether a number lies in the range; everything else was judged when it was read.
    pub(super) fn allows(&self, number: i64) -> bool {
        match self {
            Self::Range { from, to, besides, .. } => (*from..=*to).contains(&number) || *besides == Some(number),
            Self::Text(_) | Self::Words(_) => true,
        }
    }
}

impl fmt::Display for Values {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Words(words) => {
                let words: Vec<String> = words().iter().map(|word| format!("`{word}`")).collect();
                match words.split_last() {
                    Some((last, [])) => f.write_str(last),
                    Some((last, others)) => write!(f, "{} or {last}", others.join(", ")),
                    None => Ok(()),
                }
            }
            Self::Range { unit, from, to, besides } => {
                let besides = besides.map(|number| format!(", or {number}")).unwrap_or_default();
                match *to {
                    FOREVER_MS => write!(f, "{unit} from {from}{besides}"),
                    to if unit.is_empty() => write!(f, "{from} to {to}{besides}"),
                    to => write!(f, "{unit}, {from} to {to}{besides}"),
                }
            }
        }
    }
}
