//! For tests of your own handlers: streams in memory, and time that the test moves.
//!
//! Two ways, by what your code waits for.
//!
//! **[`in_memory`]: a clock moved by hand.** All that the engine does by time goes by it: leases,
//! backoff, retention, delayed entries, the end of a read that blocks. Nothing happens until
//! [`TestClock::advance`]. Works in every runtime.
//!
//! ```
//! use std::time::Duration;
//! use millstream::{
//!     Backoff, DeadLetters, Error, Fields, HandlerError, Message, StreamConsumer, testing,
//! };
//!
//! const HOUR: Duration = Duration::from_secs(3600);
//!
//! async fn bill(_order: Message) -> Result<(), HandlerError> {
//!     Err(HandlerError::retry("the payment service is down"))
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Error> {
//! let (millstream, clock) = testing::in_memory();
//! let consumer = StreamConsumer::builder(&millstream, "orders", "billing")
//!     .max_retries(2)
//!     .backoff(Backoff { base: HOUR, factor: 2.0, max: 10 * HOUR, jitter: 0.0 })
//!     .build()
//!     .await?;
//! tokio::spawn(consumer.run(bill));
//! millstream.add("orders", &Fields::new().with("order_id", "1")).await?;
//!
//! let letters = DeadLetters::new(&millstream, "orders:dlq");
//! clock.advance(HOUR - Duration::from_millis(1)).await;
//! assert!(letters.list(None, 10).await?.is_empty());
//! clock.advance(Duration::from_millis(1)).await;
//! assert_eq!(letters.list(None, 10).await?.len(), 1);
//! # Ok(())
//! # }
//! ```
//!
//! **[`in_tokio_time`]: tokio's clock.** For a test with `#[tokio::test(start_paused = true)]`
//! (tokio's feature `test-util`). Then engine, worker and your own code live by one clock, and it
//! moves by itself to the next thing that anybody waits for whenever nobody has anything to do: a
//! test of "fails three times, waits an hour each, and is a dead letter" simply waits for the
//! letter, and takes milliseconds.
//!
//! Let time pass by `tokio::time::sleep` there; `tokio::time::advance` jumps over what is due in
//! between, and all of it happens at the end.
//!
//! Neither has threads, and both begin at the same time of the same day: a test is the same in
//! every run. While a worker has nothing to do it asks again each time its
//! [`block`](crate::ConsumerBuilder::block) is over, so a test that lets days pass is faster with a
//! long one.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::yield_now;
use tokio::time::Instant;

use crate::backend::{EmbeddedBackend, EngineClock, ManualClock};
use crate::milliseconds::milliseconds;
use crate::{Abilities, Millstream};

/// How far a message goes in a worker from task to task is far less than this.
const TURNS: usize = 64;

/// Streams in memory, and the clock by which they live. It stands still at the beginning of 2026
/// until it is moved.
#[must_use]
pub fn in_memory() -> (Millstream, TestClock) {
    let clock = Arc::new(ManualClock::default());
    let backend = EmbeddedBackend::for_tests(EngineClock::Manual(Arc::clone(&clock)));
    let millstream = Millstream::over(Arc::new(backend.clone()), Abilities::embedded());
    (millstream, TestClock { clock, backend })
}

/// Streams in memory that live by tokio's clock, from the beginning of 2026.
///
/// # Panics
/// Outside of a tokio runtime.
#[must_use]
pub fn in_tokio_time() -> Millstream {
    let backend = EmbeddedBackend::for_tests(EngineClock::Tokio(Instant::now()));
    Millstream::over(Arc::new(backend), Abilities::embedded())
}

/// The clock of streams in memory. Clones are the same clock. Keeps the streams alive.
#[derive(Clone, Debug)]
pub struct TestClock {
    clock: Arc<ManualClock>,
    backend: EmbeddedBackend,
}

impl TestClock {
    /// Lets so much time pass, in whole milliseconds: everything that is due in between happens,
    /// one after the other, each at its own time. Before each step, and at the end, other tasks run
    /// until they wait; in a runtime of several threads that is not certain, so use one of a single
    /// thread. Handlers that wait for something else than the engine, like a timer of tokio's, do
    /// not hold the clock up.
    ///
    /// Dropped while it waits, less time has passed.
    pub async fn advance(&self, by: Duration) {
        let until_ms = self.clock.elapsed_ms().saturating_add(milliseconds(by));
        loop {
            settle().await;
            if !self.backend.advance(&self.clock, until_ms).await {
                break;
            }
        }
        settle().await;
    }

    /// How much time has passed since the beginning.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        Duration::from_millis(self.clock.elapsed_ms())
    }
}

/// Lets the other tasks go as far as they can.
async fn settle() {
    for _ in 0..TURNS {
        yield_now().await;
    }
}
