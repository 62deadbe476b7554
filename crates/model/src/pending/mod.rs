//! A group's pending list.
//!
//! Three orders over the same 40-byte records, with no index beside them: id order is that of
//! the [`chunk`]s and the records in them; owner and time order pass chunks by with the help of a
//! small summary on each. A million records in the order of a stream take 41 MB.
//!
//! Must not know: streams, consumers' names, policies, clocks. Fails by panicking, on bugs alone.
//! Tests: `tests.rs`, against a plain list of records.

mod bounds;
mod chunk;
mod failure;
mod list;
mod record;
mod sections;
mod timing;
mod walk;

pub use failure::Failure;
pub use list::{AvailableEntries, PendingList};
pub use record::{ConsumerId, PendingEntry};
pub use timing::Timing;

#[cfg(test)]
mod tests;
