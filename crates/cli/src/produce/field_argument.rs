//! Fields of an entry on the command line.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt as _;

use bytes::Bytes;
use millstream::Fields;

use crate::name::Name;
use crate::output::visible;
use crate::server::ServerOptions;
use crate::usage_error::usage;

/// `FIELD=VALUE` each; the first `=` counts, and `--escapes` is for both sides of it.
///
/// # Errors
/// One is none.
pub(super) fn parse_all(server: &ServerOptions, all: &[OsString]) -> anyhow::Result<Fields> {
    let parse = |argument: &OsString| {
        let bytes = argument.as_bytes();
        let Some(end) = bytes.iter().position(|byte| *byte == b'=') else {
            let shown = visible(bytes);
            return Err(usage(format!("{shown} is no field: write FIELD=VALUE")));
        };
        if end == 0 {
            let shown = visible(bytes);
            return Err(usage(format!("{shown} has no name before the =: write FIELD=VALUE")));
        }
        let part = |bytes: &[u8]| -> anyhow::Result<Bytes> {
            let name: Name = server.name(std::ffi::OsStr::from_bytes(bytes))?;
            Ok(Bytes::copy_from_slice(name.as_ref()))
        };
        Ok((part(&bytes[..end])?, part(&bytes[end + 1..])?))
    };
    all.iter().map(parse).collect()
}
