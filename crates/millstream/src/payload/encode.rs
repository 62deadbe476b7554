//! A value to fields, in the order in which the type has its parts.

use std::fmt;

use serde::Serialize;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;

use super::PayloadError;
use crate::message::Fields;

pub(super) fn encode<T: Serialize>(value: &T) -> Result<Fields, PayloadError> {
    let json = serde_json::to_string(value).map_err(|error| PayloadError(error.to_string()))?;
    let parts: Parts = serde_json::from_str(&json)
        .map_err(|_| PayloadError("an entry is made from a struct or a map".to_owned()))?;
    let fields = parts.0.into_iter().filter_map(|(name, part)| Some((name, text(part)?)));
    let fields: Fields = fields.collect();
    if fields.is_empty() {
        return Err(PayloadError("an entry has at least one field".to_owned()));
    }
    Ok(fields)
}

/// `None`: the field is left out.
fn text(part: Value) -> Option<String> {
    match part {
        Value::Null => None,
        Value::String(text) => Some(text),
        other => Some(other.to_string()),
    }
}

/// The parts of an object in their order, which a map would lose.
struct Parts(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Parts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(PartsVisitor)
    }
}

struct PartsVisitor;

impl<'de> Visitor<'de> for PartsVisitor {
    type Value = Parts;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Parts, A::Error> {
        let mut parts = Vec::new();
        while let Some(part) = map.next_entry()? {
            parts.push(part);
        }
        Ok(Parts(parts))
    }
}
