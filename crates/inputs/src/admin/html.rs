//! Whether a page has nothing in it but what the dashboard itself writes: read by the few rules
//! that its own markup keeps, so that whatever somebody else brought in breaks one of them.

/// Elements that pages are made of.
const ELEMENTS: [&str; 61] = [
    "a",
    "b",
    "body",
    "button",
    "code",
    "datalist",
    "dd",
    "details",
    "div",
    "dl",
    "dt",
    "em",
    "fieldset",
    "figcaption",
    "figure",
    "form",
    "h1",
    "h2",
    "h3",
    "head",
    "header",
    "hr",
    "html",
    "i",
    "img",
    "input",
    "kbd",
    "label",
    "legend",
    "li",
    "line",
    "link",
    "main",
    "meta",
    "nav",
    "ol",
    "option",
    "p",
    "path",
    "pre",
    "rect",
    "script",
    "section",
    "select",
    "small",
    "span",
    "strong",
    "summary",
    "svg",
    "table",
    "tbody",
    "td",
    "textarea",
    "tfoot",
    "th",
    "thead",
    "time",
    "title",
    "tr",
    "ul",
    "br",
];
/// What an address of ours begins with.
const PLACES: [&str; 3] = ["/", "?", "#"];

/// The markup of a page.
///
/// # Errors
/// What in it is not the dashboard's, and where.
pub(super) fn check(page: &str) -> Result<(), String> {
    let Some(mut rest) = page.strip_prefix("<!DOCTYPE html>") else {
        return Err("it does not begin as a page does".to_owned());
    };
    loop {
        let end = rest.find('<').unwrap_or(rest.len());
        check_text(&rest[..end])?;
        rest = &rest[end..];
        let Some(tag) = rest.strip_prefix('<') else { return Ok(()) };
        rest = match tag.strip_prefix('/') {
            Some(tag) => closing(tag),
            None => opening(tag),
        }
        .map_err(|reason| format!("{reason}: {}", cut(rest)))?;
    }
}

fn cut(text: &str) -> String {
    text.chars().take(80).collect()
}

/// Text, and what stands between quotes.
fn check_text(text: &str) -> Result<(), String> {
    if text.contains(['<', '>', '"']) {
        return Err(format!("text that is not escaped: {}", cut(text)));
    }
    for (at, _) in text.match_indices('&') {
        let known = ["&amp;", "&lt;", "&gt;", "&quot;"];
        if !known.iter().any(|entity| text[at..].starts_with(entity)) {
            return Err(format!("an entity that is not ours: {}", cut(&text[at..])));
        }
    }
    Ok(())
}

fn name(tag: &str) -> (&str, &str) {
    let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    tag.split_at(tag.find(|c| !is_name(c)).unwrap_or(tag.len()))
}

fn closing(tag: &str) -> Result<&str, String> {
    let (name, rest) = name(tag);
    if !ELEMENTS.contains(&name) {
        return Err("the end of an element that is not ours".to_owned());
    }
    rest.strip_prefix('>').ok_or_else(|| "the end of an element goes on".to_owned())
}

fn opening(tag: &str) -> Result<&str, String> {
    let (element, mut rest) = name(tag);
    if !ELEMENTS.contains(&element) {
        return Err("an element that is not ours".to_owned());
    }
    let mut source = None;
    while let Some(attribute) = rest.strip_prefix(' ') {
        let is_name = |c: char| c.is_ascii_alphabetic() || c.is_ascii_digit() || c == '-';
        let end = attribute.find(|c| !is_name(c)).unwrap_or(attribute.len());
        let name = &attribute[..end];
        rest = &attribute[end..];
        if name.is_empty() || name.starts_with("on") || name == "style" {
            return Err("an attribute that is not ours".to_owned());
        }
        let Some(value) = rest.strip_prefix("=\"") else { continue };
        let end = value.find('"').ok_or("a value without end")?;
        rest = &value[end + 1..];
        let value = &value[..end];
        check_text(value)?;
        if matches!(name, "href" | "src" | "action" | "formaction") {
            check_place(value)?;
            source = Some(value);
        }
    }
    if element == "script" && !source.is_some_and(|source| source.starts_with("/assets/")) {
        return Err("a script that is not ours".to_owned());
    }
    rest.strip_prefix('>').ok_or_else(|| "an element that is not closed".to_owned())
}

/// Nothing on a page leads to somebody else, or is a program.
fn check_place(value: &str) -> Result<(), String> {
    let is_ours = PLACES.iter().any(|start| value.starts_with(start));
    if is_ours && !value.starts_with("//") && !value.starts_with("/\\") {
        return Ok(());
    }
    Err("an address that is not ours".to_owned())
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn what_is_not_escaped_is_no_page_of_ours() {
        let of = |body: &str| check(&format!("<!DOCTYPE html><body>{body}</body>"));
        for good in ["a &lt;b&gt; c", "<p class=\"a &quot;\">b</p>", "<a href=\"/a?b=1\">b</a>"] {
            assert_eq!(of(good), Ok(()), "{good}");
        }
        for wrong in [
            "<x-millstream>",
            "</x-millstream>",
            "a > b",
            "a & b",
            "<p onclick=\"a\">",
            "<p class=\"a\"b\">",
            "<p class='a'>",
            "<script>a</script>",
            "<script src=\"//evil.example\"></script>",
            "<a href=\"javascript:a\">b</a>",
            "<a href=\"//evil.example\">b</a>",
            "<a href=\"/a",
        ] {
            assert!(of(wrong).is_err(), "{wrong}");
        }
        assert!(check("<p>a</p>").is_err());
    }
}
