//! Spans of commands, for whoever keeps them: all that are slow, and some of the others.
//!
//! Where nobody does, a batch of commands costs one look at an `Option` more, a command nothing.

use std::sync::Arc;
use std::time::Duration;

/// A command that has run to its end.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct CommandSpan<'a> {
    /// Its name: `xadd`, `xgroup|create`.
    pub name: &'static str,
    /// Its first key.
    pub key: Option<&'a [u8]>,
    /// How long it ran. It has just ended.
    pub took: Duration,
    /// Whether it is here because it took as long as the slow log waits for.
    pub is_slow: bool,
}

/// Takes spans.
pub trait SpanSink: std::fmt::Debug + Send + Sync {
    /// Called by the thread that ran the command, which clients wait for: must not wait itself.
    fn take(&self, span: CommandSpan<'_>);
}

/// Who takes spans, and how many.
#[derive(Clone, Debug)]
pub struct Spans {
    /// Who.
    pub sink: Arc<dyn SpanSink>,
    /// Of so many batches of commands on a connection, those of one are taken; 0: only what is
    /// slow.
    pub one_in: u32,
}
