//! Connections that tasks share: one for all, and some that one has at a time.
//!
//! Invariants:
//! 1. One task connects for all that wait meanwhile, and fails for all of them: a server that lets
//!    connections hang keeps each for one time limit, not for one after the other.
//! 2. A connection is given up once, by its number, and never waits for one that is being made.
//! 3. One that its task did not give back (its future was dropped) is closed.

use parking_lot::Mutex;
use redis::aio::MultiplexedConnection;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;

use crate::Error;

/// Writes that wait for replicas of one server at the same time; others wait for their turn.
const WAITING_MAX: usize = 16;

/// The connection that all tasks share.
#[derive(Debug, Default)]
pub(super) struct Shared {
    now: Mutex<Now>,
    /// One connects for all; when and how that failed last.
    connecting: tokio::sync::Mutex<Option<(Instant, String)>>,
}

#[derive(Debug, Default)]
struct Now {
    connection: Option<MultiplexedConnection>,
    /// Counts connections, so that one that broke is given up once.
    number: u64,
}

/// The shared connection as it is now.
pub(super) struct Current {
    pub(super) connection: MultiplexedConnection,
    pub(super) number: u64,
}

/// Whether the server was demoted.
pub(super) fn is_read_only(error: &Error) -> bool {
    matches!(error, Error::Refused { code, .. } if code == "READONLY")
}

/// Whether there is no point in using the connection any more.
fn is_over<T>(done: &Result<T, Error>) -> bool {
    done.as_ref().is_err_and(|it| matches!(it, Error::Connection(_)) || is_read_only(it))
}

impl Shared {
    fn known(&self) -> Option<Current> {
        let now = self.now.lock();
        let connection = now.connection.clone()?;
        Some(Current { connection, number: now.number })
    }

    /// As it is, or as `connect` makes it.
    pub(super) async fn current<F>(&self, connect: impl FnOnce() -> F) -> Result<Current, Error>
    where
        F: Future<Output = Result<MultiplexedConnection, Error>>,
    {
        let asked = Instant::now();
        if let Some(current) = self.known() {
            return Ok(current);
        }
        let mut failed = self.connecting.lock().await;
        if let Some(current) = self.known() {
            return Ok(current);
        }
        if let Some((_, text)) = failed.as_ref().filter(|(at, _)| *at > asked) {
            return Err(Error::Connection(text.clone().into()));
        }
        let connection = connect().await.inspect_err(|error| {
            if let Error::Connection(source) = error {
                *failed = Some((Instant::now(), source.to_string()));
            }
        })?;
        let mut now = self.now.lock();
        now.number += 1;
        now.connection = Some(connection.clone());
        Ok(Current { connection, number: now.number })
    }

    /// Gives the connection of this number up if it is of no use any more.
    pub(super) fn note<T>(&self, number: u64, done: Result<T, Error>) -> Result<T, Error> {
        if is_over(&done) {
            let mut now = self.now.lock();
            if now.number == number {
                now.connection = None;
            }
        }
        done
    }
}

/// Connections for writes that wait for replicas: on one that waits a server does nothing else.
#[derive(Debug)]
pub(super) struct WaitingOnes {
    idle: Mutex<Vec<MultiplexedConnection>>,
    turns: Semaphore,
}

/// One of them.
pub(super) struct Waiting<'a> {
    pub(super) connection: MultiplexedConnection,
    _turn: SemaphorePermit<'a>,
}

impl Default for WaitingOnes {
    fn default() -> Self {
        Self { idle: Mutex::default(), turns: Semaphore::new(WAITING_MAX) }
    }
}

impl WaitingOnes {
    /// One that nobody has, or that `connect` makes.
    pub(super) async fn take<F>(&self, connect: impl FnOnce() -> F) -> Result<Waiting<'_>, Error>
    where
        F: Future<Output = Result<MultiplexedConnection, Error>>,
    {
        let turn = self.turns.acquire().await.expect("it is never closed");
        let idle = self.idle.lock().pop();
        let connection = match idle {
            Some(connection) => connection,
            None => connect().await?,
        };
        Ok(Waiting { connection, _turn: turn })
    }

    /// For the next one, unless it is of no use any more; then neither are the others.
    pub(super) fn give_back<T>(
        &self,
        waiting: Waiting<'_>,
        done: Result<T, Error>,
    ) -> Result<T, Error> {
        let mut idle = self.idle.lock();
        if is_over(&done) {
            idle.clear();
        } else {
            idle.push(waiting.connection);
        }
        done
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::sleep;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_waits_while_another_one_fails_to_connect_fails_with_it() {
        let shared = Shared::default();
        let begun = Instant::now();
        let hang = || async {
            sleep(Duration::from_secs(5)).await;
            Err(Error::Connection("it hangs".into()))
        };
        let three = tokio::join!(shared.current(hang), shared.current(hang), shared.current(hang));
        for one in [three.0, three.1, three.2] {
            let text = one.err().expect("it fails").to_string();
            assert!(text.contains("it hangs"), "{text}");
        }
        assert_eq!(begun.elapsed(), Duration::from_secs(5));
        // Who comes later tries anew.
        assert!(shared.current(hang).await.is_err());
        assert_eq!(begun.elapsed(), Duration::from_secs(10));
    }
}
