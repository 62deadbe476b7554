//! JSON with a line for each of its parts; nothing else of it is changed: numbers keep their
//! digits, names their order.

use serde::de::IgnoredAny;

/// Larger texts are shown as they are.
const BYTES_MAX: usize = 256 * 1024;
const DEPTH_MAX: usize = 32;

/// `None`: it is no object and no list, or too large.
pub(super) fn pretty(text: &str) -> Option<String> {
    let is_tree = text.trim_start().starts_with(['{', '[']);
    if !is_tree || text.len() > BYTES_MAX || serde_json::from_str::<IgnoredAny>(text).is_err() {
        return None;
    }
    let mut shown = String::with_capacity(text.len() * 2);
    let mut depth = 0;
    let (mut is_string, mut is_escaped) = (false, false);
    let line = |shown: &mut String, depth: usize| {
        shown.push('\n');
        // What is nested deeper is not moved further: that would be all blanks.
        (0..depth.min(DEPTH_MAX)).for_each(|_| shown.push_str("  "));
    };
    let mut all = text.chars().peekable();
    while let Some(c) = all.next() {
        if is_string {
            shown.push(c);
            is_string = is_escaped || c != '"';
            is_escaped = !is_escaped && c == '\\';
            continue;
        }
        match c {
            '{' | '[' => {
                shown.push(c);
                while all.next_if(|c| c.is_ascii_whitespace()).is_some() {}
                match all.next_if(|c| matches!(c, '}' | ']')) {
                    Some(end) => shown.push(end),
                    None => {
                        depth += 1;
                        line(&mut shown, depth);
                    }
                }
            }
            '}' | ']' => {
                depth -= 1;
                line(&mut shown, depth);
                shown.push(c);
            }
            ',' => {
                shown.push(c);
                line(&mut shown, depth);
            }
            ':' => shown.push_str(": "),
            c if c.is_ascii_whitespace() => {}
            c => {
                is_string = c == '"';
                shown.push(c);
            }
        }
    }
    Some(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_has_a_line_and_stays_as_it_is() {
        let text =
            r#"{"b":1.50,"a":[ ],"n":12345678901234567890123,"s":"x,\"{}","l":[1,{"k":null}]}"#;
        let lines = [
            "{",
            "  \"b\": 1.50,",
            "  \"a\": [],",
            "  \"n\": 12345678901234567890123,",
            "  \"s\": \"x,\\\"{}\",",
            "  \"l\": [",
            "    1,",
            "    {",
            "      \"k\": null",
            "    }",
            "  ]",
            "}",
        ];
        assert_eq!(pretty(text).as_deref(), Some(&*lines.join("\n")));
        for other in ["", "1", "\"a\"", "{", "[1,]", "{}x"] {
            assert_eq!(pretty(other), None, "{other}");
        }
        let deep = "[".repeat(100_000);
        assert_eq!(pretty(&deep), None);
    }
}
