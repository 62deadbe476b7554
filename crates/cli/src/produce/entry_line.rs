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

    #[test]
    fn blank_lines_have_no_entry() {
        assert_eq!(LineForm::Json.parse(b" \t"), Ok(None));
    }

    #[test]
    fn plain_lines_are_values_as_they_are() {
        let form = LineForm::Plain(Name::from(Bytes::from_static(b"text")));
        for line in [&b"{}"[..], b"", b" a\r", b"\xff"] {
            assert_eq!(form.parse(line), Ok(Some(Fields::new().with("text", line.to_vec()))));
        }
    }
}
