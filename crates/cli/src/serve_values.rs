//! Values of the settings of `serve`, as they are written on the command line, in variables and in
//! the file.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

use millstream_server::BindAddress;
use serde::{Deserialize, Serialize, Serializer};

/// Addresses with blanks or commas between them, or a list of texts; none: TCP is off.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(try_from = "TextOrList", into = "String")]
pub(crate) struct BindList(pub(crate) Vec<BindAddress>);

#[derive(Deserialize)]
#[serde(untagged)]
pub(crate) enum TextOrList {
    Text(String),
    List(Vec<String>),
}

impl FromStr for BindList {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let addresses = text.split([' ', ',']).filter(|address| !address.is_empty());
        let addresses = addresses.map(str::parse).collect::<Result<Vec<_>, _>>()?;
        Ok(Self(addresses))
    }
}

impl From<BindList> for String {
    fn from(list: BindList) -> Self {
        list.0.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    }
}

impl TryFrom<TextOrList> for BindList {
    type Error = String;

    fn try_from(given: TextOrList) -> Result<Self, Self::Error> {
        match given {
            TextOrList::Text(text) => text.parse(),
            TextOrList::List(list) => list.join(" ").parse(),
        }
    }
}

/// The value of a setting as it was written: the server judges it.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(from = "NumberOrText", into = "NumberOrText")]
pub(crate) struct Setting(pub(crate) String);

#[derive(Deserialize, Serialize)]
#[serde(untagged)]
pub(crate) enum NumberOrText {
    Number(i64),
    Text(String),
}

impl From<NumberOrText> for Setting {
    fn from(given: NumberOrText) -> Self {
        match given {
            NumberOrText::Number(number) => Self(number.to_string()),
            NumberOrText::Text(text) => Self(text),
        }
    }
}

impl From<Setting> for NumberOrText {
    fn from(setting: Setting) -> Self {
        setting.0.parse().map_or(Self::Text(setting.0), Self::Number)
    }
}

impl FromStr for Setting {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.to_owned()))
    }
}

/// Where something listens, if it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "Setting", into = "Setting")]
pub(crate) enum Port {
    Off,
    Port(u16),
}

impl Port {
    /// The number; `None`: nothing listens.
    pub(crate) fn number(self) -> Option<u16> {
        match self {
            Self::Off => None,
            Self::Port(port) => Some(port),
        }
    }
}

impl FromStr for Port {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "off" => Ok(Self::Off),
            port => {
                port.parse().map(Self::Port).map_err(|_| format!("'{port}' is no port, nor off"))
            }
        }
    }
}

impl TryFrom<Setting> for Port {
    type Error = String;

    fn try_from(given: Setting) -> Result<Self, Self::Error> {
        given.0.parse()
    }
}

impl From<Port> for Setting {
    fn from(port: Port) -> Self {
        Self(match port {
            Port::Off => "off".to_owned(),
            Port::Port(port) => port.to_string(),
        })
    }
}

/// Permissions of a file. The digits are octal in the file, too, where they may be a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "Setting", into = "String")]
pub(crate) struct Permissions(pub(crate) u32);

impl From<Permissions> for String {
    fn from(permissions: Permissions) -> Self {
        format!("{:o}", permissions.0)
    }
}

impl FromStr for Permissions {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mode = u32::from_str_radix(text, 8).ok().filter(|mode| *mode <= 0o777);
        mode.map(Self).ok_or_else(|| format!("'{text}' is no number from 0 to 777 in octal digits"))
    }
}

impl TryFrom<Setting> for Permissions {
    type Error = String;

    fn try_from(given: Setting) -> Result<Self, Self::Error> {
        given.0.parse()
    }
}

/// A part of all, from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
#[serde(try_from = "f64", into = "f64")]
pub(crate) struct Part(f64);

impl TryFrom<f64> for Part {
    type Error = String;

    fn try_from(part: f64) -> Result<Self, Self::Error> {
        let is_one = (0.0..=1.0).contains(&part);
        if is_one { Ok(Self(part)) } else { Err(format!("'{part}' is not between 0 and 1")) }
    }
}

impl From<Part> for f64 {
    fn from(part: Part) -> Self {
        part.0
    }
}

impl FromStr for Part {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let part = text.parse::<f64>().map_err(|_| format!("'{text}' is no number"))?;
        part.try_into()
    }
}

pub(crate) fn parse_text<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
where
    T: FromStr<Err = String>,
    D: serde::Deserializer<'de>,
{
    let text = String::deserialize(deserializer)?;
    text.parse().map(Some).map_err(serde::de::Error::custom)
}

pub(crate) fn as_text<T, S>(value: &Option<T>, serializer: S) -> Result<S::Ok, S::Error>
where
    T: fmt::Display,
    S: Serializer,
{
    match value {
        Some(value) => serializer.collect_str(value),
        None => serializer.serialize_none(),
    }
}
