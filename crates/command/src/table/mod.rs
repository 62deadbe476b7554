//! Every command that this server has: one row of facts each, and the questions asked of them.
//!
//! Other parts ask here whether a command writes, waits, needs authentication or memory, and where
//! its keys are; nowhere else is such a fact written down. The table knows no engine and runs
//! nothing: dispatch is a `match` on [`CommandId`] elsewhere.
//!
//! Invariants, held by `table/tests.rs`:
//! 1. Names are lower case, at most [`NAME_BYTES_MAX`] long, unique.
//! 2. Every [`CommandId`] has exactly one row.
//! 3. Flags, keys and arity agree with each other.
//!
//! The set of commands is that of Redis 8.10 for streams, and what clients need around them.

mod id;
mod words;

mod spec;

mod connection;
mod diagnostics;
mod keyspace;
mod server;
mod streams;
mod strings;

mod keys;
mod lookup;
mod lookup_error;

#[cfg(test)]
mod tests;

pub use id::CommandId;
pub use keys::{KeyError, KeyPosition, keys};
pub(crate) use lookup::resolve_name;
pub use lookup::{NAME_BYTES_MAX, all, find, find_by_full_name, find_subcommand, resolve};
pub use lookup_error::LookupError;
pub use spec::{CommandSpec, Deprecated, KeyBegin, KeyExtent, KeySpec};
pub use words::{Categories, Category, Flag, Flags, Group, KeyUse, KeyUses};
