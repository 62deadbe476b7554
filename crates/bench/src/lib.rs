//! Side-by-side measurement of two servers that speak the Redis protocol.
//!
//! Both servers run at the same time on this machine; each workload visits them in turns, A B A B,
//! with the same client code, so that whatever disturbs the machine disturbs both. Reported are
//! throughput, processor time of the server per message, context switches and, where a client
//! waits for each answer, latency; the ratio is the median over rounds measured side by side.
//!
//! This crate must not use any code of the servers: the client is [`connection`], small and
//! blocking, with requests encoded beforehand, so that client and server do not share an error.
//!
//! Invariants:
//! 1. Every reply is read and checked; a workload that gets a wrong one fails, it is not slow.
//! 2. Setting up and tearing down a round lies outside of the measured time.
//! 3. Servers are ended, and their directories removed, on every way out.
//!
//! Every wait has a limit. Tests stand beside what they test and in `tests/`.

pub mod compare;
pub mod goals;
pub mod instructions;
pub mod training;

pub mod alternate;
pub mod measure;
pub mod report;

pub mod workload;
pub mod workloads;

pub mod goal;
pub mod pairing;

pub mod connection;
pub mod entry_batch;
pub mod entry_id;
pub mod latency;
pub mod request;

pub mod process_memory;
pub mod process_usage;
pub mod server;

pub mod machine;
