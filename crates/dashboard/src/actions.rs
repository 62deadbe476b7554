//! What visitors change: the same for forms of pages and for programs.
//!
//! Each takes the [`Change`](crate::visitor::Change) that its visitor was allowed, does one thing,
//! and writes a line into the log about it once it was done.

pub(crate) mod entry;
pub(crate) mod group;
pub(crate) mod letter_tally;
pub(crate) mod letters;
pub(crate) mod letters_bulk;
pub(crate) mod pending;
pub(crate) mod schedule;
pub(crate) mod server;
pub(crate) mod stream;
