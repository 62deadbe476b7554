//! The log through its public interface, on a faulty disk in memory and on a real one.

mod blocks;
mod checkpoints;
mod concurrent_sync;
mod corruption;
mod crash;
mod disk_reserve;
mod full_disk;
mod golden;
mod golden_blocks;
mod golden_checkpoints;
mod harness;
mod model;
mod os;
mod poison;
mod ready_bytes;
