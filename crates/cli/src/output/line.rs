//! Text for people.

use std::io::{self, Write as _};

/// On standard output, as a line of its own.
pub(crate) fn print_line(text: &str) -> io::Result<()> {
    print_text(&format!("{text}\n"))
}

/// On standard output, as it is.
pub(crate) fn print_text(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}
