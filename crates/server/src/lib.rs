//! The network server: the engine and its commands behind TCP, in the Redis protocol.
//!
//! [`Server::start`] opens the store, starts the threads and listens; [`RunningServer`] says where,
//! and stops it. Everything works in-process, several times over, so tests and the demo use port 0.
//!
//! ```text
//! listener -> worker (own thread) -> session: parse -> engine -> encode -> hold -> socket
//!                                                          |                          ^
//!                                              commit thread: write, sync, publish ---+
//! ```
//!
//! A reply leaves only when everything that it reports is as safe as the [`SyncMode`] promises; see
//! [`session`](self) for how. tokio lives here and nowhere below. Tests: `tests/it`, raw bytes over
//! TCP.

// `println!` and `eprintln!` panic where nothing can be written any more.
#![warn(clippy::print_stderr, clippy::print_stdout)]

mod config;
mod config_file;
mod default_policy;
mod error;
mod server;
mod settings;
mod shared;

mod open_files;
mod own_connection;

mod accept_errors;
mod address;
mod clients;
mod fsync_times;
mod histogram;
mod idle;
mod latency;
mod listener;
mod mailbox;
mod memory_budget;
mod memory_watch;
mod monitors;
mod output_limit;
mod pause;
mod redaction;
mod sampler;
mod slow_log;
mod spans;
mod statistics;
mod stream;
mod tls;
mod unix_socket;
mod worker;

mod backup_command;
mod session;

mod acl;
mod acl_command;

mod client_command;
mod config_command;
mod debug_command;
mod hello;
mod info;
mod latency_command;
mod limit_settings;
mod lolwut;
mod memory_command;
mod save_command;
mod server_command;
mod slowlog_command;
mod tls_command;
mod tracking;

pub use config::{BindAddress, Config, DebugAccess, GroupPolicyRule};
pub use config_file::{ConfigFile, SettingValue};
pub use error::StartError;
pub use millstream_runtime::{StopError, SyncMode};
pub use open_files::files_for_others;
pub use own_connection::Connector;
pub use server::{RunningServer, Server, ShutdownHandle};
pub use spans::{CommandSpan, SpanSink, Spans};
pub use tls::{AuthClients, Tls, TlsError, TlsSettings};
