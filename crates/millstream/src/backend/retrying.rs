//! Trying again what was not done.

use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::{Backoff, Error};

/// For so long it is tried to reach whoever can do it.
const PATIENCE: Duration = Duration::from_secs(10);
const RETRY: Backoff = Backoff {
    base: Duration::from_millis(10),
    factor: 2.0,
    max: Duration::from_millis(500),
    jitter: 0.5,
};

/// How long and how often it was tried.
pub(super) struct Retrying {
    begun: Instant,
    pub(super) tries: u64,
}

impl Retrying {
    pub(super) fn begin() -> Self {
        Self { begun: Instant::now(), tries: 0 }
    }

    /// One more try failed with this.
    ///
    /// # Errors
    /// That failure, if it was tried for long enough.
    pub(super) fn note(&mut self, failed: Error) -> Result<(), Error> {
        self.tries += 1;
        if self.begun.elapsed() >= PATIENCE { Err(failed) } else { Ok(()) }
    }

    pub(super) async fn wait(&self) {
        sleep(RETRY.after_at_random(self.tries)).await;
    }
}

/// Whether a server did nothing because it is not, or not yet, or not any more, what it must be.
pub(super) fn is_not_now(error: &Error) -> bool {
    let Error::Refused { code, .. } = error else { return false };
    matches!(
        &**code,
        "TRYAGAIN" | "CLUSTERDOWN" | "LOADING" | "MASTERDOWN" | "READONLY" | "UNBLOCKED"
    )
}

/// Whether waiting does not help, although nothing was sent.
pub(super) fn is_hopeless(error: &Error) -> bool {
    !matches!(error, Error::Connection(_)) && !error.is_temporary()
}
