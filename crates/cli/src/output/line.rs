//! A sentence for people.

use std::io::{self, Write as _};

/// On standard output, as a line of its own.
pub(crate) fn print_line(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}")?;
    out.flush()
}
