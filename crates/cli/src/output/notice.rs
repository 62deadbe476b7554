//! What people should know beside the result.

/// On standard error, so that what a program reads from standard output stays as it is.
pub(crate) fn notice(text: &str) {
    eprintln!("millstream: {text}");
}
