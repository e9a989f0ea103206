//! The JSON reader: one pass over the text, with a stack of its own instead of recursion.
//!
//! Takes what Avro's parser takes: RFC 8259 and `//` and `/* */` comments. Counts lines and characters as it goes.

use std::fmt::Write as _;

use super::Position;
use super::tape::{Entry, EntryKind, Slot, Tape, push_segment};
use crate::error::ParseError;

/// Characters of one number; the bound of Java's parser, which keeps big integers cheap to print.
const NUMBER_MAX: usize = 1_000;

/// What a byte means inside a string.
#[derive(Clone, Copy)]
enum StringByte {
    /// A character, or the first byte of one.
    First,
    /// A further byte of a character.
    Continues,
    /// The end, an escape, or a control character.
    Stop,
}

const STRING_BYTES: [StringByte; 256] = {
    let mut table = [StringByte::First; 256];
    let mut byte = 0;
    while byte < 256 {
        if byte < 0x20 || byte == b'"' as usize || byte == b'\\' as usize {
            table[byte] = StringByte::Stop;
        } else if byte & 0xC0 == 0x80 {
            table[byte] = StringByte::Continues;
        }
        byte += 1;
    }
    table
};

/// A container that is not closed yet: its entry, and the key or index being read in it.
struct Open {
    entry: Entry,
    is_object: bool,
    /// Entry of the last key of an object; index of the current element of an array.
    current: u32,
}

pub(super) struct Reader<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    line: u32,
    line_start: usize,
    /// Bytes on this line that continue a character.
    wide: usize,
    slots: Vec<Slot>,
    resolved: String,
    open: Vec<Open>,
    depth_max: usize,
}

/// What comes after a step of the reader.
enum Next {
    Value,
    Closing,
}

impl<'a> Reader<'a> {
    pub(super) fn new(text: &'a str, depth_max: usize) -> Self {
        Self {
            text,
            bytes: text.as_bytes(),
            at: 0,
            line: 1,
            line_start: 0,
            wide: 0,
            // A guess of one value per eight bytes saves most of the growing.
            slots: Vec::with_capacity(text.len() / 8 + 4),
            resolved: String::new(),
            open: Vec::new(),
            depth_max,
        }
    }

    pub(super) fn read(mut self) -> Result<Tape<'a>, ParseError> {
        if u32::try_from(self.text.len()).is_err() {
            return self.fail("text of 4 GiB or more".to_owned());
        }
        let mut next = Next::Value;
        loop {
            next = match next {
                Next::Value => self.value()?,
                Next::Closing => {
                    if self.open.is_empty() {
                        return Ok(self.finish());
                    }
                    self.after_value()?
                }
            };
        }
    }

    fn finish(mut self) -> Tape<'a> {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.blank();
        }
        let rest = (self.at < self.bytes.len()).then(|| (self.at, self.position()));
        Tape { text: self.text, slots: self.slots, resolved: self.resolved, rest }
    }

    fn value(&mut self) -> Result<Next, ParseError> {
        self.skip_blanks()?;
        match self.peek() {
            Some(b'"') => self.string()?,
            Some(b'{') => return self.open(EntryKind::Object),
            Some(b'[') => return self.open(EntryKind::Array),
            Some(b'-' | b'0'..=b'9') => self.number()?,
            Some(b'a'..=b'z' | b'A'..=b'Z' | b'_' | b'$') => self.word()?,
            Some(_) => return self.unexpected("a value"),
            None => return self.fail("unexpected end of text: expected a value".to_owned()),
        }
        Ok(Next::Closing)
    }

    fn open(&mut self, kind: EntryKind) -> Result<Next, ParseError> {
        if self.open.len() >= self.depth_max {
            return self.fail(format!("JSON nested deeper than {} levels", self.depth_max));
        }
        let entry = self.push(kind, self.position(), self.at, 0);
        let is_object = kind == EntryKind::Object;
        self.open.push(Open { entry, is_object, current: 0 });
        self.at += 1;
        self.skip_blanks()?;
        let close = if is_object { b'}' } else { b']' };
        if self.peek() == Some(close) {
            self.close();
            return Ok(Next::Closing);
        }
        if is_object {
            self.key()?;
        }
        Ok(Next::Value)
    }

    fn after_value(&mut self) -> Result<Next, ParseError> {
        self.skip_blanks()?;
        let is_object = self.open.last().is_some_and(|open| open.is_object);
        let close = if is_object { b'}' } else { b']' };
        match self.peek() {
            Some(b',') => {
                self.at += 1;
                self.skip_blanks()?;
                if is_object {
                    self.key()?;
                } else if let Some(open) = self.open.last_mut() {
                    open.current += 1;
                }
                Ok(Next::Value)
            }
            Some(found) if found == close => {
                self.close();
                Ok(Next::Closing)
            }
            Some(_) => self.unexpected(if is_object { "`,` or `}`" } else { "`,` or `]`" }),
            None => self.fail(format!("unexpected end of text: expected `,` or `{}`", close as char)),
        }
    }

    /// Behind a closing bracket: the container ends here.
    fn close(&mut self) {
        self.at += 1;
        let next = self.slots.len() as Entry;
        if let Some(open) = self.open.pop() {
            let slot = &mut self.slots[open.entry as usize];
            slot.next = next;
            slot.end = self.at as u32;
        }
    }

    fn key(&mut self) -> Result<(), ParseError> {
        match self.peek() {
            Some(b'"') => {}
            Some(_) => return self.unexpected("a member name in double quotes"),
            None => return self.fail("unexpected end of text: expected a member name".to_owned()),
        }
        let entry = self.slots.len() as u32;
        if let Some(open) = self.open.last_mut() {
            open.current = 0;
        }
        self.string()?;
        if let Some(open) = self.open.last_mut() {
            open.current = entry;
        }
        self.skip_blanks()?;
        if self.peek() != Some(b':') {
            return match self.peek() {
                Some(_) => self.unexpected("`:`"),
                None => self.fail("unexpected end of text: expected `:`".to_owned()),
            };
        }
        self.at += 1;
        Ok(())
    }

    fn string(&mut self) -> Result<(), ParseError> {
        let position = self.position();
        let start = self.at + 1;
        self.at = start;
        self.string_run();
        match self.peek() {
            Some(b'"') => {
                self.push(EntryKind::Plain, position, start, self.at);
                self.at += 1;
                Ok(())
            }
            Some(b'\\') => self.escaped_string(position, start),
            _ => self.broken_string(),
        }
    }

    /// Passes the bytes of a string up to one that ends it, escapes or must not be there.
    #[inline]
    fn string_run(&mut self) {
        let rest = &self.bytes[self.at..];
        let mut run = 0;
        let mut wide = 0;
        while let Some(byte) = rest.get(run) {
            match STRING_BYTES[usize::from(*byte)] {
                StringByte::Stop => break,
                StringByte::First => {}
                StringByte::Continues => wide += 1,
            }
            run += 1;
        }
        self.at += run;
        self.wide += wide;
    }

    fn broken_string<T>(&self) -> Result<T, ParseError> {
        match self.peek() {
            Some(byte) => self.fail(format!("control character U+{byte:04X} in a string: expected an escape")),
            None => self.fail("unexpected end of text: expected `\"` at the end of a string".to_owned()),
        }
    }

    fn escaped_string(&mut self, position: Position, start: usize) -> Result<(), ParseError> {
        let first = self.resolved.len();
        let mut run = start;
        loop {
            self.resolved.push_str(&self.text[run..self.at]);
            match self.peek() {
                Some(b'"') => {
                    self.push(EntryKind::Escaped, position, first, self.resolved.len());
                    self.at += 1;
                    return Ok(());
                }
                Some(b'\\') => {
                    let c = self.escape()?;
                    self.resolved.push(c);
                    run = self.at;
                    self.string_run();
                }
                _ => return self.broken_string(),
            }
        }
    }

    /// At a backslash: the character it stands for.
    fn escape(&mut self) -> Result<char, ParseError> {
        let c = match self.bytes.get(self.at + 1) {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode_escape(),
            Some(_) => {
                self.at += 1;
                return self.unexpected("one of `\"\\/bfnrtu` behind a backslash");
            }
            None => return self.fail("unexpected end of text in an escape".to_owned()),
        };
        self.at += 2;
        Ok(c)
    }

    fn unicode_escape(&mut self) -> Result<char, ParseError> {
        let start = self.at;
        let first = self.code_unit()?;
        let code = match first {
            0xD800..=0xDBFF if self.bytes[self.at..].starts_with(b"\\u") => {
                let second = self.code_unit()?;
                if !(0xDC00..=0xDFFF).contains(&second) {
                    self.at = start;
                    return self.fail(format!("unpaired surrogate `\\u{first:04x}` in a string"));
                }
                0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00)
            }
            _ => first,
        };
        match char::from_u32(code) {
            Some(c) => Ok(c),
            None => {
                self.at = start;
                self.fail(format!("unpaired surrogate `\\u{first:04x}` in a string"))
            }
        }
    }

    /// At `\u`: its four hexadecimal digits.
    fn code_unit(&mut self) -> Result<u32, ParseError> {
        let mut unit = 0;
        self.at += 2;
        for _ in 0..4 {
            let Some(digit) = self.peek().and_then(|byte| (byte as char).to_digit(16)) else {
                return match self.peek() {
                    Some(_) => self.unexpected("four hexadecimal digits behind `\\u`"),
                    None => self.fail("unexpected end of text in an escape".to_owned()),
                };
            };
            unit = unit * 16 + digit;
            self.at += 1;
        }
        Ok(unit)
    }

    fn number(&mut self) -> Result<(), ParseError> {
        let (position, start) = (self.position(), self.at);
        self.at += usize::from(self.peek() == Some(b'-'));
        let leading_zero = self.peek() == Some(b'0');
        let digits_start = self.at;
        self.digits()?;
        if leading_zero && self.at > digits_start + 1 {
            self.at = digits_start;
            return self.fail("number with a leading zero".to_owned());
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            self.at += usize::from(matches!(self.peek(), Some(b'+' | b'-')));
            self.digits()?;
        }
        if self.at - start > NUMBER_MAX {
            self.at = start;
            return self.fail(format!("number longer than {NUMBER_MAX} characters"));
        }
        self.push(EntryKind::Number, position, start, self.at);
        Ok(())
    }

    fn digits(&mut self) -> Result<(), ParseError> {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        if self.at > start {
            return Ok(());
        }
        match self.peek() {
            Some(_) => self.unexpected("a digit"),
            None => self.fail("unexpected end of text: expected a digit".to_owned()),
        }
    }

    fn word(&mut self) -> Result<(), ParseError> {
        let (position, start) = (self.position(), self.at);
        while let Some(b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'$') = self.peek() {
            self.at += 1;
        }
        let kind = match &self.text[start..self.at] {
            "null" => EntryKind::Null,
            "true" => EntryKind::True,
            "false" => EntryKind::False,
            word => {
                let mut reason = format!("unexpected word `{}`: expected a value", super::shorten(word));
                if start == 0 && self.at == self.text.len() && !word.is_empty() {
                    // The commonest slip with a type that is a name alone.
                    let _ =
                        write!(reason, "; as the name of a type it stands in quotes: `\"{}\"`", super::shorten(word));
                }
                self.at = start;
                return self.fail(reason);
            }
        };
        self.push(kind, position, start, self.at);
        Ok(())
    }

    /// Most values are followed by no blank: that case is worth a test of its own.
    #[inline]
    fn skip_blanks(&mut self) -> Result<(), ParseError> {
        match self.peek() {
            Some(byte) if byte > b' ' && byte != b'/' => Ok(()),
            _ => self.skip_blanks_and_comments(),
        }
    }

    fn skip_blanks_and_comments(&mut self) -> Result<(), ParseError> {
        loop {
            match self.peek() {
                Some(b' ' | b'\t' | b'\n' | b'\r') => self.blank(),
                Some(b'/') => self.comment()?,
                _ => return Ok(()),
            }
        }
    }

    /// At a blank. A lone carriage return ends a line, as it does for Java's parser.
    fn blank(&mut self) {
        let byte = self.bytes[self.at];
        self.at += 1;
        if byte == b'\n' || (byte == b'\r' && self.peek() != Some(b'\n')) {
            self.line += 1;
            self.line_start = self.at;
            self.wide = 0;
        }
    }

    /// At a slash: a `//` or `/* */` comment.
    fn comment(&mut self) -> Result<(), ParseError> {
        match self.bytes.get(self.at + 1) {
            Some(b'/') => {
                while !matches!(self.peek(), None | Some(b'\n' | b'\r')) {
                    self.comment_byte();
                }
                Ok(())
            }
            Some(b'*') => {
                let start = self.at;
                self.at += 2;
                while !self.bytes[self.at..].starts_with(b"*/") {
                    if self.at >= self.bytes.len() {
                        return self.fail("unexpected end of text in a comment".to_owned());
                    }
                    self.comment_byte();
                }
                debug_assert!(self.at > start);
                self.at += 2;
                Ok(())
            }
            _ => self.unexpected("a value or a comment"),
        }
    }

    fn comment_byte(&mut self) {
        let byte = self.bytes[self.at];
        if byte == b'\n' || byte == b'\r' {
            return self.blank();
        }
        self.wide += usize::from(byte & 0xC0 == 0x80);
        self.at += 1;
    }

    #[inline]
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    #[inline]
    fn push(&mut self, kind: EntryKind, position: Position, start: usize, end: usize) -> Entry {
        let entry = self.slots.len() as Entry;
        self.slots.push(Slot { kind, position, start: start as u32, end: end as u32, next: entry + 1 });
        entry
    }

    #[inline]
    fn position(&self) -> Position {
        Position { line: self.line, column: (self.at - self.line_start - self.wide) as u32 + 1 }
    }

    fn unexpected<T>(&self, expected: &str) -> Result<T, ParseError> {
        let found = self.text[self.at..].chars().next().unwrap_or_default();
        let shown = match found {
            '"' | '\'' => found.to_string(),
            other => other.escape_debug().to_string(),
        };
        self.fail(format!("unexpected character `{shown}` (U+{:04X}): expected {expected}", found as u32))
    }

    /// An error at the current byte, in the value being read.
    fn fail<T>(&self, reason: String) -> Result<T, ParseError> {
        let mut pointer = String::new();
        for open in &self.open {
            if open.is_object {
                let key = self.slots.get(open.current as usize).filter(|_| open.current > open.entry);
                match key {
                    Some(slot) if slot.kind == EntryKind::Plain => {
                        push_segment(&mut pointer, &self.text[slot.start as usize..slot.end as usize]);
                    }
                    Some(slot) => push_segment(&mut pointer, &self.resolved[slot.start as usize..slot.end as usize]),
                    None => {}
                }
            } else {
                let _ = write!(pointer, "/{}", open.current);
            }
        }
        Err(ParseError { reason, position: self.position(), pointer })
    }
}
