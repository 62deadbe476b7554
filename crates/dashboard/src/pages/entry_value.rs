//! A value of an entry on its page: JSON laid out, text in its lines, and no more than people read.

use maud::{Markup, html};
use millstream_shown::{byte_size, visible, visible_message};

use super::pretty_json::pretty;

/// Bytes of a value that are shown. The rest can be had as a file.
const SHOWN_MAX: usize = 4 << 10;
/// JSON is laid out up to this: behind it, it is shown as text.
const JSON_MAX: usize = 64 << 10;

/// Whoever sees all of a shorter text needs no file of it.
const PLAIN_MAX: usize = 100;

/// What is laid out is larger: by blanks, where it is deep.
const LAID_OUT_MAX: usize = 256 << 10;

/// How much text the values of a page may still have.
#[derive(Debug)]
pub(super) struct Budget(usize);

impl Default for Budget {
    fn default() -> Self {
        Self(512 << 10)
    }
}

/// The value, and the link to it as a file.
pub(super) fn value(bytes: &[u8], path: &str, budget: &mut Budget) -> Markup {
    let (text, is_cut) = if budget.0 == 0 { (String::new(), true) } else { shown(bytes) };
    budget.0 = budget.0.saturating_sub(text.len());
    html! {
        @if !text.is_empty() { pre tabindex="0" { (text) } }
        @if is_cut || bytes.len() > PLAIN_MAX || std::str::from_utf8(bytes).is_err() {
            p .quiet {
                (byte_size::show(Some(bytes.len() as u64)))
                @if text.is_empty() { ", not shown: there is so much before it" }
                @else if is_cut { ", cut here" }
                " " a href=(path) download { "Download" }
            }
        }
    }
}

fn shown(bytes: &[u8]) -> (String, bool) {
    if bytes.len() <= JSON_MAX {
        let json = std::str::from_utf8(bytes).ok().and_then(pretty);
        if let Some(json) = json.filter(|json| json.len() <= LAID_OUT_MAX) {
            return (visible_message(&json), false);
        }
    }
    let is_cut = bytes.len() > SHOWN_MAX;
    let part = &bytes[..bytes.len().min(SHOWN_MAX)];
    let text = match std::str::from_utf8(part) {
        Ok(text) => Some(text),
        // A character that was cut in two.
        Err(error) if is_cut && error.error_len().is_none() => {
            std::str::from_utf8(&part[..error.valid_up_to()]).ok()
        }
        Err(_) => None,
    };
    match text {
        Some(text) if text.contains('\n') => (visible_message(text), is_cut),
        Some(text) => (visible(text.as_bytes()), is_cut),
        None => (visible(part), is_cut),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_laid_out_and_nothing_of_it_is_changed() {
        for (json, text) in [
            ("{}", "{}"),
            ("[ ]", "[]"),
            ("[1,[],{\"a\":{}}]", "[\n  1,\n  [],\n  {\n    \"a\": {}\n  }\n]"),
            (
                r#"{"b":1.0, "a":[12345678901234567890123 ,"x, y: {\"z\"}"]}"#,
                "{\n  \"b\": 1.0,\n  \"a\": [\n    12345678901234567890123,\n    \
                 \"x, y: {\\\"z\\\"}\"\n  ]\n}",
            ),
        ] {
            assert_eq!(pretty(json).as_deref(), Some(text));
            assert_eq!(shown(json.as_bytes()), (text.to_owned(), false));
        }
        assert_eq!(shown(b"{\"a\":\xff}").0, "{\"a\":\\xff}");
        assert_eq!(shown("{\"a\":\"\u{202e}\"}".as_bytes()).0, "{\n  \"a\": \"\\u{202e}\"\n}");
    }

    #[test]
    fn long_values_are_cut_between_characters() {
        let long = "ä".repeat(3000);
        assert_eq!(shown(long.as_bytes()), ("ä".repeat(2048), true));
        let (text, is_cut) = shown(format!("a{long}").as_bytes());
        assert_eq!((text, is_cut), (format!("a{}", "ä".repeat(2047)), true));
        let deep = "[".repeat(100) + &"]".repeat(100);
        assert!(shown(deep.as_bytes()).0.len() < 100 * 2 * 70);
    }
}
