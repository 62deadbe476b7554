//! What tracing and metrics are told of handlers.

use std::time::{Duration, Instant, SystemTime};

use tracing::Span;
use tracing::field::Empty;

use super::handler::Failure;
use super::handler_error::Verdict;
use super::health::Counters;
use crate::{Message, trace_context};

/// Some messages in the hands of a handler.
pub(super) struct Observed {
    begun: Instant,
    span: Span,
}

impl Observed {
    /// The handler begins now.
    pub(super) fn begin(messages: &[Message], counters: &Counters) -> Self {
        let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
        for message in messages.iter().filter(|message| message.deliveries == 1) {
            counters.queue_wait.note(now.saturating_sub(Duration::from_millis(message.id.ms)));
        }
        let span = span_of(messages);
        trace_context::follow(&span, messages);
        Self { begun: Instant::now(), span }
    }

    /// What the handler runs in.
    pub(super) fn span(&self) -> Span {
        self.span.clone()
    }

    /// The handler is done, or failed by the first of these.
    pub(super) fn end(self, error: Option<&Failure>, counters: &Counters) {
        counters.process_duration.note(self.begun.elapsed());
        let Some(error) = error else { return };
        let (kind, text) = match error {
            Ok(failure) if failure.verdict == Verdict::Reject => ("rejected", failure.to_string()),
            Ok(failure) => ("failed", failure.to_string()),
            Err(_) => ("panic", "the handler panicked".to_owned()),
        };
        self.span.record("error.type", kind);
        self.span.record("otel.status_code", "ERROR");
        self.span.record("otel.status_description", text);
    }
}

/// Names and values are OpenTelemetry's semantic conventions for messaging.
fn span_of(messages: &[Message]) -> Span {
    let Some(first) = messages.first() else { return Span::none() };
    let span = tracing::info_span!(
        "process",
        otel.name = Empty,
        otel.kind = "consumer",
        otel.status_code = Empty,
        otel.status_description = Empty,
        error.r#type = Empty,
        messaging.system = "redis",
        messaging.operation.name = "process",
        messaging.operation.r#type = "process",
        messaging.destination.name = first.stream(),
        messaging.consumer.group.name = first.group(),
        messaging.client.id = first.consumer(),
        messaging.message.id = Empty,
        messaging.batch.message_count = Empty,
    );
    if span.is_disabled() {
        return span;
    }
    span.record("otel.name", format!("process {}", first.stream()));
    match messages {
        [only] => span.record("messaging.message.id", only.id.to_string()),
        all => span.record("messaging.batch.message_count", all.len()),
    };
    span
}
