//! JSON documents.

use std::io::{self, Write as _};

use serde::Serialize;

/// Prints one document as one line.
pub(crate) fn print_json(document: &impl Serialize) -> io::Result<()> {
    let mut text = serde_json::to_vec(document)?;
    text.push(b'\n');
    let mut out = io::stdout().lock();
    out.write_all(&text)?;
    out.flush()
}
