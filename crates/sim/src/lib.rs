//! A seeded simulation of the whole store: clients, the threads of the program, time, and a disk
//! that fails, on one thread and from one number.
//!
//! [`run`] does one run, the same for the same seed and [`Config`]. Every reply is compared with
//! that of a naive reference; after every crash the store must be in exactly one of the states it
//! was in, at or behind everything that was acknowledged. [`shrink`] leaves out the steps that a
//! failure does not need.
//!
//! What may fail and how is the fault model of `millstream_log::memory_storage`. What the program
//! does in one turn is atomic here: threads that race are not tested by this. How to run it, and
//! what it found: `docs/testing.md`.

mod actors;
mod clients;
mod command;
mod config;
mod dice;
mod failure;
mod history;
mod id;
mod picture;
mod reference;
mod report;
mod session;
mod shrink;
mod simulation;
mod store;
mod trace;

pub use config::Config;
pub use report::{Report, run};
pub use shrink::shrink;
pub use simulation::Counters;
