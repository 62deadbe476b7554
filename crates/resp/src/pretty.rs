//! A reply as interactive Redis clients show it: numbered lines, quoted strings.
//!
//! The scenario runner compares this text, so its shape is fixed: every value ends with LF;
//! nested aggregates are indented by the width of the number in front of them.

use crate::Value;
use crate::reply_writer::format_double;

/// Renders a reply, one or more lines, each ending with LF.
///
/// Bytes that are no printable ASCII appear as `\xHH` within quotes; texts shown without quotes
/// (simple strings, errors, verbatim text) have invalid UTF-8 replaced.
///
/// ```
/// use millstream_resp::{Value, pretty};
/// let entry = Value::Array(vec![
///     Value::bulk("1-0"),
///     Value::Array(vec![Value::bulk("field"), Value::bulk("a\nb")]),
/// ]);
/// let text = "1) \"1-0\"\n2) 1) \"field\"\n   2) \"a\\nb\"\n";
/// assert_eq!(pretty(&entry), text);
/// ```
#[must_use]
pub fn pretty(value: &Value) -> String {
    let mut out = String::new();
    write_value(value, &mut String::new(), &mut out);
    out
}

/// Writes `value`; `indent` goes in front of every line but the first.
fn write_value(value: &Value, indent: &mut String, out: &mut String) {
    match value {
        Value::Simple(text) => push_line(out, "", text),
        Value::Error(text) => push_line(out, "(error) ", text),
        Value::Int(number) => push_line(out, "(integer) ", number.to_string().as_bytes()),
        Value::Bulk(bytes) => {
            push_quoted(out, bytes);
            out.push('\n');
        }
        Value::NilBulk | Value::NilArray | Value::Null => out.push_str("(nil)\n"),
        Value::Array(items) => write_items(items, ") ", "(empty array)\n", indent, out),
        Value::Set(items) => write_items(items, "~ ", "(empty set)\n", indent, out),
        Value::Push(items) => write_items(items, ") ", "(empty push)\n", indent, out),
        Value::Map(pairs) => write_pairs(pairs, "# ", "(empty hash)\n", indent, out),
        Value::Double(number) => push_line(out, "(double) ", format_double(*number).as_bytes()),
        Value::Boolean(true) => out.push_str("(true)\n"),
        Value::Boolean(false) => out.push_str("(false)\n"),
        Value::BigNumber(digits) => push_line(out, "(big number) ", digits),
        Value::Verbatim { text, .. } => push_line(out, "", text),
        Value::Attributed { attributes, value } => {
            write_pairs(attributes, "| ", "", indent, out);
            if !attributes.is_empty() {
                out.push_str(indent);
            }
            write_value(value, indent, out);
        }
    }
}

fn write_items(items: &[Value], mark: &str, empty: &str, indent: &mut String, out: &mut String) {
    if items.is_empty() {
        out.push_str(empty);
    }
    let width = items.len().to_string().len();
    let outer = indent.len();
    for (index, item) in items.iter().enumerate() {
        push_number(out, &indent[..outer], index, width, mark);
        indent.extend(std::iter::repeat_n(' ', width + mark.len()));
        write_value(item, indent, out);
        indent.truncate(outer);
    }
}

fn write_pairs(
    pairs: &[(Value, Value)],
    mark: &str,
    empty: &str,
    indent: &mut String,
    out: &mut String,
) {
    if pairs.is_empty() {
        out.push_str(empty);
    }
    let width = pairs.len().to_string().len();
    let outer = indent.len();
    for (index, (key, value)) in pairs.iter().enumerate() {
        push_number(out, &indent[..outer], index, width, mark);
        indent.extend(std::iter::repeat_n(' ', width + mark.len()));
        write_value(key, indent, out);
        if out.ends_with('\n') {
            out.pop();
        }
        out.push_str(" => ");
        write_value(value, indent, out);
        indent.truncate(outer);
    }
}

/// The number in front of an element; the first one stands behind its parent's number already.
fn push_number(out: &mut String, indent: &str, index: usize, width: usize, mark: &str) {
    if index > 0 {
        out.push_str(indent);
    }
    out.push_str(&format!("{:>width$}{mark}", index + 1));
}

fn push_line(out: &mut String, prefix: &str, text: &[u8]) {
    out.push_str(prefix);
    out.push_str(&String::from_utf8_lossy(text));
    out.push('\n');
}

fn push_quoted(out: &mut String, bytes: &[u8]) {
    out.push('"');
    for &byte in bytes {
        match byte {
            b'\\' | b'"' => {
                out.push('\\');
                out.push(char::from(byte));
            }
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            0x07 => out.push_str("\\a"),
            0x08 => out.push_str("\\b"),
            b' '..=b'~' => out.push(char::from(byte)),
            _ => out.push_str(&format!("\\x{byte:02x}")),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_scalars() {
        let cases = [
            (Value::Simple(b"OK".to_vec()), "OK\n"),
            (Value::Error(b"ERR no".to_vec()), "(error) ERR no\n"),
            (Value::Int(-3), "(integer) -3\n"),
            (Value::bulk(b"a\"\\\x07\x08\r\t\x00\xff"), "\"a\\\"\\\\\\a\\b\\r\\t\\x00\\xff\"\n"),
            (Value::NilBulk, "(nil)\n"),
            (Value::Array(vec![]), "(empty array)\n"),
            (Value::Map(vec![]), "(empty hash)\n"),
            (Value::Set(vec![]), "(empty set)\n"),
            (Value::Double(1.5), "(double) 1.5\n"),
            (Value::Boolean(true), "(true)\n"),
            (Value::Verbatim { format: *b"txt", text: b"a: 1".to_vec() }, "a: 1\n"),
        ];
        for (value, expected) in cases {
            assert_eq!(pretty(&value), expected);
        }
    }

    #[test]
    fn indents_nested_values_by_the_width_of_their_number() {
        let inner = Value::Array(vec![Value::Int(1), Value::Int(2)]);
        let mut items = vec![inner.clone(); 1];
        items.extend(std::iter::repeat_n(Value::NilBulk, 9));
        let text = pretty(&Value::Array(items));
        assert!(text.starts_with(" 1) 1) (integer) 1\n    2) (integer) 2\n 2) (nil)\n"), "{text}");
        assert!(text.ends_with("\n10) (nil)\n"), "{text}");

        let map = Value::Map(vec![(Value::bulk("a"), inner), (Value::bulk("b"), Value::Null)]);
        let expected = "1# \"a\" => 1) (integer) 1\n   2) (integer) 2\n2# \"b\" => (nil)\n";
        assert_eq!(pretty(&map), expected);
    }
}
