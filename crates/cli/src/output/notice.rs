//! What people should know beside the result.

use std::io::{self, Write as _};

/// On standard error, so that what a program reads from standard output stays as it is.
pub(crate) fn notice(text: &str) {
    notice_line(&format!("millstream: {text}"));
}

/// The same, as it is. Where nothing can be written nobody is told, and the work goes on.
pub(crate) fn notice_line(text: &str) {
    // In one piece: others may write there, too.
    let _ = io::stderr().write_all(format!("{text}\n").as_bytes());
}
