//! The engine through its public interface: every operation, random runs with restarts and crashes,
//! expiry, parked reads, and what replies must wait for. No real time passes in any test.

mod backoff;
mod checkpoint;
mod consumer_ttl;
mod copy;
mod crash;
mod dead_letters;
mod depends;
mod dice;
mod dump;
mod entries;
mod expiry;
mod golden;
mod groups;
mod in_flight;
mod keys;
mod operation;
mod ordered;
mod parked;
mod parked_claims;
mod pending;
mod policy;
mod random;
mod reads;
mod reload;
mod requeue;
mod retention;
mod retention_stored;
mod schedule;
mod small_writes;
mod states;
mod store;
mod wake_ups;
