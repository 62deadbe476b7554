//! Keys, groups and consumers as they are named on the command line: any bytes.

use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt as _;

use bytes::Bytes;

use crate::output::{JsonBytes, parse_visible, visible};
use crate::usage_error::usage;

/// A name; shown so that it plays no tricks with a terminal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Name(Bytes);

impl Name {
    /// Of an argument, which has escapes in it if that was said.
    ///
    /// # Errors
    /// An escape is none.
    pub(crate) fn parse(argument: &OsStr, has_escapes: bool) -> anyhow::Result<Self> {
        let bytes = argument.as_bytes();
        if !has_escapes {
            return Ok(Self(Bytes::copy_from_slice(bytes)));
        }
        let parsed = parse_visible(bytes);
        let parsed = parsed.map_err(|error| usage(format!("{}: {error}", visible(bytes))))?;
        Ok(Self(parsed.into()))
    }

    pub(crate) fn json(&self) -> JsonBytes {
        JsonBytes(self.0.clone())
    }
}

impl From<Bytes> for Name {
    fn from(bytes: Bytes) -> Self {
        Self(bytes)
    }
}

impl AsRef<[u8]> for Name {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&visible(&self.0))
    }
}
