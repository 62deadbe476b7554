//! What a handler says when it could not do its work.

use std::fmt;
use std::time::Duration;

use crate::backoff::WAIT_MAX;

/// Why a message was not done, and what is to become of it. Made by `?` from any error: then it is
/// tried again after the backoff. It is no [`std::error::Error`] itself, so that this can be.
pub struct HandlerError {
    pub(super) verdict: Verdict,
    pub(super) source: Box<dyn std::error::Error + Send + Sync>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// After so long, or after the backoff.
    Retry(Option<Duration>),
    /// To the dead letters, at once.
    Reject,
}

impl HandlerError {
    /// To be tried again after the backoff, while tries are left; else a dead letter.
    pub fn retry(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self { verdict: Verdict::Retry(None), source: source.into() }
    }

    /// The same, but not before `delay` is over, whatever the backoff says; a longer one than 365
    /// days counts as that.
    pub fn retry_after(
        delay: Duration,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self { verdict: Verdict::Retry(Some(delay.min(WAIT_MAX))), source: source.into() }
    }

    /// No other try would help: it becomes a dead letter at once.
    pub fn reject(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self { verdict: Verdict::Reject, source: source.into() }
    }
}

impl<E: std::error::Error + Send + Sync + 'static> From<E> for HandlerError {
    fn from(source: E) -> Self {
        Self::retry(source)
    }
}

impl fmt::Display for HandlerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.source)?;
        let mut source = self.source.source();
        while let Some(cause) = source {
            write!(f, ": {cause}")?;
            source = cause.source();
        }
        Ok(())
    }
}

impl fmt::Debug for HandlerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {self}", self.verdict)
    }
}
