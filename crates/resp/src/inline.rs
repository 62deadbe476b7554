//! Cutting a typed line into arguments, with Redis' quotes and escapes.
//!
//! Unescaped text goes to a side buffer, because it differs from what stands in the line. Must not
//! know about sockets or requests. A line with an open quote, or with text right after a closing
//! quote, is refused. A NUL byte is a byte like any other (Redis never sees the end of such a
//! line). Tests below and, against a naive splitter, in `tests/it/requests.rs`.

use crate::request_batch::ArgRange;
use std::fmt;

/// A line with an open quote, or with text right after a closing quote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnbalancedQuotes;

impl fmt::Display for UnbalancedQuotes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("unbalanced quotes")
    }
}

impl std::error::Error for UnbalancedQuotes {}

/// Cuts a line (without its line end) into arguments.
///
/// Blanks separate; `"..."` knows `\n \r \t \b \a \\ \" \xHH`; `'...'` knows `\'` only. A quote may
/// open in the middle of an argument and ends the argument where it closes.
///
/// # Errors
///
/// [`UnbalancedQuotes`] if a quote stays open or is followed by text.
///
/// ```
/// use millstream_resp::split_args;
/// let args = split_args(br#"XADD s * k "a\tb" 'it\'s'"#)?;
/// assert_eq!(args[4], b"a\tb");
/// assert_eq!(args[5], b"it's");
/// # Ok::<(), millstream_resp::UnbalancedQuotes>(())
/// ```
pub fn split_args(line: &[u8]) -> Result<Vec<Vec<u8>>, UnbalancedQuotes> {
    let (mut text, mut ranges) = (Vec::new(), Vec::new());
    split_into(line, &mut text, &mut ranges)?;
    Ok(ranges.iter().map(|range| range.of(&text).to_vec()).collect())
}

/// Like [`split_args`], appending the unescaped bytes to `text` and their places to `ranges`.
///
/// `text` must stay below 4 GiB; after an error both hold left-overs.
pub(crate) fn split_into(
    line: &[u8],
    text: &mut Vec<u8>,
    ranges: &mut Vec<ArgRange>,
) -> Result<(), UnbalancedQuotes> {
    let mut rest = line;
    loop {
        let blanks = rest.iter().take_while(|&&byte| is_space(byte)).count();
        rest = &rest[blanks..];
        if rest.is_empty() {
            return Ok(());
        }
        let start = text.len();
        rest = take_argument(rest, text)?;
        ranges.push(ArgRange::new(start, text.len() - start));
    }
}

/// Blank as C's `isspace` sees it.
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

/// Appends one argument to `text` and returns what follows it.
fn take_argument<'a>(line: &'a [u8], text: &mut Vec<u8>) -> Result<&'a [u8], UnbalancedQuotes> {
    let special = |&byte: &u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | b'"' | b'\'');
    let end = line.iter().position(special).unwrap_or(line.len());
    text.extend_from_slice(&line[..end]);
    let after_quote = match line.get(end) {
        Some(b'"') => take_double_quoted(&line[end + 1..], text)?,
        Some(b'\'') => take_single_quoted(&line[end + 1..], text)?,
        _ => return Ok(&line[end..]),
    };
    match after_quote.first() {
        Some(&byte) if !is_space(byte) => Err(UnbalancedQuotes),
        _ => Ok(after_quote),
    }
}

fn take_double_quoted<'a>(
    mut line: &'a [u8],
    text: &mut Vec<u8>,
) -> Result<&'a [u8], UnbalancedQuotes> {
    loop {
        let (byte, used) = match *line {
            [] => return Err(UnbalancedQuotes),
            [b'"', ..] => return Ok(&line[1..]),
            [b'\\', b'x', high, low, ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                (hex_digit(high) << 4 | hex_digit(low), 4)
            }
            [b'\\', escaped, ..] => (unescape(escaped), 2),
            [byte, ..] => (byte, 1),
        };
        text.push(byte);
        line = &line[used..];
    }
}

fn take_single_quoted<'a>(
    mut line: &'a [u8],
    text: &mut Vec<u8>,
) -> Result<&'a [u8], UnbalancedQuotes> {
    loop {
        let (byte, used) = match *line {
            [] => return Err(UnbalancedQuotes),
            [b'\'', ..] => return Ok(&line[1..]),
            [b'\\', b'\'', ..] => (b'\'', 2),
            [byte, ..] => (byte, 1),
        };
        text.push(byte);
        line = &line[used..];
    }
}

/// What `\` + `byte` stands for inside double quotes; unknown escapes stand for themselves.
fn unescape(byte: u8) -> u8 {
    match byte {
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'b' => 0x08,
        b'a' => 0x07,
        other => other,
    }
}

/// Value of a hexadecimal digit; the caller has checked that it is one.
fn hex_digit(byte: u8) -> u8 {
    match byte {
        b'0'..=b'9' => byte - b'0',
        _ => (byte | 0x20) - b'a' + 10,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lines and what a live Redis 8.6 made of them.
    #[test]
    fn cuts_lines_as_redis_does() {
        let cases: [(&[u8], &[&[u8]]); 18] = [
            (b"PING", &[b"PING"]),
            (b"", &[]),
            (b" \t\x0b\x0c\r ", &[]),
            (b"\tPING\t", &[b"PING"]),
            (b"\x0bPING", &[b"PING"]),
            (b"\x0cPING\x0c", &[b"PING\x0c"]),
            (b"ECHO\x0ba", &[b"ECHO\x0ba"]),
            (b"ECHO \"a b\"", &[b"ECHO", b"a b"]),
            (
                b"ECHO \"a\\n\\x41\\q\\a\\b\\t\\r\\\\ \\\"\\xzz\"",
                &[b"ECHO", b"a\nAq\x07\x08\t\r\\ \"xzz"],
            ),
            (b"ECHO 'a\\'b\\n'", &[b"ECHO", b"a'b\\n"]),
            (b"ECHO ab\"c d\"", &[b"ECHO", b"abc d"]),
            (b"ECHO \"\"", &[b"ECHO", b""]),
            (b"\"\" a", &[b"", b"a"]),
            (b"ECHO \"\\x4\"", &[b"ECHO", b"x4"]),
            (b"ECHO a\\nb", &[b"ECHO", b"a\\nb"]),
            (b"ECHO a\rb", &[b"ECHO", b"a", b"b"]),
            (b"ECHO \"a\"\x0b", &[b"ECHO", b"a"]),
            // Redis waits for ever here.
            (b"ECHO a\0b", &[b"ECHO", b"a\0b"]),
        ];
        for (line, expected) in cases {
            let args = split_args(line).expect("the line is balanced");
            assert_eq!(args, expected, "{}", line.escape_ascii());
        }
    }

    #[test]
    fn refuses_unbalanced_quotes() {
        let lines = [
            &b"ECHO \"abc"[..],
            b"ECHO 'abc",
            b"ECHO \"a\"b",
            b"ECHO 'a'b",
            b"ECHO ab\"c d\"ef",
            b"ECHO \"a\\\"",
            b"ECHO \"a\\",
            b"ECHO 'a\\",
            b"\"",
        ];
        for line in lines {
            assert_eq!(split_args(line), Err(UnbalancedQuotes), "{}", line.escape_ascii());
        }
    }
}
