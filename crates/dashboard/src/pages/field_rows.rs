//! Fields of an entry in a form, and what the form says of them.
//!
//! A row is a name, how its value is written, and the value. Names are as they are shown, with
//! escapes. Values are written as they are where a browser gives them back so, else with escapes;
//! those that are large stay as they are.

use maud::{Markup, html};
use millstream::Fields;
use millstream_shown::{parse_visible, visible};

use super::letters_change::Pairs;
use super::parts::count;
use crate::failure::Failure;

/// Rows in a form; of an entry with more fields the others stay as they are.
const ROWS_MAX: usize = 100;
/// Bytes of a value, and of all together, that are edited in a browser.
const BYTES_MAX: usize = 32 * 1024;
const ALL_BYTES_MAX: usize = 256 * 1024;

const TEXT: &str = "text";
const ESCAPED: &str = "escaped";
const KEPT: &str = "kept:";

/// Rows for these fields, and empty ones for others.
pub(super) fn rows(fields: &Fields, spare: usize) -> Markup {
    let mut bytes = 0;
    let mut is_editable = |name: &[u8], value: &[u8]| {
        bytes += name.len() + value.len();
        value.len() <= BYTES_MAX && bytes <= ALL_BYTES_MAX
    };
    html! {
        div .fields {
            @for (at, (name, value)) in fields.iter().take(ROWS_MAX).enumerate() {
                @let label = format!("Field {}", at + 1);
                @if !is_editable(name, value) {
                    (name_input(&label, &visible(name)))
                    input type="hidden" name="as" value={(KEPT) (at)};
                    p .quiet {
                        (count(value.len() as u64)) " bytes: too large to be edited here, it stays."
                    }
                } @else if is_plain(value) {
                    (row(&label, &visible(name), TEXT, &String::from_utf8_lossy(value)))
                } @else {
                    (row(&label, &visible(name), ESCAPED, &visible(value)))
                }
            }
            @for at in 0..spare {
                @let label = format!("Field {}", fields.len().min(ROWS_MAX) + at + 1);
                (row(&label, "", TEXT, ""))
            }
        }
        @if fields.len() > ROWS_MAX {
            input type="hidden" name="rest" value=(ROWS_MAX);
            p .quiet { "And " (fields.len() - ROWS_MAX) " other fields, which stay as they are." }
        }
    }
}

fn name_input(label: &str, name: &str) -> Markup {
    html! { label { (label) input name="field" value=(name) autocomplete="off"; } }
}

fn row(label: &str, name: &str, written: &str, value: &str) -> Markup {
    let lines = value.lines().count().clamp(1, 12);
    html! {
        (name_input(label, name))
        input type="hidden" name="as" value=(written);
        label {
            (label) " value" @if written == ESCAPED { " (with escapes such as \\xff and \\n)" }
            // A browser drops the first line end.
            textarea name="value" rows=(lines) { "\n" (value) }
        }
    }
}

/// Whether a browser gives it back as it is.
fn is_plain(value: &[u8]) -> bool {
    let is_safe = |c: char| c == '\n' || c == '\t' || !c.is_control();
    std::str::from_utf8(value).is_ok_and(|text| text.chars().all(is_safe))
}

/// The fields that a form says; rows without a name are left out. `before` are those that the form
/// was made of.
///
/// # Errors
/// [`Failure::Invalid`].
pub(super) fn parse(pairs: &Pairs, before: Option<&Fields>) -> Result<Fields, Failure> {
    let kept = |at: &str| {
        let at: usize = at.parse().ok()?;
        before?.iter().nth(at).map(|(_, value)| value.to_vec())
    };
    let mut fields = Vec::new();
    let (mut name, mut written) = (None, TEXT);
    for (key, value) in pairs {
        match &**key {
            "field" => {
                name = match value.trim() {
                    "" => None,
                    text => Some(parse_visible(text.as_bytes()).map_err(Failure::Invalid)?),
                }
            }
            "as" => {
                written = value;
                if let Some(at) = value.strip_prefix(KEPT) {
                    let no_field = || Failure::Invalid("the form is of another entry".to_owned());
                    let value = kept(at).ok_or_else(no_field)?;
                    fields.extend(name.take().map(|name| (name, value)));
                }
            }
            "value" => {
                let Some(name) = name.take() else {
                    if value.trim().is_empty() || before.is_some() {
                        continue;
                    }
                    return Err(Failure::Invalid("a value has no name beside it".to_owned()));
                };
                let value = match written {
                    ESCAPED => parse_visible(value.as_bytes()).map_err(Failure::Invalid)?,
                    // Browsers end lines with two characters.
                    _ => value.replace("\r\n", "\n").into_bytes(),
                };
                fields.push((name, value));
            }
            "rest" => {
                let rest = value.parse().ok().filter(|rest| *rest == ROWS_MAX);
                if let (Some(rest), Some(before)) = (rest, before) {
                    let others = before.iter().skip(rest);
                    fields.extend(others.map(|(name, value)| (name.to_vec(), value.to_vec())));
                }
            }
            _ => {}
        }
    }
    if fields.is_empty() {
        return Err(Failure::Invalid("an entry has at least one field with a name".to_owned()));
    }
    Ok(fields.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a browser sends of the form as it is.
    fn sent(fields: &Fields) -> Pairs {
        let markup = rows(fields, 2).into_string();
        let mut pairs = Pairs::new();
        let unescape = |text: &str| {
            let text = text.replace("&quot;", "\"").replace("&lt;", "<").replace("&gt;", ">");
            text.replace("&amp;", "&")
        };
        for part in markup.split('<') {
            let attribute = |name: &str| {
                let (_, behind) = part.split_once(&format!(" {name}=\""))?;
                behind.split_once('"').map(|(value, _)| unescape(value))
            };
            if part.starts_with("input") {
                let value = attribute("value").unwrap_or_default();
                pairs.push((attribute("name").expect("a name"), value));
            } else if let Some((_, text)) = part.split_once("textarea name=\"value\"") {
                let (_, text) = text.split_once('>').expect("it ends");
                let text = unescape(text.strip_prefix('\n').unwrap_or(text));
                pairs.push(("value".to_owned(), text.replace('\n', "\r\n")));
            }
        }
        pairs
    }

    #[test]
    fn fields_of_any_bytes_come_back_from_the_form_as_they_are() {
        let large = vec![b'x'; BYTES_MAX + 1];
        let fields = Fields::new()
            .with("a", "1")
            .with("lines", "\n\"one\"\n\n<two> & \\n\n")
            .with("crlf", "a\r\nb")
            .with(vec![0xff, b'<'], vec![0, 0xff, b'\n'])
            .with("large", large)
            .with("", "")
            .with("a", " blanks ");
        assert_eq!(parse(&sent(&fields), Some(&fields)).expect("fields"), fields);
        let many: Fields = (0..150).map(|at| (format!("f{at}"), at.to_string())).collect();
        assert_eq!(parse(&sent(&many), Some(&many)).expect("fields"), many);
    }

    #[test]
    fn rows_without_a_name_are_left_out_and_wrong_ones_told() {
        let pairs = |all: &[(&str, &str)]| -> Pairs {
            all.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        let before = Fields::new().with("a", "1").with("b", "2");
        let without_a = pairs(&[
            ("field", ""),
            ("as", TEXT),
            ("value", "1"),
            ("field", "b"),
            ("as", TEXT),
            ("value", "2"),
        ]);
        let left = parse(&without_a, Some(&before)).expect("fields");
        assert_eq!(left, Fields::new().with("b", "2"));
        assert!(parse(&without_a, None).is_err(), "a value without a name");
        assert!(parse(&pairs(&[]), None).is_err());
        let wrong = pairs(&[("field", "a\\"), ("as", TEXT), ("value", "1")]);
        assert!(parse(&wrong, None).is_err());
        let other = pairs(&[("field", "a"), ("as", "kept:7")]);
        assert!(parse(&other, Some(&before)).is_err());
    }
}
