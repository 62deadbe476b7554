//! A request parser that is too simple to be wrong: one pass over input that is all there.

use millstream_resp::{ProtocolError, RequestLimits};

/// Requests as lists of arguments.
pub(crate) type Requests = Vec<Vec<Vec<u8>>>;

/// What a parser made of an input.
#[derive(Debug, PartialEq)]
pub(crate) struct Outcome {
    pub(crate) requests: Requests,
    /// Bytes taken; 0 after an error, when nobody asks any more.
    pub(crate) consumed: usize,
    pub(crate) error: Option<ProtocolError>,
}

/// Why a request could not be taken.
enum Stop {
    NeedMore,
    Error(ProtocolError),
}

/// All requests at the start of `input`.
pub(crate) fn parse(input: &[u8], limits: &RequestLimits) -> Outcome {
    let mut requests = Requests::new();
    let mut rest = input;
    let error = loop {
        if rest.is_empty() {
            break None;
        }
        let result = if rest[0] == b'*' { multibulk(rest, limits) } else { inline(rest, limits) };
        match result {
            Ok((args, after)) => {
                if !args.is_empty() {
                    requests.push(args);
                }
                rest = after;
            }
            Err(Stop::NeedMore) => break None,
            Err(Stop::Error(error)) => break Some(error),
        }
    };
    let consumed = if error.is_none() { input.len() - rest.len() } else { 0 };
    Outcome { requests, consumed, error }
}

type Taken<'a, T> = Result<(T, &'a [u8]), Stop>;

/// Text up to `terminator`, which is not part of it, and what comes after the terminator.
fn line<'a>(
    input: &'a [u8],
    terminator: u8,
    limits: &RequestLimits,
    too_big: ProtocolError,
) -> Taken<'a, Vec<u8>> {
    let text: Vec<u8> = input.iter().copied().take_while(|&byte| byte != terminator).collect();
    if text.len() > limits.inline_bytes_max {
        return Err(Stop::Error(too_big));
    }
    if text.len() == input.len() {
        return Err(Stop::NeedMore);
    }
    let after = &input[text.len() + 1..];
    Ok((text, after))
}

/// A line that ends with CR and one byte more.
fn header<'a>(
    input: &'a [u8],
    limits: &RequestLimits,
    too_big: ProtocolError,
) -> Taken<'a, Vec<u8>> {
    let (text, after) = line(input, b'\r', limits, too_big)?;
    if after.is_empty() { Err(Stop::NeedMore) } else { Ok((text, &after[1..])) }
}

/// The number if it is spelt as Rust spells it.
fn number(text: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(text).ok()?;
    let number: i64 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

fn multibulk<'a>(input: &'a [u8], limits: &RequestLimits) -> Taken<'a, Vec<Vec<u8>>> {
    let (text, mut rest) = header(input, limits, ProtocolError::TooBigMultibulkCountString)?;
    let count = match number(&text[1..]) {
        Some(count) if count <= i64::from(limits.args_max) => count,
        _ => return Err(Stop::Error(ProtocolError::InvalidMultibulkLength)),
    };
    if limits.unauthenticated && count > 10 {
        return Err(Stop::Error(ProtocolError::UnauthenticatedMultibulkLength));
    }
    let mut args = Vec::new();
    for _ in 0..count {
        let (text, after) = header(rest, limits, ProtocolError::TooBigBulkCountString)?;
        if text.first() != Some(&b'$') {
            return Err(Stop::Error(ProtocolError::ExpectedDollar(rest[0])));
        }
        let length = match number(&text[1..]) {
            Some(length) if length >= 0 && length as u64 <= limits.bulk_bytes_max => length,
            _ => return Err(Stop::Error(ProtocolError::InvalidBulkLength)),
        } as usize;
        if limits.unauthenticated && length > 16384 {
            return Err(Stop::Error(ProtocolError::UnauthenticatedBulkLength));
        }
        let request_bytes = input.len() - after.len() + length + 2;
        if request_bytes > limits.request_bytes_max as usize {
            return Err(Stop::Error(ProtocolError::RequestTooBig));
        }
        if after.len() < length + 2 {
            return Err(Stop::NeedMore);
        }
        args.push(after[..length].to_vec());
        rest = &after[length + 2..];
    }
    Ok((args, rest))
}

fn inline<'a>(input: &'a [u8], limits: &RequestLimits) -> Taken<'a, Vec<Vec<u8>>> {
    let (mut text, rest) = line(input, b'\n', limits, ProtocolError::TooBigInlineRequest)?;
    if text.last() == Some(&b'\r') {
        text.pop();
    }
    match split(&text) {
        Some(args) => Ok((args, rest)),
        None => Err(Stop::Error(ProtocolError::UnbalancedQuotes)),
    }
}

/// Where the splitter stands.
#[derive(PartialEq)]
enum State {
    Between,
    Plain,
    Double,
    Single,
    Closed,
}

/// Arguments of a line, byte by byte; `None` for unbalanced quotes.
fn split(line: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut args: Vec<Vec<u8>> = Vec::new();
    let mut state = State::Between;
    let mut i = 0;
    while i < line.len() {
        let byte = line[i];
        let blank = b" \t\n\x0b\x0c\r".contains(&byte);
        let mut used = 1;
        match state {
            State::Between if blank => {}
            State::Closed if blank => state = State::Between,
            State::Closed => return None,
            State::Plain if b" \t\n\r".contains(&byte) => state = State::Between,
            State::Between | State::Plain => {
                if state == State::Between {
                    args.push(Vec::new());
                }
                state = match byte {
                    b'"' => State::Double,
                    b'\'' => State::Single,
                    _ => {
                        args.last_mut()?.push(byte);
                        State::Plain
                    }
                };
            }
            State::Double if byte == b'"' => state = State::Closed,
            State::Single if byte == b'\'' => state = State::Closed,
            State::Double if byte == b'\\' && i + 1 < line.len() => {
                let hex = line.get(i + 2..i + 4).and_then(hex_byte);
                let (value, length) = match (line[i + 1], hex) {
                    (b'x', Some(value)) => (value, 4),
                    (b'n', _) => (b'\n', 2),
                    (b'r', _) => (b'\r', 2),
                    (b't', _) => (b'\t', 2),
                    (b'b', _) => (8, 2),
                    (b'a', _) => (7, 2),
                    (other, _) => (other, 2),
                };
                args.last_mut()?.push(value);
                used = length;
            }
            State::Single if line[i..].starts_with(b"\\'") => {
                args.last_mut()?.push(b'\'');
                used = 2;
            }
            State::Double | State::Single => args.last_mut()?.push(byte),
        }
        i += used;
    }
    (state != State::Double && state != State::Single).then_some(args)
}

fn hex_byte(digits: &[u8]) -> Option<u8> {
    if !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}
