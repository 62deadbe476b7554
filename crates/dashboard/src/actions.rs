//! What visitors change: the same for forms of pages and for programs.
//!
//! Each takes the [`Change`](crate::visitor::Change) that its visitor was allowed, does one thing,
//! and writes a line into the log about it once it was done.

pub(crate) mod entry;
pub(crate) mod group;
pub(crate) mod pending;
pub(crate) mod stream;
