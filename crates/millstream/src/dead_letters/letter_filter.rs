//! Which dead letters are meant.

use std::time::Duration;

use bytes::Bytes;

use super::DeadLetter;

/// What a dead letter must be like; without anything said, all are meant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LetterFilter {
    stream: Option<Bytes>,
    group: Option<Bytes>,
    consumer: Option<Bytes>,
    reason: Option<String>,
    error: Option<String>,
    pub(super) min_age: Duration,
}

impl LetterFilter {
    /// All of them.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// It comes from this stream.
    #[must_use]
    pub fn stream(mut self, stream: impl AsRef<[u8]>) -> Self {
        self.stream = Some(Bytes::copy_from_slice(stream.as_ref()));
        self
    }

    /// This group gave it up.
    #[must_use]
    pub fn group(mut self, group: impl AsRef<[u8]>) -> Self {
        self.group = Some(Bytes::copy_from_slice(group.as_ref()));
        self
    }

    /// This consumer had it last.
    #[must_use]
    pub fn consumer(mut self, consumer: impl AsRef<[u8]>) -> Self {
        self.consumer = Some(Bytes::copy_from_slice(consumer.as_ref()));
        self
    }

    /// For this reason: `max-deliveries` or `fatal`.
    #[must_use]
    pub fn reason(mut self, reason: impl Into<String>) -> Self {
        self.reason = Some(reason.into());
        self
    }

    /// Its error has this in it.
    #[must_use]
    pub fn error(mut self, part: impl Into<String>) -> Self {
        self.error = Some(part.into());
        self
    }

    /// It has been a letter for so long (whole milliseconds count), by the time in its id and the
    /// clock of the server.
    #[must_use]
    pub fn min_age(mut self, min_age: Duration) -> Self {
        self.min_age = min_age;
        self
    }

    pub(super) fn is_any(&self) -> bool {
        *self == Self::default()
    }

    /// Whatever its age.
    pub(super) fn fits(&self, letter: &DeadLetter) -> bool {
        let Self { stream, group, consumer, reason, error, min_age: _ } = self;
        let is = |wanted: &Option<Bytes>, is: &Bytes| wanted.as_ref().is_none_or(|it| it == is);
        is(stream, &letter.stream_bytes)
            && is(group, &letter.group_bytes)
            && is(consumer, &letter.consumer_bytes)
            && reason.as_ref().is_none_or(|reason| *reason == letter.reason)
            && error.as_ref().is_none_or(|part| letter.error.contains(part))
    }
}
