//! `millstream demo`: order processing with a consumer group, from first order to dead letters.
//!
//! A producer adds orders to `orders:stream`; five consumers of the group `order-processors` read
//! new entries, retry their own failures and claim what an absent colleague left behind. A fifth
//! of the attempts fails, a few orders always fail, and half-way one consumer is lost with work in
//! its hands. At the end every order must be processed or dead-lettered, once, and the server must
//! agree with the [`ledger`].
//!
//! Everything here is a program that uses the toolkit (`millstream`): it must not know which server
//! it talks to, so the same code runs against Redis and Valkey.
//!
//! It fails with an error that names the first order, or the first number, that does not add up,
//! and after [`DemoOptions::deadline`] at the latest. Tests are in `tests.rs`.

mod run;

mod producer;

mod handler;
mod ledger;
mod verify;

mod progress;
mod report;

pub(crate) use run::{DemoOptions, run};

/// The stream that orders are added to.
const ORDERS_STREAM: &str = "orders:stream";
/// The stream that those go to that fail too often.
const LETTERS_STREAM: &str = "orders:stream:dlq";
/// The one group that processes them.
const ORDER_GROUP: &str = "order-processors";

#[cfg(test)]
mod tests;
