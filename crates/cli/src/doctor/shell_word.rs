//! Names in commands that are to be typed.

use super::finding::Next;
use crate::name::Name;

/// A command with names in it, as a shell takes it: `millstream group info orders 'my group'`.
/// Where a name can only be written with escapes, `--escapes` is in it.
pub(super) fn command_line(command: &str, names: &[&Name], rest: &str) -> Next {
    command_line_with(command, names, rest, need_escapes(names))
}

/// Whether one of them can only be written with escapes.
pub(super) fn need_escapes(names: &[&Name]) -> bool {
    names.iter().any(|name| name.to_string().as_bytes() != name.as_ref())
}

/// The same where the rest has names, too.
pub(super) fn command_line_with(
    command: &str,
    names: &[&Name],
    rest: &str,
    has_escapes: bool,
) -> Next {
    let mut line = format!("millstream {command}");
    for name in names {
        line.push(' ');
        line.push_str(&word(name, has_escapes));
    }
    if !rest.is_empty() {
        line.push(' ');
        line.push_str(rest);
    }
    if has_escapes {
        line.push_str(" --escapes");
    }
    Next::Here(line)
}

/// One word of a shell.
pub(super) fn word(name: &Name, has_escapes: bool) -> String {
    let text = match has_escapes {
        true => name.to_string(),
        false => String::from_utf8_lossy(name.as_ref()).into_owned(),
    };
    quoted(&text)
}

/// The same of any text.
pub(super) fn quoted(text: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "_-./:@%+=,".contains(c);
    match text.chars().all(is_plain) && !text.starts_with('-') && !text.is_empty() {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted_where_a_shell_would_act_on_them() {
        for (stream, group, line) in [
            (&b"orders:7"[..], &b"billing"[..], "millstream group info orders:7 billing"),
            (b"{a}b", b"it's", r"millstream group info '{a}b' 'it'\''s'"),
            (b"a", b"$(x)", "millstream group info a '$(x)'"),
            (b"a\n", b"b", r"millstream group info 'a\n' b --escapes"),
            (b"\xff", b"b c", r"millstream group info '\xff' 'b c' --escapes"),
        ] {
            let [stream, group] = [stream, group].map(|it| Name::from(bytes::Bytes::from(it)));
            let next = command_line("group info", &[&stream, &group], "");
            assert_eq!(next, Next::Here(line.to_owned()));
        }
    }
}
