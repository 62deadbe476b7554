//! The server over TCP, in raw bytes, on ports of its own.

mod blocking;
mod client;
mod connection;
mod disk;
mod gated_storage;
mod limits;
mod shutdown;
mod transactions;
