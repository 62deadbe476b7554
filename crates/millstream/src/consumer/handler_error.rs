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
    /// It was no try: to others, at once.
    GiveBack,
    /// It was no try, and the next one is after so long.
    PutOff(Duration),
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

    /// It was not done, and that says nothing about the message: it goes to whoever reads next, and
    /// this delivery is not counted. For handlers that cannot go on, as when the program is to end;
    /// a consumer that goes on may get it again at once. Where messages are kept in order it stays
    /// pending for the consumer.
    pub fn give_back(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self { verdict: Verdict::GiveBack, source: source.into() }
    }

    /// It could not be done now, and that says nothing about the message: tried again after `delay`
    /// (365 days at most), and this delivery is not counted, so that it is never a dead letter for
    /// that. For what depends on others who are away for a time.
    pub fn put_off(
        delay: Duration,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self { verdict: Verdict::PutOff(delay.min(WAIT_MAX)), source: source.into() }
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
