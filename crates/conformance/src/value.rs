//! One reply as scenarios see it: RESP2 and RESP3 and the kinds of nil stay apart, and it can be
//! shown in the notation of scenarios.

use std::fmt;

use millstream_resp::{DecodeError, Decoder};

/// A decoded reply.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `+`
    Simple(String),
    /// `-`
    Error(String),
    /// `:`
    Int(i64),
    /// `$`
    Bulk(Vec<u8>),
    /// `$-1`
    Nil,
    /// `*-1`
    NilArray,
    /// `_`, which stands for both in RESP3
    Null,
    /// `*`
    Array(Vec<Value>),
    /// `%`
    Map(Vec<(Value, Value)>),
    /// `~`
    Set(Vec<Value>),
    /// `>`
    Push(Vec<Value>),
    /// `,`, as text: there is no need to calculate with it
    Double(String),
    /// `(`, as text
    BigNumber(String),
    /// `#`
    Bool(bool),
    /// `=`, without its three letters of format
    Verbatim(Vec<u8>),
}

impl Value {
    /// Whether it is an error reply.
    pub fn is_error(&self) -> bool {
        matches!(self, Self::Error(_))
    }

    /// The bytes of a status, bulk or verbatim reply.
    pub fn bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Simple(text) => Some(text.as_bytes()),
            Self::Bulk(bytes) | Self::Verbatim(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// The value at the front of `input` and how many bytes it took, or `None` while it is
    /// incomplete.
    ///
    /// # Errors
    /// When the bytes are no reply.
    pub fn decode(input: &[u8]) -> Result<Option<(Self, usize)>, DecodeError> {
        let decoded = Decoder::new().decode(input)?;
        Ok(decoded.map(|(value, used)| (value.into(), used)))
    }
}

impl From<millstream_resp::Value> for Value {
    fn from(value: millstream_resp::Value) -> Self {
        use millstream_resp::Value as Wire;
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        let all = |items: Vec<Wire>| items.into_iter().map(Self::from).collect();
        match value {
            Wire::Simple(bytes) => Self::Simple(text(bytes)),
            Wire::Error(bytes) => Self::Error(text(bytes)),
            Wire::Int(int) => Self::Int(int),
            Wire::Bulk(bytes) => Self::Bulk(bytes),
            Wire::NilBulk => Self::Nil,
            Wire::NilArray => Self::NilArray,
            Wire::Null => Self::Null,
            Wire::Array(items) => Self::Array(all(items)),
            Wire::Set(items) => Self::Set(all(items)),
            Wire::Push(items) => Self::Push(all(items)),
            Wire::Map(pairs) => {
                Self::Map(pairs.into_iter().map(|(k, v)| (k.into(), v.into())).collect())
            }
            Wire::Double(number) => Self::Double(number.to_string()),
            Wire::Boolean(bool) => Self::Bool(bool),
            Wire::BigNumber(digits) => Self::BigNumber(text(digits)),
            Wire::Verbatim { text, .. } => Self::Verbatim(text),
            // Attributes may be dropped by any client.
            Wire::Attributed { value, .. } => Self::from(*value),
        }
    }
}

/// In the notation of scenarios, so that what a failure shows can be pasted into one.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Simple(text) => write!(f, "+{}", field_word(text.as_bytes())),
            Self::Error(text) => write!(f, "-{}", quote(text.as_bytes())),
            Self::Int(int) => write!(f, "{int}"),
            Self::Bulk(bytes) => write!(f, "{}", word(bytes)),
            Self::Nil => write!(f, "nil"),
            Self::NilArray => write!(f, "nil-array"),
            Self::Null => write!(f, "null"),
            Self::Array(items) => match entry(items) {
                Some(entry) => f.write_str(&entry),
                None => list(f, "[", items),
            },
            Self::Set(items) => list(f, "~[", items),
            Self::Push(items) => list(f, ">[", items),
            Self::Map(pairs) => {
                f.write_str("{")?;
                for (i, (key, value)) in pairs.iter().enumerate() {
                    let comma = if i == 0 { "" } else { ", " };
                    write!(f, "{comma}{key}: {value}")?;
                }
                f.write_str("}")
            }
            Self::Double(text) => write!(f, ",{text}"),
            Self::BigNumber(text) => write!(f, "({text}"),
            Self::Bool(bool) => write!(f, "#{bool}"),
            Self::Verbatim(bytes) => write!(f, "={}", quote(bytes)),
        }
    }
}

fn list(f: &mut fmt::Formatter<'_>, open: &str, items: &[Value]) -> fmt::Result {
    f.write_str(open)?;
    for (i, item) in items.iter().enumerate() {
        write!(f, "{}{item}", if i == 0 { "" } else { ", " })?;
    }
    f.write_str("]")
}

/// `1-1{field value}` for what has the shape of an entry.
fn entry(items: &[Value]) -> Option<String> {
    let [Value::Bulk(id), Value::Array(fields)] = items else { return None };
    if !is_entry_id(id) || fields.is_empty() || fields.len() % 2 != 0 {
        return None;
    }
    let words: Option<Vec<String>> = fields
        .iter()
        .map(|field| match field {
            Value::Bulk(bytes) => Some(field_word(bytes)),
            _ => None,
        })
        .collect();
    Some(format!("{}{{{}}}", String::from_utf8_lossy(id), words?.join(" ")))
}

/// Whether these bytes are `digits-digits`.
pub(crate) fn is_entry_id(bytes: &[u8]) -> bool {
    let digits = |part: &[u8]| !part.is_empty() && part.iter().all(u8::is_ascii_digit);
    let mut parts = bytes.splitn(2, |b| *b == b'-');
    parts.next().is_some_and(digits) && parts.next().is_some_and(digits)
}

/// Whether a bulk string may be written without quotes.
pub(crate) fn is_bare(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_.:/*$@%".contains(&byte)
}

fn field_word(bytes: &[u8]) -> String {
    let bare = !bytes.is_empty() && bytes.iter().all(|b| is_bare(*b) && *b != b':');
    if bare { String::from_utf8_lossy(bytes).into_owned() } else { quote(bytes) }
}

/// A bulk string: bare where that cannot be mistaken for an integer, a keyword or a key.
fn word(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mistakable = ["nil", "nil-array", "null"].contains(&&*text) || text.parse::<i64>().is_ok();
    if mistakable || text.starts_with(['-', '+']) { quote(bytes) } else { field_word(bytes) }
}

/// Between double quotes, with the escapes that scenarios and inline commands know.
fn quote(bytes: &[u8]) -> String {
    let mut out = String::from("\"");
    for byte in bytes {
        match byte {
            b'"' | b'\\' => out.extend(['\\', char::from(*byte)]),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            0x20..0x7f => out.push(char::from(*byte)),
            other => out.push_str(&format!("\\x{other:02x}")),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::Value;

    fn decoded(bytes: &[u8]) -> String {
        let (value, used) = Value::decode(bytes).expect("well formed").expect("complete");
        assert_eq!(used, bytes.len());
        value.to_string()
    }

    #[test]
    fn replies_read_as_scenarios_are_written() {
        assert_eq!(decoded(b"*2\r\n$3\r\n1-1\r\n*2\r\n$1\r\na\r\n$1\r\n1\r\n"), "1-1{a 1}");
        assert_eq!(decoded(b"*3\r\n:1\r\n$1\r\n1\r\n$-1\r\n"), "[1, \"1\", nil]");
        assert_eq!(decoded(b"%1\r\n$1\r\ns\r\n*0\r\n"), "{s: []}");
        assert_eq!(decoded(b"-ERR no\r\n"), "-\"ERR no\"");
        assert_eq!(decoded(b"=6\r\ntxt:ab\r\n"), "=\"ab\"");
    }
}
