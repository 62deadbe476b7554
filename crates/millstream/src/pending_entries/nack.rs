//! How an entry is given back.

use std::time::Duration;

use redis::Cmd;

use crate::milliseconds::milliseconds;

/// What giving an entry back says of its last delivery; XNACK's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NackMode {
    /// It was no try: it is not counted.
    Silent,
    /// It failed.
    Fail,
    /// No other try would help. A group of Millstream with dead letters makes it one; elsewhere
    /// its count is set as high as it goes.
    Fatal,
}

/// How entries are given back to their group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nack {
    pub(super) mode: NackMode,
    pub(super) delay: Option<Duration>,
    pub(super) error: Option<String>,
}

impl Nack {
    /// With nothing else said.
    #[must_use]
    pub fn new(mode: NackMode) -> Self {
        Self { mode, delay: None, error: None }
    }

    /// Handed out again so long from now (whole milliseconds), whatever the backoff of the group;
    /// in groups of Millstream that have a policy. Not with [`NackMode::Fatal`].
    #[must_use]
    pub fn delay(mut self, delay: Duration) -> Self {
        self.delay = Some(delay);
        self
    }

    /// Why it failed, kept with the entry (4 KiB of it) and told by a dead letter; in groups of
    /// Millstream that have a policy.
    #[must_use]
    pub fn error(mut self, error: impl Into<String>) -> Self {
        self.error = Some(error.into());
        self
    }

    pub(super) fn mode_word(&self) -> &'static str {
        match self.mode {
            NackMode::Silent => "SILENT",
            NackMode::Fail => "FAIL",
            NackMode::Fatal => "FATAL",
        }
    }

    /// Behind the ids.
    pub(super) fn append_to(&self, command: &mut Cmd) {
        if let Some(delay) = self.delay {
            command.arg("DELAY").arg(milliseconds(delay));
        }
        if let Some(error) = &self.error {
            command.arg("ERROR").arg(error);
        }
    }
}
