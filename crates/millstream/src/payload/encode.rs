//! A value to fields, in the order in which the type has its parts.
//!
//! A part that is one thing becomes its text, or its bytes as they are; one that has parts becomes
//! JSON. What is one thing does not go through JSON: that has no bytes, no numbers of 128 bits, and
//! nothing that is no number.

use std::fmt;

use bytes::Bytes;
use serde::Serialize;
use serde::ser::{Impossible, SerializeMap, SerializeStruct, Serializer};

use super::PayloadError;
use crate::message::Fields;

pub(super) fn encode<T: Serialize>(value: &T) -> Result<Fields, PayloadError> {
    let fields = match value.serialize(Entry) {
        Ok(named) => named.into_iter().collect(),
        Err(Unfit::Other(text)) => return Err(PayloadError(text)),
        // A variant with parts is an object of one.
        Err(Unfit::Shape) => match serde_json::to_value(value) {
            Ok(serde_json::Value::Object(object)) => {
                object.into_iter().map(|(name, part)| (name, part.to_string())).collect()
            }
            _ => Fields::new(),
        },
    };
    if fields.is_empty() {
        let text = "an entry is made from a struct or a map with at least one field";
        return Err(PayloadError(text.to_owned()));
    }
    Ok(fields)
}

/// `None`: the field is left out.
fn part<T: Serialize + ?Sized>(value: &T) -> Result<Option<Bytes>, Unfit> {
    match value.serialize(Single) {
        Err(Unfit::Shape) => {
            let json =
                serde_json::to_vec(value).map_err(|error| Unfit::Other(error.to_string()))?;
            Ok(Some(json.into()))
        }
        one => one,
    }
}

/// Why a value does not become what is wanted.
#[derive(Debug)]
enum Unfit {
    /// It has parts, or it has none.
    Shape,
    /// What it says itself.
    Other(String),
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shape => f.write_str("it is of another shape"),
            Self::Other(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for Unfit {}

impl serde::ser::Error for Unfit {
    fn custom<T: fmt::Display>(text: T) -> Self {
        Self::Other(text.to_string())
    }
}

/// Shapes that a serializer does not take.
macro_rules! unfit {
    (
        $ok:ty; $($associated:ident)*;
        $($method:ident($($argument:ty),*) $(-> $returned:ident)?;)*
    ) => {
        $(type $associated = Impossible<$ok, Unfit>;)*
        $(unfit!(@method $ok; $method($($argument),*) $($returned)?);)*
    };
    (@method $ok:ty; $method:ident($($argument:ty),*)) => {
        fn $method(self, $(_: $argument),*) -> Result<$ok, Unfit> {
            Err(Unfit::Shape)
        }
    };
    (@method $ok:ty; $method:ident($($argument:ty),*) $returned:ident) => {
        fn $method(self, $(_: $argument),*) -> Result<Self::$returned, Unfit> {
            Err(Unfit::Shape)
        }
    };
}

/// Names and values.
type Named = Vec<(Bytes, Bytes)>;

/// Takes what has named parts.
struct Entry;

impl Serializer for Entry {
    type Ok = Named;
    type Error = Unfit;
    type SerializeMap = Collected;
    type SerializeStruct = Collected;

    unfit! {
        Named;
        SerializeSeq SerializeTuple SerializeTupleStruct SerializeTupleVariant
        SerializeStructVariant;
        serialize_bool(bool);
        serialize_i8(i8);
        serialize_i16(i16);
        serialize_i32(i32);
        serialize_i64(i64);
        serialize_u8(u8);
        serialize_u16(u16);
        serialize_u32(u32);
        serialize_u64(u64);
        serialize_f32(f32);
        serialize_f64(f64);
        serialize_char(char);
        serialize_str(&str);
        serialize_bytes(&[u8]);
        serialize_none();
        serialize_unit();
        serialize_unit_struct(&'static str);
        serialize_unit_variant(&'static str, u32, &'static str);
        serialize_seq(Option<usize>) -> SerializeSeq;
        serialize_tuple(usize) -> SerializeTuple;
        serialize_tuple_struct(&'static str, usize) -> SerializeTupleStruct;
        serialize_tuple_variant(&'static str, u32, &'static str, usize) -> SerializeTupleVariant;
        serialize_struct_variant(&'static str, u32, &'static str, usize) -> SerializeStructVariant;
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Named, Unfit> {
        value.serialize(self)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        value: &T,
    ) -> Result<Named, Unfit> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<Named, Unfit> {
        Ok(part(value)?.into_iter().map(|value| (variant.into(), value)).collect())
    }

    fn serialize_map(self, _length: Option<usize>) -> Result<Collected, Unfit> {
        Ok(Collected::default())
    }

    fn serialize_struct(self, _name: &'static str, _length: usize) -> Result<Collected, Unfit> {
        Ok(Collected::default())
    }
}

#[derive(Default)]
struct Collected {
    named: Named,
    /// Of a map: what comes next is its value.
    name: Option<Bytes>,
}

impl SerializeMap for Collected {
    type Ok = Named;
    type Error = Unfit;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Unfit> {
        let name = key.serialize(Single).ok().flatten();
        self.name = Some(name.ok_or_else(|| Unfit::Other("a name has no parts".to_owned()))?);
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unfit> {
        let name = self.name.take().ok_or_else(|| Unfit::Other("a value has a name".to_owned()))?;
        self.named.extend(part(value)?.map(|value| (name, value)));
        Ok(())
    }

    fn end(self) -> Result<Named, Unfit> {
        Ok(self.named)
    }
}

impl SerializeStruct for Collected {
    type Ok = Named;
    type Error = Unfit;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), Unfit> {
        self.named.extend(part(value)?.map(|value| (name.into(), value)));
        Ok(())
    }

    fn end(self) -> Result<Named, Unfit> {
        Ok(self.named)
    }
}

/// Takes what has no parts.
struct Single;

macro_rules! texts {
    ($($method:ident($type:ty) $format:literal;)*) => {
        $(fn $method(self, value: $type) -> Result<Option<Bytes>, Unfit> {
            Ok(Some(format!($format, value).into()))
        })*
    };
}

impl Serializer for Single {
    type Ok = Option<Bytes>;
    type Error = Unfit;

    texts! {
        serialize_bool(bool) "{}";
        serialize_i8(i8) "{}";
        serialize_i16(i16) "{}";
        serialize_i32(i32) "{}";
        serialize_i64(i64) "{}";
        serialize_i128(i128) "{}";
        serialize_u8(u8) "{}";
        serialize_u16(u16) "{}";
        serialize_u32(u32) "{}";
        serialize_u64(u64) "{}";
        serialize_u128(u128) "{}";
        serialize_f32(f32) "{:?}";
        serialize_f64(f64) "{:?}";
        serialize_char(char) "{}";
        serialize_str(&str) "{}";
    }

    unfit! {
        Option<Bytes>;
        SerializeSeq SerializeTuple SerializeTupleStruct SerializeTupleVariant SerializeMap
        SerializeStruct SerializeStructVariant;
        serialize_seq(Option<usize>) -> SerializeSeq;
        serialize_tuple(usize) -> SerializeTuple;
        serialize_tuple_struct(&'static str, usize) -> SerializeTupleStruct;
        serialize_tuple_variant(&'static str, u32, &'static str, usize) -> SerializeTupleVariant;
        serialize_map(Option<usize>) -> SerializeMap;
        serialize_struct(&'static str, usize) -> SerializeStruct;
        serialize_struct_variant(&'static str, u32, &'static str, usize) -> SerializeStructVariant;
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<Option<Bytes>, Unfit> {
        Ok(Some(Bytes::copy_from_slice(value)))
    }

    fn serialize_none(self) -> Result<Option<Bytes>, Unfit> {
        Ok(None)
    }

    fn serialize_unit(self) -> Result<Option<Bytes>, Unfit> {
        Ok(None)
    }

    fn serialize_unit_struct(self, _name: &'static str) -> Result<Option<Bytes>, Unfit> {
        Ok(None)
    }

    fn serialize_unit_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
    ) -> Result<Option<Bytes>, Unfit> {
        Ok(Some(variant.into()))
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Option<Bytes>, Unfit> {
        value.serialize(self)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        value: &T,
    ) -> Result<Option<Bytes>, Unfit> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        _index: u32,
        _variant: &'static str,
        _value: &T,
    ) -> Result<Option<Bytes>, Unfit> {
        Err(Unfit::Shape)
    }
}
