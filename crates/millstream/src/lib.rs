//! Workers on streams with consumer groups: on Millstream, Redis or Valkey, or without a server.
//!
//! [`Millstream::connect`] gives the handle that everything else is made of; so does
//! [`Millstream::open`], which has the engine in this process and its data in a directory (feature
//! `embedded`, which is on). How to test your handlers is in [`testing`].
//!
//! - [`StreamConsumer`] takes entries of a group, gives each to your handler, and settles it:
//!   acknowledged, tried again after a while, or moved to the dead letters.
//! - [`PartitionedStream`] spreads a stream over the servers of a Cluster, and keeps the order of
//!   each key.
//! - [`ConsumerGroupManager`] makes, moves and removes groups and their consumers.
//! - [`ConsumerGroupMonitor`] says what is pending, what is stuck, and how far behind a group is.
//!
//! ```no_run
//! use millstream::{HandlerError, Message, Millstream, StreamConsumer};
//!
//! # async fn work() -> Result<(), millstream::Error> {
//! let millstream = Millstream::connect("redis://127.0.0.1:6379").await?;
//! let consumer = StreamConsumer::builder(&millstream, "orders", "billing").build().await?;
//! consumer
//!     .run(|order: Message| async move {
//!         println!("{}: {:?}", order.id(), order.text("customer"));
//!         Ok::<(), HandlerError>(())
//!     })
//!     .await
//! # }
//! ```
//!
//! Every entry is handled at least once: it is acknowledged only after its handler said that it is
//! done, so a crash at any point means another delivery. Handlers must bear being run twice.
//!
//! The toolkit finds out once what the server can do and uses the best of it: a group policy of
//! Millstream (the server hands out again, delays and buries by itself), `XREADGROUP CLAIM` of
//! Redis 8.4, else `XAUTOCLAIM`, else `XPENDING` with `XCLAIM`. What a handler sees is the same.
//!
//! Must not know how any server stores anything. Tests: `tests/it`, one suite for all servers.

mod abilities;
mod backend;
mod backoff;
mod connect_options;
mod consumer;
mod dead_letters;
mod delayed;
mod entry_id;
mod error;
mod group_policy;
mod group_start;
mod hash_slot;
mod manager;
mod message;
mod milliseconds;
mod millstream;
mod monitor;
#[cfg(feature = "embedded")]
mod open_options;
mod partitions;
mod payload;
mod producer;
mod replay;
mod reply;
mod same_slot;
#[cfg(feature = "embedded")]
pub mod testing;
mod trace_context;
mod worker_pool;

pub use abilities::Abilities;
pub use backoff::Backoff;
pub use connect_options::ConnectOptions;
#[cfg(feature = "tower")]
pub use consumer::ServiceRejection;
pub use consumer::{
    BatchError, ConsumerBuilder, ConsumerHealth, Done, HandlerError, HealthReport, Outcome,
    Priorities, StreamConsumer,
};
pub use dead_letters::{DeadLetter, DeadLetters};
pub use delayed::{DelayedMessage, DelayedMessages};
pub use entry_id::{EntryId, ParseEntryIdError};
pub use error::Error;
pub use group_policy::{ConsumerDeletion, GroupPolicy};
pub use group_start::GroupStart;
pub use manager::{ConsumerGroupManager, ConsumerInfo, GroupInfo};
pub use message::{Fields, Message};
pub use millstream::Millstream;
#[cfg(feature = "embedded")]
pub use millstream_runtime::SyncMode;
pub use monitor::{ConsumerGroupMonitor, GroupStatistics, PendingSummary, StuckMessage};
#[cfg(feature = "embedded")]
pub use open_options::OpenOptions;
pub use partitions::{PartitionStatistics, PartitionedStream};
pub use payload::{FromFields, PayloadError, ToFields};
pub use producer::Producer;
/// For the commands and answers of [`Millstream::query`].
pub use redis;
pub use replay::Replay;
pub use worker_pool::WorkerPool;
