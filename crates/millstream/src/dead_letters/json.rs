//! The fields of an entry as JSON: an object where names are unique and all is text, else a list of
//! pairs in which bytes that are no text are `{"b64": "…"}`.

use std::collections::BTreeSet;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap as _, Serializer};

use crate::message::Fields;

pub(crate) fn encode(fields: &Fields) -> String {
    serde_json::to_string(&Encoded(fields)).expect("texts and lists always become JSON")
}

/// `None`: it is no such JSON.
pub(super) fn decode(json: &[u8]) -> Option<Fields> {
    let Decoded(pairs) = serde_json::from_slice(json).ok()?;
    Some(pairs.into_iter().collect())
}

struct Encoded<'a>(&'a Fields);

impl Serialize for Encoded<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let fields = self.0;
        let names: BTreeSet<&[u8]> = fields.iter().map(|(name, _)| name).collect();
        let texts = || fields.iter().map(|(n, v)| Some((text(n)?, text(v)?)));
        if names.len() < fields.len() || texts().any(|pair| pair.is_none()) {
            return serializer.collect_seq(fields.iter().map(|(n, v)| [Bytes(n), Bytes(v)]));
        }
        let mut map = serializer.serialize_map(Some(fields.len()))?;
        for (name, value) in texts().flatten() {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

struct Bytes<'a>(&'a [u8]);

impl Serialize for Bytes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match text(self.0) {
            Some(text) => serializer.serialize_str(text),
            None => serializer.collect_map([("b64", STANDARD.encode(self.0))]),
        }
    }
}

struct Decoded(Vec<(Vec<u8>, Vec<u8>)>);

impl<'de> Deserialize<'de> for Decoded {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PairsVisitor)
    }
}

struct PairsVisitor;

impl<'de> Visitor<'de> for PairsVisitor {
    type Value = Decoded;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of texts or a list of pairs")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Decoded, A::Error> {
        let mut pairs = Vec::new();
        while let Some((name, value)) = map.next_entry::<String, String>()? {
            pairs.push((name.into(), value.into()));
        }
        Ok(Decoded(pairs))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Decoded, A::Error> {
        let mut pairs = Vec::new();
        while let Some((name, value)) = list.next_element::<(DecodedBytes, DecodedBytes)>()? {
            pairs.push((name.0, value.0));
        }
        Ok(Decoded(pairs))
    }
}

struct DecodedBytes(Vec<u8>);

impl<'de> Deserialize<'de> for DecodedBytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(BytesVisitor).map(Self)
    }
}

struct BytesVisitor;

impl<'de> Visitor<'de> for BytesVisitor {
    type Value = Vec<u8>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text or an object with b64")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Vec<u8>, E> {
        Ok(text.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Vec<u8>, A::Error> {
        let Some((key, encoded)) = map.next_entry::<String, String>()? else {
            return Err(serde::de::Error::missing_field("b64"));
        };
        if key != "b64" {
            return Err(serde::de::Error::unknown_field(&key, &["b64"]));
        }
        STANDARD.decode(encoded).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_become_an_object_where_one_can_hold_them_and_come_back_in_order() {
        let cases = [
            (Fields::new().with("b", "1").with("a", "é\""), r#"{"b":"1","a":"é\""}"#),
            (Fields::new().with("a", "1").with("a", "2"), r#"[["a","1"],["a","2"]]"#),
            (Fields::new().with("a", vec![0xff]), r#"[["a",{"b64":"/w=="}]]"#),
            (Fields::new(), "{}"),
        ];
        for (fields, json) in cases {
            assert_eq!(encode(&fields), json);
            assert_eq!(decode(json.as_bytes()), Some(fields));
        }
    }

    #[test]
    fn other_json_is_refused() {
        for json in ["", "1", "[1]", r#"{"a":1}"#, r#"[["a"]]"#, r#"[["a",{"c":"d"}]]"#] {
            assert_eq!(decode(json.as_bytes()), None, "{json}");
        }
    }
}
