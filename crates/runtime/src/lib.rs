//! An engine that lives: the threads that make it durable and let time pass, without sockets.
//!
//! ```text
//! open_store -> Store -> LiveStore (shared by everybody) + Threads (commit, preparer, checkpoint,
//!                                                                   timer)
//! ```
//!
//! Whoever has a live store in its middle is its [`Host`]: the server, whose sessions run commands
//! on it, and the toolkit's embedded backend. A host asks [`admission`] before it writes, runs the
//! command, and lets the reply go once [`LiveStore::released`] has come to its position.
//!
//! Must not know connections, clients, wire formats or an async runtime. Fails as the log does: the
//! first write or sync that fails is poison ([`LiveStore::poison`]), and nothing is written any
//! more. So is a panic of one of the threads, so that nobody waits for what it would have done, or
//! it ends the process ([`PanicGuard`]).
//! Tests: those of its hosts (`server/tests/it`, `millstream/tests/it`).

// `println!` and `eprintln!` panic where nothing can be written any more.
#![warn(clippy::print_stderr, clippy::print_stdout)]

pub mod admission;
pub mod saving;

mod checkpoint_thread;
mod clock;
mod commit_thread;
mod error;
mod host;
mod inline_write;
mod live_store;
mod preparer_thread;
mod store;
mod sync_mode;
mod threads;
mod timer_thread;

pub use clock::{Clock, TICK_MAX, Tick, millis, since_1970};
pub use error::{StopError, ThreadError};
pub use host::{Host, Work};
pub use inline_write::write_inline;
pub use live_store::{LiveStore, PrepareFailure};
pub use store::{DurableParts, Store, StoreOptions, open_store, random};
pub use sync_mode::SyncMode;
pub use threads::{PanicGuard, Threads, spawn};
