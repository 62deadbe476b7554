//! What is said about a command that failed.

use std::io::{self, Write as _};

use super::visible_message;

/// Whether a command ended because nobody reads on, as with `| head`: no failure at all.
pub(crate) fn ends_quietly(error: &anyhow::Error) -> bool {
    let is_closed = |error: &io::Error| error.kind() == io::ErrorKind::BrokenPipe;
    error.downcast_ref::<io::Error>().is_some_and(is_closed)
}

/// On standard error, with nothing in it that a terminal would act on. A terminal that is gone is
/// told nothing.
pub(crate) fn print_failure(error: &anyhow::Error) {
    let text = visible_message(&format!("{error:#}"));
    let _ = writeln!(io::stderr(), "millstream: {text}");
}
