//! Fields of an entry in JSON, read.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use millstream::Fields;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// Fields of an entry: an object, or a list of pairs where names come twice or bytes are no text
/// (`{"b64": "..."}`). What is null is left out, what is neither text nor null stands as its JSON.
///
/// # Errors
/// What is wrong with it.
pub fn parse_fields(json: &[u8]) -> Result<Fields, String> {
    let FieldsJson(fields) = serde_json::from_slice(json).map_err(|error| explain(&error))?;
    Ok(fields)
}

/// The same within another document.
#[derive(Clone, Debug)]
pub struct FieldsJson(pub Fields);

impl<'de> Deserialize<'de> for FieldsJson {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let pairs = Parsed::deserialize(deserializer)?;
        of_pairs(pairs).map(Self).map_err(serde::de::Error::custom)
    }
}

fn of_pairs(Parsed(pairs): Parsed) -> Result<Fields, String> {
    let mut fields = Vec::with_capacity(pairs.len());
    for (name, value) in pairs {
        match value {
            Some(value) => fields.push((name, value)),
            None => continue,
        }
    }
    if fields.is_empty() {
        return Err("an entry has at least one field".to_owned());
    }
    Ok(fields.into_iter().collect())
}

/// Without the number of the line, which is always 1.
fn explain(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.split_once(" at line ") {
        Some((what, _)) => format!("{what} at column {}", error.column()),
        None => text,
    }
}

/// Names, and values where there are some.
struct Parsed(Vec<(Bytes, Option<Bytes>)>);

impl<'de> Deserialize<'de> for Parsed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PairsVisitor)
    }
}

struct PairsVisitor;

impl<'de> Visitor<'de> for PairsVisitor {
    type Value = Parsed;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of fields, or a list of pairs of a name and a value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Parsed, A::Error> {
        let mut pairs = Vec::new();
        while let Some((name, value)) = map.next_entry::<String, &RawValue>()? {
            pairs.push((name.into(), value_of(value.get()).map_err(serde::de::Error::custom)?));
        }
        Ok(Parsed(pairs))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Parsed, A::Error> {
        let mut pairs = Vec::new();
        while let Some((name, value)) = list.next_element::<(&RawValue, &RawValue)>()? {
            let name = value_of(name.get()).map_err(serde::de::Error::custom)?;
            let name = name.ok_or_else(|| serde::de::Error::custom("null is no name"))?;
            pairs.push((name, value_of(value.get()).map_err(serde::de::Error::custom)?));
        }
        Ok(Parsed(pairs))
    }
}

/// Bytes in JSON.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Base64 {
    b64: String,
}

/// The bytes that a value of JSON stands for; `None`: it is null.
fn value_of(json: &str) -> Result<Option<Bytes>, String> {
    let value: Vec<u8> = match json.as_bytes().first() {
        Some(b'n') => return Ok(None),
        Some(b'"') => {
            let text: String = serde_json::from_str(json).map_err(|error| explain(&error))?;
            text.into()
        }
        Some(b'{') => match serde_json::from_str::<Base64>(json) {
            Ok(Base64 { b64 }) => {
                STANDARD.decode(b64).map_err(|error| format!("b64 is no base64: {error}"))?
            }
            Err(_) => compact(json),
        },
        Some(b'[') => compact(json),
        _ => json.into(),
    };
    Ok(Some(value.into()))
}

/// JSON without blanks between its parts, and with all else as it stands: the digits of a number
/// are not changed.
fn compact(json: &str) -> Vec<u8> {
    let (mut is_text, mut is_escaped) = (false, false);
    let keep = |byte: &u8| {
        if is_text {
            match byte {
                _ if is_escaped => is_escaped = false,
                b'\\' => is_escaped = true,
                b'"' => is_text = false,
                _ => {}
            }
            return true;
        }
        is_text = *byte == b'"';
        !byte.is_ascii_whitespace()
    };
    json.bytes().filter(keep).collect()
}
