//! Checkpoint files: opaque records that say what the log said up to a position.
//!
//! ```text
//! checkpoints/<number, 20 digits>.full     everything
//! checkpoints/<number, 20 digits>.delta    what changed since the one numbered before it
//! checkpoints/*.tmp                        not published; removed at the next start
//! ```
//!
//! The newest one and those that it builds on are the *chain*. A file gets its name when it is
//! complete and on disk, and its owner publishes it only once the log is durable up to its
//! position: so the chain and the log behind its position always say everything. Bytes:
//! `docs/format.md`. Tests: `tests/it/checkpoints.rs`.

mod chain;
mod checkpoint_writer;
mod file_format;

pub use chain::{ChainPart, CheckpointChain, ReadCheckpoint, ReadDamaged};
pub use checkpoint_writer::{CheckpointKind, CheckpointWriter, FinishedCheckpoint};
