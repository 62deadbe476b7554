//! Entries as values of the program's own types, by serde.
//!
//! A struct's fields are the entry's fields: texts and bytes as they are, numbers and switches as
//! text, and what has parts (lists, maps, structs) as JSON. `None` is a field that is missing. What
//! other programs add field by field can be read, and they can read what is added here.

mod decode;
mod encode;

use std::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::message::Fields;

/// What can be made from the fields of an entry: [`Fields`] themselves, and everything that serde
/// can deserialize from a map.
pub trait FromFields: Sized + Send {
    /// Made from the fields of an entry.
    ///
    /// # Errors
    /// [`PayloadError`] says which field is not as it should be.
    fn from_fields(fields: &Fields) -> Result<Self, PayloadError>;
}

/// What can be an entry: [`Fields`] themselves, and everything that serde serializes as a struct or
/// a map with at least one field.
pub trait ToFields {
    /// As the fields of an entry.
    ///
    /// # Errors
    /// [`PayloadError`]: it has no names for its parts, or cannot be serialized.
    fn to_fields(&self) -> Result<Fields, PayloadError>;
}

/// An entry and a type that do not go together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PayloadError(String);

impl fmt::Display for PayloadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for PayloadError {}

impl serde::de::Error for PayloadError {
    fn custom<T: fmt::Display>(text: T) -> Self {
        Self(text.to_string())
    }
}

impl FromFields for Fields {
    fn from_fields(fields: &Fields) -> Result<Self, PayloadError> {
        Ok(fields.clone())
    }
}

impl<T: DeserializeOwned + Send> FromFields for T {
    fn from_fields(fields: &Fields) -> Result<Self, PayloadError> {
        decode::decode(fields)
    }
}

impl ToFields for Fields {
    fn to_fields(&self) -> Result<Fields, PayloadError> {
        Ok(self.clone())
    }
}

impl<T: Serialize> ToFields for T {
    fn to_fields(&self) -> Result<Fields, PayloadError> {
        encode::encode(self)
    }
}

#[cfg(test)]
mod tests;
