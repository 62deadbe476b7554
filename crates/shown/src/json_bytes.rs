//! Bytes in JSON.

use std::borrow::Cow;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{AdditionalProperties, ObjectBuilder, OneOfBuilder, Schema};
use utoipa::{PartialSchema, ToSchema};

/// A text where it is UTF-8, else `{"b64": "..."}`: as in dead letters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct JsonBytes(pub Bytes);

impl From<&Path> for JsonBytes {
    fn from(path: &Path) -> Self {
        Self(Bytes::copy_from_slice(path.as_os_str().as_bytes()))
    }
}

impl Serialize for JsonBytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match std::str::from_utf8(&self.0) {
            Ok(text) => serializer.serialize_str(text),
            Err(_) => serializer.collect_map([("b64", STANDARD.encode(&self.0))]),
        }
    }
}

impl<'de> Deserialize<'de> for JsonBytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Read::deserialize(deserializer)? {
            Read::Text(text) => Ok(Self(text.into())),
            Read::Bytes(Base64 { b64 }) => {
                let bytes = STANDARD.decode(b64).map_err(serde::de::Error::custom)?;
                Ok(Self(bytes.into()))
            }
        }
    }
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "a text, or {\"b64\": \"...\"}")]
enum Read {
    Text(String),
    Bytes(Base64),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Base64 {
    b64: String,
}

impl PartialSchema for JsonBytes {
    fn schema() -> RefOr<Schema> {
        let bytes = ObjectBuilder::new()
            .property("b64", String::schema())
            .required("b64")
            .additional_properties(Some(AdditionalProperties::FreeForm(false)));
        OneOfBuilder::new().item(String::schema()).item(bytes).into()
    }
}

impl ToSchema for JsonBytes {
    fn name() -> Cow<'static, str> {
        "Bytes".into()
    }
}
