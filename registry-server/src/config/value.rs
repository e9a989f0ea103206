//! How the value of a setting is read and told.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use schema_core::Level;
use toml::Value;
use tracing_subscriber::filter::{LevelFilter, Targets};

use super::{Database, LogFormat};

/// The type of a setting.
pub(super) trait Setting: Sized {
    /// What is expected of a value, in words.
    const EXPECTED: &'static str;
    /// How a TOML file writes it; variables and flags are texts anyway.
    const KIND: Kind;

    /// Reads a variable, a flag, or what stands in a file.
    fn parse(text: &str) -> Option<Self>;

    /// As `parse` reads it.
    fn print(&self) -> String;

    /// For comparing with the least that is allowed; `None` for what is no number.
    fn number(&self) -> Option<u64> {
        None
    }
}

/// The three kinds of values that settings have in a TOML file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Number,
    Truth,
}

impl Kind {
    /// The text of a file's value, if it is of this kind. A number in quotes is none: the same file would be refused by
    /// whatever else reads it.
    pub(super) fn text_of(self, value: &Value) -> Option<String> {
        match (self, value) {
            (Self::Text, Value::String(text)) => Some(text.clone()),
            (Self::Number, Value::Integer(number)) => Some(number.to_string()),
            (Self::Truth, Value::Boolean(truth)) => Some(truth.to_string()),
            _ => None,
        }
    }

    /// How its values are written in a file.
    pub(super) fn writing(self) -> &'static str {
        match self {
            Self::Text => "in quotes",
            Self::Number | Self::Truth => "without quotes",
        }
    }
}

macro_rules! whole_numbers {
    ($($type:ty: $expected:literal),+) => {$(
        impl Setting for $type {
            const EXPECTED: &'static str = $expected;
            const KIND: Kind = Kind::Number;

            fn parse(text: &str) -> Option<Self> {
                text.parse().ok()
            }

            fn print(&self) -> String {
                self.to_string()
            }

            fn number(&self) -> Option<u64> {
                Some(u64::try_from(*self).unwrap_or(u64::MAX))
            }
        }
    )+};
}

whole_numbers!(
    u32: "a whole number from 0 to 4294967295",
    u64: "a whole number, 0 or more",
    usize: "a whole number, 0 or more"
);

impl Setting for Duration {
    const EXPECTED: &'static str = "a whole number of milliseconds";
    const KIND: Kind = Kind::Number;

    fn parse(text: &str) -> Option<Self> {
        text.parse().ok().map(Self::from_millis)
    }

    fn print(&self) -> String {
        self.as_millis().to_string()
    }

    fn number(&self) -> Option<u64> {
        Some(u64::try_from(self.as_millis()).unwrap_or(u64::MAX))
    }
}

impl Setting for bool {
    const EXPECTED: &'static str = "`true` or `false`";
    const KIND: Kind = Kind::Truth;

    fn parse(text: &str) -> Option<Self> {
        text.parse().ok()
    }

    fn print(&self) -> String {
        self.to_string()
    }
}

impl Setting for SocketAddr {
    const EXPECTED: &'static str = "an address with a port, for instance `127.0.0.1:8081` or `[::1]:8081`";
    const KIND: Kind = Kind::Text;

    fn parse(text: &str) -> Option<Self> {
        match text.strip_prefix("localhost:") {
            Some(port) => port.parse().ok().map(|port| Self::from((Ipv4Addr::LOCALHOST, port))),
            None => text.parse().ok(),
        }
    }

    fn print(&self) -> String {
        self.to_string()
    }
}

impl Setting for Database {
    const EXPECTED: &'static str = "`sqlite://PATH` or `postgres://USER:PASSWORD@HOST:PORT/DATABASE`";
    const KIND: Kind = Kind::Text;

    /// Whether it is a URL at all is judged at the end: then it is told without what may be a password.
    fn parse(text: &str) -> Option<Self> {
        Some(if text == crate::store::IN_MEMORY { Self::Ephemeral } else { Self::Url(text.to_owned()) })
    }

    fn print(&self) -> String {
        self.to_string()
    }
}

impl Setting for Level {
    const EXPECTED: &'static str =
        "NONE, BACKWARD, BACKWARD_TRANSITIVE, FORWARD, FORWARD_TRANSITIVE, FULL or FULL_TRANSITIVE";
    const KIND: Kind = Kind::Text;

    fn parse(text: &str) -> Option<Self> {
        Self::from_name(text)
    }

    fn print(&self) -> String {
        self.as_str().to_owned()
    }
}

/// Who logs. The filter's parser takes any word, as a mistyped level is, for the name of a program that alone is to be
/// logged, and then nothing is.
const LOGGING: [&str; 5] = ["registry_server", "sqlx", "actix_server", "actix_http", "actix_web"];

/// The one text that is free in part: a filter of log lines.
impl Setting for String {
    const EXPECTED: &'static str =
        "`error`, `warn`, `info`, `debug`, `trace`, `off`, or a list such as `info,sqlx=warn`";
    const KIND: Kind = Kind::Text;

    fn parse(text: &str) -> Option<Self> {
        let is_known = |word: &str| {
            let program = word.split("::").next().unwrap_or_default();
            let is_level = !word.is_empty() && word.parse::<LevelFilter>().is_ok();
            let is_program = word.contains('=') || LOGGING.contains(&program);
            // The filter's parser takes a blank for a part of the name.
            (is_level || is_program) && !word.contains(char::is_whitespace)
        };
        let is_filter = text.parse::<Targets>().is_ok() && text.split(',').all(is_known);
        is_filter.then(|| text.to_owned())
    }

    fn print(&self) -> String {
        self.clone()
    }
}

impl Setting for LogFormat {
    const EXPECTED: &'static str = "`auto`, `text` or `json`";
    const KIND: Kind = Kind::Text;

    fn parse(text: &str) -> Option<Self> {
        match text {
            "auto" => Some(Self::Auto),
            "text" => Some(Self::Text),
            "json" => Some(Self::Json),
            _ => None,
        }
    }

    fn print(&self) -> String {
        match self {
            Self::Auto => "auto",
            Self::Text => "text",
            Self::Json => "json",
        }
        .to_owned()
    }
}
