//! Fields to a value.

use serde::de::value::{MapDeserializer, StrDeserializer};
use serde::de::{DeserializeOwned, Deserializer, IntoDeserializer, Visitor};

use super::PayloadError;
use crate::message::Fields;

pub(super) fn decode<T: DeserializeOwned>(fields: &Fields) -> Result<T, PayloadError> {
    let parts = fields.iter().map(|(name, value)| (Name(name), Part { name, value }));
    T::deserialize(MapDeserializer::new(parts))
}

/// The name of a field. One that is no text is no name that a type can have.
#[derive(Clone, Copy)]
struct Name<'a>(&'a [u8]);

impl<'de> IntoDeserializer<'de, PayloadError> for Name<'de> {
    type Deserializer = StrDeserializer<'de, PayloadError>;

    fn into_deserializer(self) -> Self::Deserializer {
        std::str::from_utf8(self.0).unwrap_or("\u{fffd}").into_deserializer()
    }
}

/// The value of a field, which becomes what the type wants.
#[derive(Clone, Copy)]
struct Part<'a> {
    name: &'a [u8],
    value: &'a [u8],
}

impl<'a> Part<'a> {
    fn wrong(self, what: impl std::fmt::Display) -> PayloadError {
        PayloadError(format!("field {}: {what}", String::from_utf8_lossy(self.name)))
    }

    fn text(self) -> Result<&'a str, PayloadError> {
        std::str::from_utf8(self.value).map_err(|_| self.wrong("it is no text"))
    }

    fn parse<T: std::str::FromStr>(self, what: &str) -> Result<T, PayloadError> {
        let text = self.text()?;
        text.trim().parse().map_err(|_| self.wrong(format!("{text:?} is no {what}")))
    }
}

impl<'de> IntoDeserializer<'de, PayloadError> for Part<'de> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

macro_rules! numbers {
    ($($method:ident $visit:ident $what:literal;)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, PayloadError> {
            visitor.$visit(self.parse($what)?)
        })*
    };
}

macro_rules! from_json {
    ($($method:ident($($argument:ident: $type:ty),*);)*) => {
        $(fn $method<V: Visitor<'de>>(
            self,
            $($argument: $type,)*
            visitor: V,
        ) -> Result<V::Value, PayloadError> {
            let mut json = serde_json::Deserializer::from_slice(self.value);
            let part = (&mut json).$method($($argument,)* visitor);
            let part = part.and_then(|part| json.end().map(|()| part));
            part.map_err(|error| self.wrong(error))
        })*
    };
}

impl<'de> Deserializer<'de> for Part<'de> {
    type Error = PayloadError;

    numbers! {
        deserialize_i8 visit_i8 "whole number that fits";
        deserialize_i16 visit_i16 "whole number that fits";
        deserialize_i32 visit_i32 "whole number that fits";
        deserialize_i64 visit_i64 "whole number that fits";
        deserialize_i128 visit_i128 "whole number that fits";
        deserialize_u8 visit_u8 "whole number that fits";
        deserialize_u16 visit_u16 "whole number that fits";
        deserialize_u32 visit_u32 "whole number that fits";
        deserialize_u64 visit_u64 "whole number that fits";
        deserialize_u128 visit_u128 "whole number that fits";
        deserialize_f32 visit_f32 "number";
        deserialize_f64 visit_f64 "number";
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, PayloadError> {
        // A space is one, too.
        let mut all = self.text()?.chars();
        match (all.next(), all.next()) {
            (Some(only), None) => visitor.visit_char(only),
            _ => Err(self.wrong("it is no single character")),
        }
    }

    from_json! {
        deserialize_seq();
        deserialize_tuple(length: usize);
        deserialize_tuple_struct(name: &'static str, length: usize);
        deserialize_map();
        deserialize_struct(name: &'static str, fields: &'static [&'static str]);
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, PayloadError> {
        match std::str::from_utf8(self.value) {
            Ok(text) => visitor.visit_borrowed_str(text),
            Err(_) => visitor.visit_borrowed_bytes(self.value),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, PayloadError> {
        match self.text()?.trim() {
            "true" | "1" => visitor.visit_bool(true),
            "false" | "0" => visitor.visit_bool(false),
            other => Err(self.wrong(format!("{other:?} is neither true nor false"))),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, PayloadError> {
        visitor.visit_borrowed_str(self.text()?)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, PayloadError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, PayloadError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, PayloadError> {
        visitor.visit_borrowed_bytes(self.value)
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, PayloadError> {
        self.deserialize_bytes(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, PayloadError> {
        visitor.visit_some(self)
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, PayloadError> {
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, PayloadError> {
        visitor.visit_unit()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, PayloadError> {
        visitor.visit_newtype_struct(self)
    }

    /// A variant without parts is its name; others are JSON.
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, PayloadError> {
        if self.value.trim_ascii_start().starts_with(b"{") {
            let mut json = serde_json::Deserializer::from_slice(self.value);
            let part = (&mut json).deserialize_enum(name, variants, visitor);
            let part = part.and_then(|part| json.end().map(|()| part));
            return part.map_err(|error| self.wrong(error));
        }
        let text: StrDeserializer<'de, PayloadError> = self.text()?.into_deserializer();
        visitor.visit_enum(text).map_err(|error| self.wrong(error))
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(
        self,
        visitor: V,
    ) -> Result<V::Value, PayloadError> {
        visitor.visit_unit()
    }
}
