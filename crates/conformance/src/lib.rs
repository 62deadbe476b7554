//! Proof that Millstream answers as Redis does: scenarios that are true of real servers, random
//! command sequences and odd bytes, replayed on ours and on real servers side by side.
//!
//! * [`Program`] and [`Server`]: start a server, ours or a peer, on a port and in a directory of
//!   its own; [`Cluster`], [`Sentinels`]: several that belong
//!   together.
//! * [`Authority`]: certificates for servers and clients by TLS.
//! * [`Client`] and [`Value`]: one blocking connection, replies exactly as they were on the wire.
//! * [`scenario`]: the corpus under `scenarios/`, its notation and its runner.
//! * [`differential`]: seeded command sequences sent to two servers, replies and states compared.
//! * [`raw`]: bytes that no client library sends, and what comes back.
//!
//! The harness knows the wire and the command line of the servers and nothing of their insides: of
//! our crates it uses only the client side of `millstream-resp`. What fails, fails with an error
//! that names the scenario and its line, or the seed. `tests/` holds one test per runner and
//! server.

mod authority;
mod client;
mod cluster;
pub mod differential;
mod pattern;
mod program;
pub mod raw;
pub mod scenario;
mod sentinels;
mod server;
mod value;
mod waiting;

pub use authority::{Authority, Signed};
pub use client::Client;
pub use cluster::Cluster;
pub use pattern::{Bindings, Pattern};
pub use program::{Family, Program, peers_required};
pub use sentinels::{SERVICE, Sentinels};
pub use server::Server;
pub use value::Value;
