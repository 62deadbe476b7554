//! The server over TCP, in raw bytes, on ports of its own.

mod acl;
mod blocking;
mod buffers;
mod changed_users;
mod client;
mod connection;
mod debug;
mod disk;
mod faults;
mod gated_storage;
mod info;
mod latency;
mod limits;
mod monitor;
mod own_connection;
mod pause;
mod protection;
mod saving;
mod settings;
mod shutdown;
mod silence;
mod slow_log;
mod tls;
mod tls_place;
mod transactions;
mod unix_socket;
