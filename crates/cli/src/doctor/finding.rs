//! Something that will hurt.

use clap::ValueEnum;
use serde::Serialize;

use crate::name::Name;
use crate::output::JsonBytes;

/// How much it will hurt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Severity {
    /// Work is lost or stands still, or will.
    Error,
    /// Somebody should look at it.
    Warning,
    /// Good to know.
    Note,
}

/// What is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Check {
    /// Keys are deleted when memory is full
    Eviction,
    /// A restart loses streams
    Persistence,
    /// A loss of power loses what was confirmed
    Sync,
    /// Memory is nearly full
    Memory,
    /// Writes are refused
    WritesStopped,
    /// The server is a replica
    Replica,
    /// Its clock differs from that of this machine
    Clock,
    /// A group has no consumers
    NoConsumers,
    /// Consumers that nobody uses any more
    IdleConsumers,
    /// Consumers that have entries and are not heard of
    StuckConsumers,
    /// Entries that are delivered again and again
    Poison,
    /// A group never got entries that are gone
    UnreadTrimmed,
    /// The next trim takes what a group has not read
    TrimEdge,
    /// Pending entries that are gone from the stream
    PendingDeleted,
    /// A group keeps a stream from letting go
    HoldsBack,
    /// The server cannot tell how far behind a group is
    LagUnknown,
    /// Dead letters that nobody empties
    DeadLetters,
    /// A group hands out nothing
    Paused,
}

/// Where, what, why it hurts, what to do next.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Finding {
    pub(super) severity: Severity,
    pub(super) check: Check,
    /// Of several servers, which one.
    pub(super) server: Option<String>,
    pub(super) stream: Option<JsonBytes>,
    pub(super) group: Option<JsonBytes>,
    pub(super) what: String,
    pub(super) why: String,
    #[serde(skip)]
    pub(super) next: Next,
}

/// What to do about a finding.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Next {
    /// A command of this program, for the server that was looked at.
    Here(String),
    /// Whatever else, as it stands.
    Other(String),
}

impl From<String> for Next {
    fn from(text: String) -> Self {
        Self::Other(text)
    }
}

impl From<&str> for Next {
    fn from(text: &str) -> Self {
        Self::Other(text.to_owned())
    }
}

impl Severity {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

impl Check {
    pub(super) fn word(self) -> String {
        let value = self.to_possible_value().expect("no check is left out of the command line");
        value.get_name().to_owned()
    }
}

impl Finding {
    /// About the server.
    pub(super) fn new(
        severity: Severity,
        check: Check,
        what: impl Into<String>,
        why: impl Into<String>,
        next: impl Into<Next>,
    ) -> Self {
        let (what, why, next) = (what.into(), why.into(), next.into());
        let (server, stream, group) = (None, None, None);
        Self { severity, check, server, stream, group, what, why, next }
    }

    pub(super) fn of_server(mut self, server: Option<String>) -> Self {
        self.server = server;
        self
    }

    pub(super) fn of_stream(mut self, stream: &Name) -> Self {
        self.stream = Some(stream.json());
        self
    }

    pub(super) fn of_group(mut self, stream: &Name, group: &Name) -> Self {
        self.group = Some(group.json());
        self.of_stream(stream)
    }

    /// What it is about, for people; empty: the server.
    pub(super) fn subject(&self) -> String {
        let name = |bytes: &JsonBytes| Name::from(bytes.0.clone()).to_string();
        match (&self.stream, &self.group, &self.server) {
            (Some(stream), Some(group), _) => format!("{} > {}", name(stream), name(group)),
            (Some(stream), None, _) => name(stream),
            (None, _, Some(server)) => server.clone(),
            (None, _, None) => "server".to_owned(),
        }
    }
}
