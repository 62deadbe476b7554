//! What is wrong with a file of settings, without showing a secret that is in it: the parser's own
//! report has the whole line, and its words for a value of the wrong type have the value.

use std::ops::Range;

use crate::serve_keys::{SECRETS, flags_with_key, key_of};

/// So many letters may be wrong in a key that is guessed.
const EDITS_MAX: usize = 2;

/// Line, column, the key if there is one, and what is wrong, by what the parser says: `span` is in
/// bytes of `text`.
pub(crate) fn describe(text: &str, span: Option<Range<usize>>, message: &str) -> String {
    let message = message.trim_end();
    let Some(start) = span.map(|span| span.start) else {
        // Without a place it may be about any line.
        return if has_secret(text) { "it cannot be read as settings" } else { message }.to_owned();
    };
    let before = text.get(..start).unwrap_or(text);
    let line_number = before.matches('\n').count() + 1;
    let line_start = before.rfind('\n').map_or(0, |end| end + 1);
    let column = before[line_start..].chars().count() + 1;
    let line = text[line_start..].lines().next().unwrap_or_default();
    let key = setting(line).map_or_else(String::new, |key| format!(" ({key})"));
    let what = match has_secret(line) {
        true => {
            "a text in quotes has to stand here; what does is not shown, as it is a secret".into()
        }
        false => unknown_key(message).unwrap_or_else(|| message.to_owned()),
    };
    format!("line {line_number}, column {column}{key}: {what}")
}

/// Of a key that does not exist, with the one that may have been meant: the parser lists all that
/// there are.
fn unknown_key(message: &str) -> Option<String> {
    let (key, all) = message.strip_prefix("unknown field `")?.split_once("`, expected one of ")?;
    let flags = flags_with_key();
    let names = flags.iter().filter(|flag| !flag.is_hide_set()).filter_map(key_of);
    let nearest = names
        .filter(|name| all.contains(&format!("`{name}`")))
        .map(|name| (strsim::osa_distance(key, name), name))
        .min()
        .filter(|(distance, _)| *distance <= EDITS_MAX && distance * 3 <= key.len());
    let next = match nearest {
        Some((_, name)) => format!("is `{name}` meant?"),
        None => "`millstream config print` shows all that there are".to_owned(),
    };
    Some(format!("unknown field `{key}`: {next}"))
}

/// Also in a key with escapes, which may be any.
fn has_secret(text: &str) -> bool {
    let has_escapes = |line: &str| line.split_once('=').is_some_and(|(key, _)| key.contains('\\'));
    SECRETS.iter().any(|secret| text.contains(secret)) || text.lines().any(has_escapes)
}

/// The setting that a line gives. Anything else before a `=` may be part of a text over several
/// lines.
fn setting(line: &str) -> Option<&str> {
    let (key, _) = line.split_once('=')?;
    let key = key.trim().trim_matches(['"', '\'']);
    flags_with_key().iter().any(|flag| key_of(flag) == Some(key)).then_some(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve_options::ServeOptions;

    /// As both readers of the file tell it: the one at the start, and that of CONFIG REWRITE.
    fn told(text: &str) -> Vec<String> {
        let at_start = toml::from_str::<ServeOptions>(text).err();
        let at_start = at_start.map(|it| describe(text, it.span(), it.message()));
        let at_rewrite = text.parse::<toml_edit::DocumentMut>().err();
        let at_rewrite = at_rewrite.map(|it| describe(text, it.span(), it.message()));
        at_start.into_iter().chain(at_rewrite).collect()
    }

    #[test]
    fn a_secret_that_is_written_wrongly_is_not_shown() {
        for text in [
            "requirepass = hunter2",
            "requirepass = 'hunter2",
            "requirepass = \"hunter2\" hunter2",
            "requirepass hunter2",
            "requirepass: hunter2",
            "tls-key-file-pass = hunter2",
            "'requirepass' = hunter2",
            "requirepass = \"\"\"\nhunter2\\q = hunter2\"\"\"",
            "requirepass = [\n'hunter2', hunter2]",
            "requirepass.hunter2 = 5",
            "requirepas = hunter2",
            "requirepas = 'hunter2'",
            "x = { requirepass = hunter2 }",
        ] {
            let told = told(text);
            assert!(!told.is_empty(), "{text}");
            assert!(!told.iter().any(|it| it.contains("hunter2")), "{text}: {told:?}");
        }
        for (text, secret) in [
            ("requirepass = 8675309", "8675309"),
            ("tls-key-file-pass = 8675309", "8675309"),
            ("\"requirep\\u0061ss\" = 8675309", "8675309"),
            ("requirepass = 86.75", "86.75"),
            ("requirepass = 2000-01-01", "2000"),
        ] {
            let told = told(text);
            assert!(!told.is_empty() && !told.iter().any(|it| it.contains(secret)), "{told:?}");
        }
    }

    #[test]
    fn where_and_what_is_told() {
        let of = |text| told(text).remove(0);
        let said = of("port = 1\n  requirepass = hunter2\n");
        assert!(said.starts_with("line 2, column 17 (requirepass): a text in quotes "), "{said}");
        let said = of("port = 1\nsync = always\n");
        assert!(said.starts_with("line 2, column 8 (sync): "), "{said}");
        let said = of("# ä\nprot = 1\n");
        assert_eq!(said, "line 2, column 1: unknown field `prot`: is `port` meant?");
        let said = of("max_memory = 1\n");
        assert_eq!(said, "line 1, column 1: unknown field `max_memory`: is `maxmemory` meant?");
        for wrong in ["beauty", "x", "config", "log-segment-kbs"] {
            let said = told(&format!("{wrong} = 1\n")).remove(0);
            let all = "`millstream config print` shows all that there are";
            assert_eq!(said, format!("line 1, column 1: unknown field `{wrong}`: {all}"));
        }
        let said = of("threads = 'ä'\n");
        assert!(said.starts_with("line 1, column 11 (threads): invalid type: string"), "{said}");
    }
}
