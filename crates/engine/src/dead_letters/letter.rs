//! A dead letter as an entry, and back.
//!
//! Names and their order are part of what clients rely on: `docs/delivery.md`, "Dead letters". The
//! fields of the entry are JSON: an object where names are unique and all is UTF-8, else an array
//! of pairs, in which bytes that are not UTF-8 are `{"b64": "..."}`. Tests: `tests.rs`.

use std::collections::HashSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use millstream_model::{EntryId, EntryRef};
use serde_json::Value;

pub(crate) const ORIGINAL_ID: &[u8] = b"original_id";
pub(crate) const ORIGINAL_DATA: &[u8] = b"original_data";
pub(crate) const CONSUMER: &[u8] = b"consumer";
pub(crate) const STREAM: &[u8] = b"stream";
pub(crate) const GROUP: &[u8] = b"group";
pub(crate) const REASON: &[u8] = b"reason";

/// Why an entry became a dead letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    /// It was delivered as often as its group allows.
    MaxDeliveries,
    /// A consumer said that it will never succeed.
    Fatal,
}

impl Reason {
    fn text(self) -> &'static str {
        match self {
            Self::MaxDeliveries => "max-deliveries",
            Self::Fatal => "fatal",
        }
    }
}

/// Everything about a dead letter but the entry itself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Circumstances<'a> {
    pub(crate) wall_ms: u64,
    pub(crate) consumer: &'a [u8],
    pub(crate) stream: &'a [u8],
    pub(crate) group: &'a [u8],
    pub(crate) delivery_count: u64,
    pub(crate) reason: Reason,
    pub(crate) error: &'a [u8],
}

/// Names and values in turn.
pub(crate) fn write(entry: EntryRef<'_>, about: &Circumstances<'_>) -> Vec<Vec<u8>> {
    let failed_at = format!("{}.{:03}", about.wall_ms / 1000, about.wall_ms % 1000);
    let pairs: [(&[u8], Vec<u8>); 9] = [
        (ORIGINAL_ID, entry.id().to_string().into_bytes()),
        (ORIGINAL_DATA, json(entry.pairs())),
        (b"failed_at", failed_at.into_bytes()),
        (CONSUMER, about.consumer.to_vec()),
        (STREAM, about.stream.to_vec()),
        (GROUP, about.group.to_vec()),
        (b"delivery_count", about.delivery_count.to_string().into_bytes()),
        (REASON, about.reason.text().into()),
        (b"error", about.error.to_vec()),
    ];
    pairs.into_iter().flat_map(|(name, value)| [name.to_vec(), value]).collect()
}

fn json<'p>(pairs: impl Iterator<Item = (&'p [u8], &'p [u8])>) -> Vec<u8> {
    let pairs: Vec<_> = pairs.collect();
    let mut names = HashSet::new();
    let is_plain = pairs.iter().all(|(name, value)| {
        names.insert(*name)
            && std::str::from_utf8(name).is_ok()
            && std::str::from_utf8(value).is_ok()
    });
    let (open, between, close) = if is_plain { (b'{', b':', b'}') } else { (b'[', b',', b']') };
    let mut out = vec![open];
    for (at, (name, value)) in pairs.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        if !is_plain {
            out.push(b'[');
        }
        put_string(name, &mut out);
        out.push(between);
        put_string(value, &mut out);
        if !is_plain {
            out.push(b']');
        }
    }
    out.push(close);
    out
}

/// How long the JSON of an entry's fields is at most.
pub(crate) fn json_len(entry: EntryRef<'_>) -> usize {
    let texts = entry.pairs().flat_map(|(name, value)| [name, value]);
    texts.map(|text| string_len(text) + 4).sum::<usize>() + 2
}

fn string_len(bytes: &[u8]) -> usize {
    if std::str::from_utf8(bytes).is_err() {
        return bytes.len().div_ceil(3) * 4 + 12;
    }
    let escaped = |byte: &u8| match byte {
        0..0x20 => 6,
        b'"' | b'\\' => 2,
        _ => 1,
    };
    bytes.iter().map(escaped).sum::<usize>() + 2
}

fn put_string(bytes: &[u8], out: &mut Vec<u8>) {
    match std::str::from_utf8(bytes) {
        Ok(text) => {
            serde_json::to_writer(&mut *out, text).expect("a vector takes everything");
        }
        Err(_) => {
            out.extend_from_slice(b"{\"b64\":\"");
            out.extend_from_slice(BASE64.encode(bytes).as_bytes());
            out.extend_from_slice(b"\"}");
        }
    }
}

/// What a dead letter says. Fields that are missing are empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Letter {
    pub(crate) original_id: EntryId,
    /// JSON.
    pub(crate) original_data: Vec<u8>,
    pub(crate) consumer: Vec<u8>,
    pub(crate) stream: Vec<u8>,
    pub(crate) group: Vec<u8>,
    pub(crate) reason: Vec<u8>,
}

impl Letter {
    /// `None`: the entry is no dead letter.
    pub(crate) fn read(entry: EntryRef<'_>) -> Option<Self> {
        let field = |wanted: &[u8]| entry.pairs().find(|(name, _)| *name == wanted);
        let value = |wanted| field(wanted).map(|(_, value)| value.to_vec());
        Some(Self {
            original_id: parse_id(&value(ORIGINAL_ID)?)?,
            original_data: value(ORIGINAL_DATA)?,
            consumer: value(CONSUMER).unwrap_or_default(),
            stream: value(STREAM)?,
            group: value(GROUP).unwrap_or_default(),
            reason: value(REASON).unwrap_or_default(),
        })
    }

    /// Names and values of the entry in turn; `None`: the data is not what [`write`] makes, or
    /// holds nothing.
    pub(crate) fn fields(&self) -> Option<Vec<Vec<u8>>> {
        let value: Value = serde_json::from_slice(&self.original_data).ok()?;
        let fields: Vec<Vec<u8>> = match value {
            Value::Object(_) => object_fields(&self.original_data)?,
            Value::Array(pairs) => {
                let mut fields = Vec::with_capacity(pairs.len() * 2);
                for pair in pairs {
                    let [name, value] = pair.as_array()?.as_slice() else { return None };
                    fields.push(bytes_of(name)?);
                    fields.push(bytes_of(value)?);
                }
                fields
            }
            _ => return None,
        };
        (!fields.is_empty()).then_some(fields)
    }
}

/// The members of an object in their order, which [`Value`] does not keep.
fn object_fields(json: &[u8]) -> Option<Vec<Vec<u8>>> {
    let members: Members = serde_json::from_slice(json).ok()?;
    Some(members.0)
}

struct Members(Vec<Vec<u8>>);

impl<'de> serde::Deserialize<'de> for Members {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Members;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object of strings")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(
                self,
                mut members: A,
            ) -> Result<Members, A::Error> {
                let mut fields = Vec::new();
                while let Some((name, value)) = members.next_entry::<String, Value>()? {
                    fields.push(name.into_bytes());
                    // Whoever wrote a letter by hand may have used numbers.
                    fields.push(match value {
                        Value::String(text) => text.into_bytes(),
                        other => other.to_string().into_bytes(),
                    });
                }
                Ok(Members(fields))
            }
        }
        from.deserialize_map(Visitor)
    }
}

fn bytes_of(value: &Value) -> Option<Vec<u8>> {
    match value {
        Value::String(text) => Some(text.clone().into_bytes()),
        Value::Object(members) if members.len() == 1 => {
            BASE64.decode(members.get("b64")?.as_str()?).ok()
        }
        _ => None,
    }
}

fn parse_id(text: &[u8]) -> Option<EntryId> {
    let (ms, seq) = std::str::from_utf8(text).ok()?.split_once('-')?;
    Some(EntryId::new(ms.parse().ok()?, seq.parse().ok()?))
}
