//! The two places where only one type may stand: map keys (text), and the bytes of a sequence for `bytes`.

use std::fmt::Display;

use serde::Serialize;
use serde::ser::{Impossible, Serializer};

use crate::codec::EncodeError;

/// Takes what reads as text: strings, characters, variants without data, integers and booleans.
pub(super) struct KeySerializer;

/// Takes an integer from 0 to 255.
pub(super) struct ByteSerializer<'a>(pub(super) &'a mut Vec<u8>);

impl ByteSerializer<'_> {
    fn byte<I: TryInto<u8> + Display + Copy>(self, value: I) -> Result<(), EncodeError> {
        let byte = value.try_into().map_err(|_| EncodeError::new(format!("{value} is no byte")))?;
        self.0.push(byte);
        Ok(())
    }
}

macro_rules! refuse {
    ($error:expr => $($method:ident($($argument:ty),*) -> $result:ty;)+) => {$(
        fn $method(self, $(_: $argument),*) -> Result<$result, EncodeError> {
            Err(EncodeError::new($error))
        }
    )+};
}

macro_rules! refuse_compound {
    ($ok:ty, $error:expr) => {
        type Ok = $ok;
        type Error = EncodeError;
        type SerializeSeq = Impossible<$ok, EncodeError>;
        type SerializeTuple = Impossible<$ok, EncodeError>;
        type SerializeTupleStruct = Impossible<$ok, EncodeError>;
        type SerializeTupleVariant = Impossible<$ok, EncodeError>;
        type SerializeMap = Impossible<$ok, EncodeError>;
        type SerializeStruct = Impossible<$ok, EncodeError>;
        type SerializeStructVariant = Impossible<$ok, EncodeError>;

        refuse! { $error =>
            serialize_f32(f32) -> $ok;
            serialize_f64(f64) -> $ok;
            serialize_bytes(&[u8]) -> $ok;
            serialize_none() -> $ok;
            serialize_unit() -> $ok;
            serialize_unit_struct(&'static str) -> $ok;
            serialize_seq(Option<usize>) -> Self::SerializeSeq;
            serialize_tuple(usize) -> Self::SerializeTuple;
            serialize_tuple_struct(&'static str, usize) -> Self::SerializeTupleStruct;
            serialize_tuple_variant(&'static str, u32, &'static str, usize) -> Self::SerializeTupleVariant;
            serialize_map(Option<usize>) -> Self::SerializeMap;
            serialize_struct(&'static str, usize) -> Self::SerializeStruct;
            serialize_struct_variant(&'static str, u32, &'static str, usize) -> Self::SerializeStructVariant;
        }

        fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<$ok, EncodeError> {
            value.serialize(self)
        }

        fn serialize_newtype_struct<T: Serialize + ?Sized>(
            self,
            _: &'static str,
            value: &T,
        ) -> Result<$ok, EncodeError> {
            value.serialize(self)
        }

        fn serialize_newtype_variant<T: Serialize + ?Sized>(
            self,
            _: &'static str,
            _: u32,
            _: &'static str,
            _: &T,
        ) -> Result<$ok, EncodeError> {
            Err(EncodeError::new($error))
        }
    };
}

macro_rules! each {
    ($helper:ident -> $ok:ty: $($method:ident($argument:ty)),+) => {$(
        fn $method(self, value: $argument) -> Result<$ok, EncodeError> {
            self.$helper(value)
        }
    )+};
}

impl KeySerializer {
    #[expect(clippy::unused_self, reason = "called through a macro that both serializers share")]
    fn text(self, value: impl Display) -> Result<String, EncodeError> {
        Ok(value.to_string())
    }
}

impl Serializer for KeySerializer {
    refuse_compound!(String, "the key of a map is no text");

    each!(text -> String: serialize_bool(bool), serialize_char(char), serialize_str(&str), serialize_i8(i8),
        serialize_i16(i16), serialize_i32(i32), serialize_i64(i64), serialize_u8(u8), serialize_u16(u16),
        serialize_u32(u32), serialize_u64(u64));

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<String, EncodeError> {
        Ok(variant.to_owned())
    }
}

impl Serializer for ByteSerializer<'_> {
    refuse_compound!((), "a sequence for bytes holds something else than bytes");

    each!(byte -> (): serialize_i8(i8), serialize_i16(i16), serialize_i32(i32), serialize_i64(i64), serialize_u8(u8),
        serialize_u16(u16), serialize_u32(u32), serialize_u64(u64));

    refuse! { "a sequence for bytes holds something else than bytes" =>
        serialize_bool(bool) -> ();
        serialize_char(char) -> ();
        serialize_str(&str) -> ();
        serialize_unit_variant(&'static str, u32, &'static str) -> ();
    }
}
