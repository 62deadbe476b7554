//! The engine through its public interface: every operation, random runs with restarts and crashes,
//! expiry, parked reads, and what replies must wait for. No real time passes in any test.

mod checkpoint;
mod copy;
mod crash;
mod depends;
mod dice;
mod dump;
mod entries;
mod expiry;
mod golden;
mod groups;
mod keys;
mod operation;
mod parked;
mod parked_claims;
mod pending;
mod policy;
mod random;
mod reads;
mod reload;
mod retention;
mod retention_stored;
mod store;
