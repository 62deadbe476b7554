//! An entry as a line of a file.

use bytes::Bytes;
use millstream::Fields;
use millstream_shown::parse_fields;

use crate::name::Name;

/// What lines are.
#[derive(Clone, Debug)]
pub(super) enum LineForm {
    /// The value of this field.
    Plain(Name),
    /// An object of fields, or a list of pairs.
    Json,
}

impl LineForm {
    /// The entry of a line; `None`: it has none, as it is blank.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn parse(&self, line: &[u8]) -> Result<Option<Fields>, String> {
        match self {
            Self::Plain(field) => {
                let name = Bytes::copy_from_slice(field.as_ref());
                Ok(Some(Fields::new().with(name, Bytes::copy_from_slice(line))))
            }
            Self::Json if self.is_blank(line) => Ok(None),
            Self::Json => parse_fields(line).map(Some),
        }
    }

    /// Whether a line has no entry.
    pub(super) fn is_blank(&self, line: &[u8]) -> bool {
        matches!(self, Self::Json) && line.trim_ascii().is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Option<Fields>, String> {
        LineForm::Json.parse(line.as_bytes())
    }

    #[test]
    fn objects_and_lists_of_pairs_are_entries() {
        let entry = |pairs: &[(&'static str, &'static [u8])]| -> Fields {
            pairs.iter().map(|(name, value)| (*name, *value)).collect()
        };
        for (line, fields) in [
            (r#"{"a":"1","b":"x\ny"}"#, entry(&[("a", b"1"), ("b", b"x\ny")])),
            (r#" { "a" : 99.90 , "b" : true } "#, entry(&[("a", b"99.90"), ("b", b"true")])),
            (r#"{"a":12345678901234567890123}"#, entry(&[("a", b"12345678901234567890123")])),
            (r#"{"a":null,"b":""}"#, entry(&[("b", b"")])),
            (
                r#"{"a": [1, "x y\" z", {"b": 1.0}]}"#,
                entry(&[("a", br#"[1,"x y\" z",{"b":1.0}]"#)]),
            ),
            (r#"{"a":{"b64":"/w=="}}"#, entry(&[("a", b"\xff")])),
            (r#"{"a":{"b64":"/w==","c":1}}"#, entry(&[("a", br#"{"b64":"/w==","c":1}"#)])),
            (r#"{"a":"1","a":"2"}"#, entry(&[("a", b"1"), ("a", b"2")])),
            (r#"[["a","1"],["a",{"b64":"/w=="}]]"#, entry(&[("a", b"1"), ("a", b"\xff")])),
            (r#"{"":"x"}"#, entry(&[("", b"x")])),
        ] {
            assert_eq!(parsed(line), Ok(Some(fields)), "{line}");
        }
        assert_eq!(parsed(" \t"), Ok(None));
    }

    #[test]
    fn what_comes_out_as_fields_goes_in_again() {
        let odd = Fields::new().with("a", "1").with(vec![0xff], vec![0, 0xfe]).with("a", "");
        for fields in [odd, Fields::new().with("a b", "ü\n")] {
            assert_eq!(parsed(&fields.to_json()), Ok(Some(fields)));
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (line, says) in [
            ("{", "EOF while parsing an object at column 1"),
            ("7", "invalid type: integer `7`, expected an object of fields, or a list"),
            ("{}", "an entry has at least one field"),
            (r#"{"a":null}"#, "an entry has at least one field"),
            (r#"{"a":1} x"#, "trailing characters at column 9"),
            (r#"{"a":{"b64":"?"}}"#, "b64 is no base64"),
            (r#"[["a"]]"#, "invalid length 1"),
            (r#"{"a":"\ud800"}"#, "unexpected end of hex escape"),
        ] {
            let said = parsed(line).expect_err(line);
            assert!(said.starts_with(says), "{line}: {said}");
        }
        LineForm::Json.parse(b"{\"a\":\"\xff\"}").expect_err("it is no UTF-8");
    }

    #[test]
    fn plain_lines_are_values_as_they_are() {
        let form = LineForm::Plain(Name::from(Bytes::from_static(b"text")));
        for line in [&b"{}"[..], b"", b" a\r", b"\xff"] {
            assert_eq!(form.parse(line), Ok(Some(Fields::new().with("text", line.to_vec()))));
        }
    }
}
