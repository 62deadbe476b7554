//! What is on disk, as an operator meets it: a real process, its files, and bytes on a socket.
//!
//! Streams larger than memory, damaged, missing and unwritable files, a full disk, and space that
//! is given back. `cargo xtask long memory` sets `MILLSTREAM_FILL_MB`.

#[path = "storage/damage.rs"]
mod damage;
#[path = "storage/disk_usage.rs"]
mod disk_usage;
#[path = "storage/entries.rs"]
mod entries;
#[path = "storage/failing.rs"]
mod failing;
#[path = "storage/full_disk.rs"]
mod full_disk;
#[path = "storage/memory.rs"]
mod memory;
#[path = "storage/pending_errors.rs"]
mod pending_errors;
#[path = "support/process.rs"]
mod process;
#[path = "storage/refused_starts.rs"]
mod refused_starts;
#[path = "storage/space.rs"]
mod space;
#[path = "storage/store.rs"]
mod store;
