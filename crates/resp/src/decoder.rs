//! Replies out of a byte buffer, for clients.
//!
//! Two passes: the first only looks for the end of the value and remembers how far it got, so that
//! a reply arriving in small pieces costs linear time and no memory; the second builds the value
//! from bytes that are all there. The decoder must not know what the reply answers.
//!
//! Invariants: (1) the way the input is cut does not change the outcome; (2) nothing is allocated
//! for bytes that have not arrived: a value takes a bounded multiple of its size on the wire;
//! (3) recursion never goes deeper than `depth_max`.
//!
//! Streamed strings and aggregates (`$?`, `*?`) are refused: no server in use sends them. Tests:
//! `tests/it/values.rs` and the fuzz target `value_decoder`.

use crate::{Value, decimal};
use std::fmt;

/// Fewest bytes of one value on the wire, as `_\r\n` has.
const VALUE_BYTES_MIN: usize = 3;

/// What a client accepts as one reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecodeLimits {
    /// Aggregates within one another; each level costs some hundred bytes of stack.
    pub depth_max: usize,
    /// Whole reply in bytes on the wire.
    pub value_bytes_max: usize,
}

impl Default for DecodeLimits {
    /// 128 levels, 1 GiB.
    fn default() -> Self {
        DecodeLimits { depth_max: 128, value_bytes_max: 1024 * 1024 * 1024 }
    }
}

/// The bytes are no reply. The connection is of no further use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DecodeError {
    /// No type begins with this byte.
    UnknownType(u8),
    /// A length or count that is no canonical number, or negative where that means nothing.
    InvalidLength,
    /// CR without LF, LF without CR, or no line end after a string.
    MissingLineEnd,
    /// The text of a number, boolean, null or verbatim string is malformed.
    InvalidText,
    /// More levels than `depth_max`.
    TooDeep,
    /// More bytes than `value_bytes_max`, arrived or announced.
    TooLarge,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DecodeError::UnknownType(byte) => {
                write!(f, "unknown reply type '{}'", byte.escape_ascii())
            }
            DecodeError::InvalidLength => f.write_str("invalid length in reply"),
            DecodeError::MissingLineEnd => f.write_str("missing line end in reply"),
            DecodeError::InvalidText => f.write_str("malformed number or text in reply"),
            DecodeError::TooDeep => f.write_str("reply nested too deeply"),
            DecodeError::TooLarge => f.write_str("reply too large"),
        }
    }
}

impl std::error::Error for DecodeError {}

/// Decodes one value after another; remembers its place in one that has not fully arrived.
///
/// ```
/// use millstream_resp::{Decoder, Value};
/// let mut decoder = Decoder::new();
/// assert_eq!(decoder.decode(b"*2\r\n:1\r\n$2\r\na")?, None);
/// let (value, consumed) = decoder.decode(b"*2\r\n:1\r\n$2\r\nab\r\n+OK")?.expect("all is there");
/// assert_eq!(value, Value::Array(vec![Value::Int(1), Value::bulk("ab")]));
/// assert_eq!(consumed, 16);
/// # Ok::<(), millstream_resp::DecodeError>(())
/// ```
#[derive(Debug, Default)]
pub struct Decoder {
    limits: DecodeLimits,
    /// First byte not yet understood, relative to the start of the value.
    position: usize,
    /// Bytes from there that are known to hold no CR or LF.
    scanned: usize,
    /// Values still to come in each aggregate that is open, outermost first.
    open: Vec<usize>,
}

impl Decoder {
    /// A decoder with the default limits.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A decoder with these limits.
    #[must_use]
    pub fn with_limits(limits: DecodeLimits) -> Self {
        Decoder { limits, ..Self::default() }
    }

    /// The value at the start of `buf` and its size in bytes; `None` if more input is needed.
    ///
    /// After `None` call again with the same bytes and more behind them; after a value, with the
    /// bytes behind it.
    ///
    /// # Errors
    ///
    /// Any [`DecodeError`]; the decoder is then of no further use.
    pub fn decode(&mut self, buf: &[u8]) -> Result<Option<(Value, usize)>, DecodeError> {
        let Some(size) = self.skip(buf)? else { return Ok(None) };
        let mut source = Source { rest: &buf[..size] };
        let value = source.value()?;
        Ok(Some((value, size)))
    }

    /// The size in bytes of the value at the start of `buf`, without building it; `None` if more
    /// input is needed. The text of numbers and the like is not looked at.
    ///
    /// # Errors
    ///
    /// As [`Decoder::decode`], except [`DecodeError::InvalidText`].
    pub fn skip(&mut self, buf: &[u8]) -> Result<Option<usize>, DecodeError> {
        loop {
            let Some(children) = self.step(buf)? else {
                // What has arrived of one value is more than all of it may take.
                if buf.len() > self.limits.value_bytes_max {
                    return Err(DecodeError::TooLarge);
                }
                return Ok(None);
            };
            if self.position > self.limits.value_bytes_max {
                return Err(DecodeError::TooLarge);
            }
            if children > 0 {
                if self.open.len() >= self.limits.depth_max {
                    return Err(DecodeError::TooDeep);
                }
                self.open.push(children);
                continue;
            }
            loop {
                match self.open.last_mut() {
                    None => return Ok(Some(std::mem::take(&mut self.position))),
                    Some(1) => self.open.pop(),
                    Some(left) => {
                        *left -= 1;
                        break;
                    }
                };
            }
        }
    }

    /// Passes one scalar, or the header of an aggregate; returns the number of values it contains.
    fn step(&mut self, buf: &[u8]) -> Result<Option<usize>, DecodeError> {
        let rest = &buf[self.position..];
        let Some(&kind) = rest.first() else { return Ok(None) };
        if !b"+-:,#_($!=*~>%|".contains(&kind) {
            return Err(DecodeError::UnknownType(kind));
        }
        let Some(line_end) = self.find_line_end(rest)? else { return Ok(None) };
        let text = &rest[1..line_end];
        let header = line_end + 2;
        match kind {
            b'$' | b'!' | b'=' if !(kind == b'$' && text == b"-1") => {
                let length = self.length(text)?;
                let size = header + length + 2;
                if self.position + size > self.limits.value_bytes_max {
                    return Err(DecodeError::TooLarge);
                }
                match rest.get(size - 2..size) {
                    None => return Ok(None),
                    Some(b"\r\n") => self.advance(size),
                    Some(_) => return Err(DecodeError::MissingLineEnd),
                }
                Ok(Some(0))
            }
            b'*' if text == b"-1" => {
                self.advance(header);
                Ok(Some(0))
            }
            b'*' | b'~' | b'>' | b'%' | b'|' => {
                let count = self.length(text)?;
                let children = match kind {
                    b'%' => count.checked_mul(2),
                    b'|' => count.checked_mul(2).and_then(|count| count.checked_add(1)),
                    _ => Some(count),
                };
                let children = children.ok_or(DecodeError::TooLarge)?;
                if children > self.limits.value_bytes_max / VALUE_BYTES_MIN {
                    return Err(DecodeError::TooLarge);
                }
                self.advance(header);
                Ok(Some(children))
            }
            _ => {
                self.advance(header);
                Ok(Some(0))
            }
        }
    }

    fn advance(&mut self, bytes: usize) {
        self.position += bytes;
        self.scanned = 0;
    }

    fn length(&self, text: &[u8]) -> Result<usize, DecodeError> {
        let length = decimal::parse_i64(text).ok_or(DecodeError::InvalidLength)?;
        let length = usize::try_from(length).map_err(|_| DecodeError::InvalidLength)?;
        if length > self.limits.value_bytes_max {
            return Err(DecodeError::TooLarge);
        }
        Ok(length)
    }

    /// Place of the CR that ends the line at the start of `rest`.
    fn find_line_end(&mut self, rest: &[u8]) -> Result<Option<usize>, DecodeError> {
        let from = self.scanned.max(1);
        let found = rest.get(from..).and_then(|tail| memchr::memchr2(b'\r', b'\n', tail));
        let Some(place) = found.map(|found| from + found) else {
            self.scanned = rest.len();
            return Ok(None);
        };
        match rest.get(place..place + 2) {
            Some(b"\r\n") => Ok(Some(place)),
            None if rest[place] == b'\r' => {
                self.scanned = place;
                Ok(None)
            }
            _ => Err(DecodeError::MissingLineEnd),
        }
    }
}

/// Bytes of a value whose frame has been found sound.
struct Source<'a> {
    rest: &'a [u8],
}

impl<'a> Source<'a> {
    fn value(&mut self) -> Result<Value, DecodeError> {
        let (kind, text) = self.line()?;
        Ok(match kind {
            b'+' => Value::Simple(text.to_vec()),
            b'-' => Value::Error(text.to_vec()),
            b':' => Value::Int(decimal::parse_i64(text).ok_or(DecodeError::InvalidText)?),
            b',' => Value::Double(parse_double(text)?),
            b'#' => Value::Boolean(match text {
                b"t" => true,
                b"f" => false,
                _ => return Err(DecodeError::InvalidText),
            }),
            b'_' if text.is_empty() => Value::Null,
            b'_' => return Err(DecodeError::InvalidText),
            b'(' => Value::BigNumber(check_big_number(text)?.to_vec()),
            b'$' if text == b"-1" => Value::NilBulk,
            b'$' => Value::Bulk(self.blob(text)?.to_vec()),
            b'!' => Value::Error(self.blob(text)?.to_vec()),
            b'=' => match *self.blob(text)? {
                [a, b, c, b':', ref text @ ..] => {
                    Value::Verbatim { format: [a, b, c], text: text.to_vec() }
                }
                _ => return Err(DecodeError::InvalidText),
            },
            b'*' if text == b"-1" => Value::NilArray,
            b'*' => Value::Array(self.items(text)?),
            b'~' => Value::Set(self.items(text)?),
            b'>' => Value::Push(self.items(text)?),
            b'%' => Value::Map(self.pairs(text)?),
            b'|' => {
                let attributes = self.pairs(text)?;
                Value::Attributed { attributes, value: Box::new(self.value()?) }
            }
            other => return Err(DecodeError::UnknownType(other)),
        })
    }

    fn line(&mut self) -> Result<(u8, &'a [u8]), DecodeError> {
        let rest = self.rest;
        let end = memchr::memchr(b'\r', rest).ok_or(DecodeError::MissingLineEnd)?;
        let (&kind, text) = rest[..end].split_first().ok_or(DecodeError::MissingLineEnd)?;
        self.rest = rest.get(end + 2..).ok_or(DecodeError::MissingLineEnd)?;
        Ok((kind, text))
    }

    fn blob(&mut self, length: &[u8]) -> Result<&'a [u8], DecodeError> {
        let length = self.count(length)?;
        let rest = self.rest;
        let blob = rest.get(..length).ok_or(DecodeError::MissingLineEnd)?;
        self.rest = rest.get(length + 2..).ok_or(DecodeError::MissingLineEnd)?;
        Ok(blob)
    }

    fn items(&mut self, count: &[u8]) -> Result<Vec<Value>, DecodeError> {
        let count = self.count(count)?;
        let mut items = Vec::with_capacity(count.min(self.rest.len() / VALUE_BYTES_MIN));
        for _ in 0..count {
            items.push(self.value()?);
        }
        Ok(items)
    }

    fn pairs(&mut self, count: &[u8]) -> Result<Vec<(Value, Value)>, DecodeError> {
        let count = self.count(count)?;
        let mut pairs = Vec::with_capacity(count.min(self.rest.len() / VALUE_BYTES_MIN / 2));
        for _ in 0..count {
            pairs.push((self.value()?, self.value()?));
        }
        Ok(pairs)
    }

    fn count(&self, text: &[u8]) -> Result<usize, DecodeError> {
        decimal::parse_i64(text)
            .and_then(|count| usize::try_from(count).ok())
            .ok_or(DecodeError::InvalidLength)
    }
}

fn parse_double(text: &[u8]) -> Result<f64, DecodeError> {
    let text = std::str::from_utf8(text).map_err(|_| DecodeError::InvalidText)?;
    text.parse().map_err(|_| DecodeError::InvalidText)
}

fn check_big_number(text: &[u8]) -> Result<&[u8], DecodeError> {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(DecodeError::InvalidText);
    }
    Ok(text)
}
