//! Arguments of a command: split as redis-cli does, then filled in when they are sent.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::Bindings;
use crate::pattern::unquote;

/// Splits a line at blanks; `"…"` takes escapes, `'…'` takes everything as it is.
pub(super) fn split(line: &str) -> Result<Vec<Vec<u8>>, String> {
    let mut arguments = Vec::new();
    let mut rest = line.trim();
    while !rest.is_empty() {
        let (argument, used) = match rest.as_bytes()[0] {
            b'"' => unquote(rest)?,
            b'\'' => {
                let end = rest[1..].find('\'').ok_or_else(|| format!("unclosed: {rest}"))?;
                (rest.as_bytes()[1..=end].to_vec(), end + 2)
            }
            _ => {
                let end = rest.find(' ').unwrap_or(rest.len());
                (rest.as_bytes()[..end].to_vec(), end)
            }
        };
        arguments.push(argument);
        if !rest[used..].is_empty() && !rest[used..].starts_with(' ') {
            return Err(format!("a blank should follow the quote: {rest}"));
        }
        rest = rest[used..].trim_start();
    }
    Ok(arguments)
}

/// Replaces `{i}`, `{now}`, `{now-500}`, `{x*1000}` and names; other braces stay as they are.
pub(super) fn fill_in(argument: &[u8], i: u32, bindings: &Bindings) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = argument;
    while let Some(open) = rest.iter().position(|b| *b == b'{') {
        out.extend_from_slice(&rest[..open]);
        rest = &rest[open..];
        let inner = rest.iter().position(|b| *b == b'}').map(|close| &rest[1..close]);
        let value = inner
            .and_then(|inner| str::from_utf8(inner).ok())
            .and_then(|name| Some((name, value_of(name, i, bindings)?)));
        match value {
            Some((name, value)) => {
                out.extend_from_slice(&value);
                rest = &rest[name.len() + 2..];
            }
            None => {
                out.push(b'{');
                rest = &rest[1..];
            }
        }
    }
    out.extend_from_slice(rest);
    out
}

fn value_of(name: &str, i: u32, bindings: &Bindings) -> Option<Vec<u8>> {
    if name == "i" {
        return Some(i.to_string().into_bytes());
    }
    if let Some(value) = bindings.get(name) {
        return Some(value.clone());
    }
    if let Some((text, times)) = name.split_once('*') {
        return Some(text.repeat(times.parse().ok()?).into_bytes());
    }
    let offset = name.strip_prefix("now")?;
    let offset: i128 = if offset.is_empty() { 0 } else { offset.parse().ok()? };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_millis();
    Some((i128::try_from(now).ok()? + offset).to_string().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::{fill_in, split};
    use crate::Bindings;

    #[test]
    fn quotes_group_and_escape() {
        let args = split(r#"XADD s  * "a b\x00\"" 'c "d' """#).expect("well written");
        let want: [&[u8]; 6] = [b"XADD", b"s", b"*", b"a b\0\"", b"c \"d", b""];
        assert_eq!(args, want);
        assert!(split("a \"b").is_err());
        assert!(split("\"a\"b").is_err());
    }

    #[test]
    fn braces_are_filled_in_or_left_alone() {
        let bindings = Bindings::from([
            ("id".to_owned(), b"1-1".to_vec()),
            ("dump".to_owned(), b"\xff{id}".to_vec()),
        ]);
        let filled = |text: &str| fill_in(text.as_bytes(), 7, &bindings);
        assert_eq!(filled("{i}-{id}"), b"7-1-1");
        assert_eq!(filled("<{dump}>"), b"<\xff{id}>");
        assert_eq!(filled("{x*3}"), b"xxx");
        assert_eq!(filled("{tag}{"), b"{tag}{");
        assert_ne!(filled("{now-5}"), b"{now-5}");
    }
}
