//! A dashboard for Millstream, Redis and Valkey: pages for people, numbers for monitoring, and what
//! tells a supervisor whether the server is well.
//!
//! Everything that it shows and does goes through the toolkit, by commands that any client could
//! send: so it works for the server that it runs inside of and for others alike, and the server's
//! own rules say who may do what. [`Dashboard::bind`] takes the port, [`Dashboard::serve`] answers
//! until it is dropped; [`Lifecycle`] tells it meanwhile where the server is.
//!
//! - `api`: the same as JSON, with OpenAPI.
//! - `pages`: one file for each page, rendered here; no script is needed but to keep them fresh.
//! - `guard`, `sessions`, `visitor`: who may come in, and who is asking.
//! - `history`: what was seen in the last hour. `metrics`: numbers of the moment, for Prometheus.
//!
//! Must not know how any server stores anything, nor read anything from a disk.

// `println!` and `eprintln!` panic where nothing can be written any more.
#![warn(clippy::print_stderr, clippy::print_stdout)]

mod actions;
mod answers;
mod api;
mod app;
mod asset;
mod client_list;
mod command_cost;
mod connections;
mod dashboard;
mod entry_count;
mod entry_page;
mod entry_states;
mod failure;
mod guard;
mod health;
mod history;
mod letter_count;
mod letter_jobs;
mod letter_places;
mod letter_trial;
mod lifecycle;
mod live;
mod login;
mod metrics;
mod notices;
mod options;
mod pages;
mod pending_spans;
mod places;
mod random;
mod refused_logins;
mod scheduled;
mod secrets;
mod segments;
mod sent;
mod servers;
mod sessions;
mod sights;
mod stream_order;
mod urgent_groups;
mod visible_streams;
mod visitor;
mod whole_change;

pub use answers::Answers;
pub use dashboard::Dashboard;
pub use lifecycle::{Lifecycle, Target};
pub use options::{BindError, DashboardOptions, HttpsConfig};
pub use places::FILES_WANTED;
