//! The Redis grammar, without I/O: arguments become a call of the engine, its outcome becomes a
//! reply.
//!
//! [`table`] knows every command: its name, arity, flags, keys. [`run`] runs one that touches data,
//! within a transaction of the engine; [`encode`] turns the [`Reply`] into bytes. Commands about
//! the connection or the server are the session's business and only stand in the table.
//!
//! Must not know sockets, sessions, threads, or how anything is stored. It fails by replying: every
//! text that a client may see is in `refusal.rs` or beside the grammar it belongs to. Tests: beside
//! the modules; behaviour as a whole is in the scenarios of `millstream-conformance`.

pub mod compatibility;
mod default_policies;
pub mod digest;
pub mod glob;
pub mod id;
pub mod integer;
pub mod introspection;
pub mod table;

mod answer;
mod encode;
mod extended_float;
mod key_matches;
mod keys;
mod options;
mod refusal;
mod reply;
mod streams;

pub use answer::{Answer, is_data_command, read_reply, run};
pub use default_policies::DefaultPolicies;
pub use encode::{ReplyEncoder, encode};
pub use key_matches::KeyMatches;
pub use refusal::rejection_reply;
pub use reply::Reply;
pub use streams::acknowledge::broken_fence;
