//! What tracing and metrics are told of handlers.

use std::time::Instant;

use tracing::Span;

use super::done::Done;
use super::handler::Failure;
use crate::Message;

/// Some messages in the hands of a handler.
pub(super) struct Observed {
    begun: Instant,
    span: Span,
}

impl Observed {
    /// The handler begins now.
    pub(super) fn begin(messages: &[Message]) -> Self {
        Self { begun: Instant::now(), span: span_of(messages) }
    }

    /// What the handler runs in.
    pub(super) fn span(&self) -> Span {
        self.span.clone()
    }

    /// The handler is done.
    pub(super) fn end(self, all: &[Result<Done, Failure>]) {
        let _ = (self.begun, all);
    }
}

/// Names and values are OpenTelemetry's semantic conventions for messaging.
fn span_of(messages: &[Message]) -> Span {
    let Some(first) = messages.first() else { return Span::none() };
    let stream = first.stream();
    tracing::info_span!("process", "messaging.destination.name" = stream)
}
