//! Fields of an entry on the command line.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

use bytes::Bytes;
use millstream::Fields;

use crate::output::visible;
use crate::usage_error::usage;

/// `name=value`, of any bytes; the first equals sign ends the name.
///
/// # Errors
/// One is none.
pub(super) fn parse_fields<'a>(
    arguments: impl IntoIterator<Item = &'a OsStr>,
) -> anyhow::Result<Fields> {
    let parse = |argument: &OsStr| {
        let bytes = argument.as_bytes();
        let equals = bytes.iter().position(|byte| *byte == b'=').filter(|at| *at > 0);
        let at = equals.ok_or_else(|| {
            usage(format!("{} is no field: write it as name=value", visible(bytes)))
        })?;
        let part = Bytes::copy_from_slice;
        Ok((part(&bytes[..at]), part(&bytes[at + 1..])))
    };
    arguments.into_iter().map(parse).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_equals_sign_ends_the_name() {
        let parsed = parse_fields(["a=b=c", "a=", "b\n=\u{e9}"].map(OsStr::new)).expect("fields");
        let expected = Fields::new().with("a", "b=c").with("a", "").with("b\n", "\u{e9}");
        assert_eq!(parsed, expected);
        for wrong in ["", "a", "=b"] {
            assert!(parse_fields([OsStr::new(wrong)]).is_err(), "{wrong}");
        }
    }
}
