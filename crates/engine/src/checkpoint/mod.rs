//! Checkpoints: the state as records that objects are restored from, so that the log need not be
//! kept.
//!
//! ```text
//! begin (engine held: what is to be saved, where the log is cut)
//!   -> save some objects (engine held for each round) -> write blocks and records
//!   -> sync -> wait until the log is durable up to the cut -> publish -> let go what nothing needs
//! ```
//!
//! Must not know commands. `docs/format.md`, section "Checkpoint records", has the bytes. Tests:
//! `tests/it/checkpoint.rs`, and the simulator.

mod checkpointer;
mod compaction;
mod encode;
mod error;
mod file_sink;
mod kind;
mod load;

#[cfg(test)]
mod tests;

pub(crate) use checkpointer::CheckpointFacts;
pub use checkpointer::{CheckpointStep, Checkpointer};
pub use error::CheckpointError;
pub(crate) use load::{LoadedHeader, LoadedObject, Loader};
