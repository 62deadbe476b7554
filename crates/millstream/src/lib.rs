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
//! - [`ConsumerGroupManager`] makes, moves and removes groups and their consumers, shows and sets
//!   their policies, and replays a part of a stream ([`Replay`]).
//! - [`StreamManager`] looks at a stream, reads it without a group, trims and deletes it, shows and
//!   sets its retention; [`StreamScan`] finds streams.
//! - [`StreamCopy`] copies a stream with its groups and pending lists to another server.
//! - [`ConsumerGroupMonitor`] says what is pending, what is stuck, and how far behind a group is.
//! - [`ServerMonitor`] says what a server tells of itself, its settings and its time.
//! - [`PendingEntries`] lists what a group has pending, claims, acknowledges and gives it back.
//! - [`DeadLetters`] lists what failed too often, gives it back, or deletes it.
//! - [`Producer`] adds many at once, or once however often it is tried; [`SourceProducer`] adds
//!   each entry of a file once, however often reading it begins anew; [`DelayedMessages`] adds
//!   later; a handler that returns [`Done`] adds in one step with its acknowledgement.
//! - [`WorkerPool`] runs several consumers together: workers of one group, or one for each of
//!   several groups (fan-out). [`Priorities`] say which streams of a consumer go first.
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
//! # Which backend, which guarantees
//!
//! | | in the process: [`Millstream::open`] | Millstream | Redis, Valkey | behind Sentinels, Cluster |
//! |---|---|---|---|---|
//! | an entry that was added is | on disk | on disk | as safe as `appendfsync` says | the same; lost by a failover that its replicas had not reached, but for [`Millstream::with_replicas`] |
//! | what was delivered is handled | at least once | at least once | at least once, unless the server loses what it confirmed | the same |
//! | what failed comes again by | the engine | the server | the worker that had it; if it died, any other after `claim_min_idle` | the same |
//! | what failed too often becomes a dead letter by | the engine, in one record | the server, in one record, with no worker there | a script, when a worker takes it | a script, in the stream's slot |
//! | a late acknowledgement | is refused (FENCE) | is refused (FENCE) | is refused by a script, if the lease is half over; before that nobody else has it | the same |
//! | [`order_by`], [`max_in_flight`], [`paused`] | yes | yes | [`Error::Unsupported`] | [`Error::Unsupported`] |
//! | order of each key with many workers | [`order_by`], or leased partitions | the same | leased partitions | leased partitions, as long as no lease is forgotten |
//! | [`DelayedMessages`] come | to the millisecond | to the millisecond, with no worker there | by the stream's consumers, within a second | the same |
//! | [`Producer::add_once`] knows | 10,000 keys of a producer | the same | Redis 8.6 the same; else every key of its window, as a key of the server | the same |
//! | [`Done`] adds and acknowledges | in one record, as long as the lease is its own (XFENCE) | the same | in one script | in one script, in one slot |
//! | a group that was lost is made again | where it was done, a few seconds before | the same | the same | the same |
//! | tested with | directory and memory | this version | Redis 8.2 and 8.6, Valkey 9.1 | Valkey 9.1: three Sentinels; three primaries, three replicas |
//!
//! Older servers from Redis 6.2 on should do, by what they can; nobody tests that. Durability of
//! Millstream is by its default, `--sync always`. More on Clusters, Sentinels and TLS is in
//! `docs/cluster.md`, on policies in `docs/delivery.md`.
//!
//! # Features
//!
//! | feature | default | what it adds |
//! |---|---|---|
//! | `embedded` | yes | the engine in the process, and [`testing`] |
//! | `metrics` | yes | numbers of workers by the `metrics` facade: `millstream_worker_{taken, acknowledged, late, failed, panicked, dead_lettered, handed_back}_total`, `millstream_worker_in_hand`, `millstream_worker_queue_wait_seconds`, `messaging.process.duration` |
//! | `tower` | yes | [`StreamConsumer::run_service`]: handlers as services, with layers around them |
//! | `opentelemetry` | no | the trace of a producer goes on in the handler, by `traceparent` in the entry |
//! | `tls` | yes | `rediss://` and its like, by rustls with ring |
//!
//! Spans (`send`, `process`) are there without any feature, with OpenTelemetry's names for
//! messaging.
//!
//! [`order_by`]: ConsumerBuilder::order_by
//! [`max_in_flight`]: ConsumerBuilder::max_in_flight
//! [`paused`]: ConsumerBuilder::paused
//!
//! Must not know how any server stores anything. Tests: `tests/it`, one suite for all servers.

// `println!` and `eprintln!` panic where nothing can be written any more.
#![warn(clippy::print_stderr, clippy::print_stdout)]

mod abilities;
mod backend;
mod backoff;
mod connect_options;
mod consumer;
mod dead_letters;
mod delayed;
mod entry_id;
mod error;
mod group_info;
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
mod pending_entries;
mod policy_item;
mod producer;
mod replay;
mod reply;
mod retention;
mod same_slot;
mod server_monitor;
mod source;
mod stream_copy;
mod stream_info;
mod stream_manager;
mod stream_reader;
mod stream_scan;
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
pub use dead_letters::{DeadLetter, DeadLetters, LetterFilter, LetterPage, Requeued};
pub use delayed::{DelayedMessage, DelayedMessages};
pub use entry_id::{EntryId, ParseEntryIdError};
pub use error::Error;
pub use group_info::{ConsumerInfo, GroupInfo, ManagedGroup};
pub use group_policy::{ConsumerDeletion, GroupPolicy};
pub use group_start::GroupStart;
pub use manager::ConsumerGroupManager;
pub use message::{Fields, Message};
pub use millstream::Millstream;
#[cfg(feature = "embedded")]
pub use millstream_runtime::SyncMode;
pub use monitor::{ConsumerGroupMonitor, GroupStatistics, PendingSummary, StuckMessage};
#[cfg(feature = "embedded")]
pub use open_options::OpenOptions;
pub use partitions::{PartitionStatistics, PartitionedStream};
pub use payload::{FromFields, PayloadError, ToFields};
pub use pending_entries::{
    Nack, NackMode, PendingEntries, PendingEntry, PendingFilter, PendingPage,
};
pub use policy_item::{BackoffItem, PolicyItem};
pub use producer::Producer;
/// For the commands and answers of [`Millstream::query`].
pub use redis;
pub use replay::Replay;
pub use retention::{Overflow, Retain, Retention, RetentionItem};
pub use server_monitor::{ServerInfo, ServerMonitor};
pub use source::{SourcePosition, SourceProducer};
pub use stream_copy::{
    CopyDifference, CopyNote, CopyPhase, CopyProgress, CopyVerdict, StreamCopied, StreamCopy,
    StreamCopyError, is_staging_key,
};
pub use stream_info::{StreamEntry, StreamInfo};
pub use stream_manager::{StreamManager, Trim};
pub use stream_reader::StreamReader;
pub use stream_scan::StreamScan;
pub use worker_pool::WorkerPool;
