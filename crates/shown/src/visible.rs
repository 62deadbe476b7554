//! Names and values of any bytes as text that plays no tricks with a terminal, and back.
//!
//! What can be seen stays as it is, in all scripts. The rest is escaped as bash's `$'...'` and
//! `printf` have it: `\n`, `\t`, `\x1b` for bytes that are no UTF-8, `\u{202e}` for characters that
//! cannot be seen. A backslash is `\\`, blanks at the ends are `\x20`, nothing at all is `""`.

use std::fmt::Write as _;

/// The bytes as one line of text.
pub fn visible(bytes: &[u8]) -> String {
    if bytes.is_empty() {
        return "\"\"".to_owned();
    }
    let inside = bytes.trim_ascii();
    let start = bytes.len() - bytes.trim_ascii_start().len();
    let mut text = String::with_capacity(bytes.len());
    if inside.is_empty() {
        push_ends(&mut text, bytes);
        return text;
    }
    push_ends(&mut text, &bytes[..start]);
    push(&mut text, inside);
    push_ends(&mut text, &bytes[start + inside.len()..]);
    text
}

/// The same of the first `chars` characters alone, with three dots behind them if there are more.
pub fn visible_start(bytes: &[u8], chars: usize) -> String {
    let is_start = |byte: u8| byte & 0b1100_0000 != 0b1000_0000;
    let mut starts = bytes.iter().enumerate().filter(|(_, byte)| is_start(**byte));
    match starts.nth(chars) {
        Some((end, _)) => format!("{}...", visible(&bytes[..end])),
        None => visible(bytes),
    }
}

/// White space at the beginning or the end, none of which could be told from what is around it.
fn push_ends(text: &mut String, blanks: &[u8]) {
    for blank in blanks {
        match blank {
            b' ' => text.push_str("\\x20"),
            other => push(text, std::slice::from_ref(other)),
        }
    }
}

fn push(text: &mut String, bytes: &[u8]) {
    for chunk in bytes.utf8_chunks() {
        // Quotes need no escape here, and the standard library escapes them.
        for part in chunk.valid().split_inclusive(['"', '\'']) {
            let (part, quote) = match part.strip_suffix(['"', '\'']) {
                Some(before) => (before, &part[before.len()..]),
                None => (part, ""),
            };
            let _ = write!(text, "{}", part.escape_debug());
            text.push_str(quote);
        }
        for byte in chunk.invalid() {
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
}

/// A message of several lines, parts of which a server may have said.
pub fn visible_message(text: &str) -> String {
    let is_safe = |c: char| matches!(c, '\n' | '\\' | '"' | '\'') || c.escape_debug().eq([c]);
    if text.chars().all(is_safe) {
        return text.to_owned();
    }
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match is_safe(c) {
            true => shown.push(c),
            false => shown.extend(c.escape_debug()),
        }
    }
    shown
}

/// The bytes that such a text stands for.
///
/// # Errors
/// What is wrong with it.
pub fn parse_visible(text: &[u8]) -> Result<Vec<u8>, String> {
    if text == b"\"\"" {
        return Ok(Vec::new());
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&first, behind)) = rest.split_first() {
        rest = behind;
        if first != b'\\' {
            bytes.push(first);
            continue;
        }
        let Some((&kind, behind)) = rest.split_first() else {
            return Err("a backslash at the end; two stand for one".to_owned());
        };
        rest = behind;
        match kind {
            b'\\' | b'"' | b'\'' => bytes.push(kind),
            b'n' => bytes.push(b'\n'),
            b'r' => bytes.push(b'\r'),
            b't' => bytes.push(b'\t'),
            b'0' => bytes.push(0),
            b'x' => {
                let byte = rest.split_at_checked(2).and_then(|(digits, behind)| {
                    rest = behind;
                    hexadecimal(digits)
                });
                let byte = byte.and_then(|byte| u8::try_from(byte).ok());
                bytes.push(byte.ok_or("two hexadecimal digits follow \\x")?);
            }
            b'u' => {
                let end = rest.iter().position(|byte| *byte == b'}').filter(|_| rest[0] == b'{');
                let end = end.ok_or("\\u has a number in braces, like \\u{202e}")?;
                let c = hexadecimal(&rest[1..end]).and_then(char::from_u32);
                let c = c.ok_or("there is no character of the number in \\u{...}")?;
                bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                rest = &rest[end + 1..];
            }
            other => {
                let shown = visible(&[other]);
                return Err(format!("there is no escape \\{shown}; two backslashes stand for one"));
            }
        }
    }
    Ok(bytes)
}

fn hexadecimal(digits: &[u8]) -> Option<u32> {
    let digits = std::str::from_utf8(digits).ok()?;
    // A sign would be taken for part of the number.
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_number.then(|| u32::from_str_radix(digits, 16).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_seen_stays_and_the_rest_is_escaped() {
        for (bytes, shown) in [
            (&b"orders:7"[..], "orders:7"),
            (b"it's \"so\"", "it's \"so\""),
            ("Aufträge 注文 🚚".as_bytes(), "Aufträge 注文 🚚"),
            (b"a\\b", "a\\\\b"),
            (b"a\nb\tc\0", "a\\nb\\tc\\0"),
            (b"\x1b[2J", "\\u{1b}[2J"),
            ("a\u{202e}b".as_bytes(), "a\\u{202e}b"),
            (b"\xff\xfe", "\\xff\\xfe"),
            (b" a b ", "\\x20a b\\x20"),
            (b"  ", "\\x20\\x20"),
            (b"\na", "\\na"),
            (b"", "\"\""),
        ] {
            assert_eq!(visible(bytes), shown);
            assert_eq!(parse_visible(shown.as_bytes()).as_deref(), Ok(bytes), "{shown}");
        }
    }

    #[test]
    fn all_bytes_come_back() {
        for first in 0..=255u8 {
            for second in [b'a', b'\\', b' ', b'"', 0x80, 0xc3, 0xff] {
                let bytes = [first, second, first];
                let shown = visible(&bytes);
                assert!(!shown.chars().any(char::is_control), "{shown:?}");
                assert_eq!(parse_visible(shown.as_bytes()).as_deref(), Ok(&bytes[..]), "{shown}");
            }
        }
    }

    #[test]
    fn what_is_no_escape_is_refused() {
        for wrong in ["a\\", "\\y", "\\x1", "\\x", "\\x+1", "\\u", "\\u1", "\\u{}", "\\u{d800}"] {
            assert!(parse_visible(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn messages_keep_their_lines() {
        assert_eq!(visible_message("a\n  b\x1b[2J"), "a\n  b\\u{1b}[2J");
    }
}
