//! The trace that an entry belongs to.
//!
//! With the feature `opentelemetry` it is carried in the entry's fields `traceparent` and
//! `tracestate`, as W3C's Trace Context has them: the span of the handler is a child of the span in
//! which the entry was added, or linked with it where the handler gets several entries. Without it
//! there are spans, each for itself.

use tracing::Span;
use tracing::field::Empty;

use crate::{EntryId, Fields, Message};

/// The span in which an entry is added.
pub(crate) fn sending(stream: &str) -> Span {
    let span = tracing::info_span!(
        "send",
        otel.name = Empty,
        otel.kind = "producer",
        messaging.system = "redis",
        messaging.operation.name = "send",
        messaging.operation.r#type = "send",
        messaging.destination.name = stream,
        messaging.message.id = Empty,
        messaging.batch.message_count = Empty,
    );
    if !span.is_disabled() {
        span.record("otel.name", format!("send {stream}"));
    }
    span
}

/// The entry got this ID.
pub(crate) fn sent(span: &Span, id: EntryId) {
    if !span.is_disabled() {
        span.record("messaging.message.id", id.to_string());
    }
}

#[cfg(feature = "opentelemetry")]
pub(crate) use with_opentelemetry::{follow, with_span};
#[cfg(not(feature = "opentelemetry"))]
pub(crate) use without::{follow, with_span};

#[cfg(not(feature = "opentelemetry"))]
mod without {
    use super::{Fields, Message, Span};

    pub(crate) fn with_span(fields: Fields, _span: &Span) -> Fields {
        fields
    }

    pub(crate) fn follow(_span: &Span, _messages: &[Message]) {}
}

#[cfg(feature = "opentelemetry")]
mod with_opentelemetry {
    use opentelemetry::trace::{
        SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState,
    };
    use tracing_opentelemetry::OpenTelemetrySpanExt as _;

    use super::{Fields, Message, Span};

    const PARENT: &str = "traceparent";
    const STATE: &str = "tracestate";

    /// With the trace of the span, if it is recorded, and the entry has none yet.
    pub(crate) fn with_span(fields: Fields, span: &Span) -> Fields {
        if fields.get(PARENT).is_some() {
            return fields;
        }
        let context = span.context();
        let known = context.span().span_context().clone();
        if !known.is_valid() {
            return fields;
        }
        let (trace, id, flags) = (known.trace_id(), known.span_id(), known.trace_flags().to_u8());
        let fields = fields.with(PARENT, format!("00-{trace}-{id}-{flags:02x}"));
        match known.trace_state().header() {
            state if state.is_empty() => fields,
            state => fields.with(STATE, state),
        }
    }

    /// Makes the span, which was not entered yet, go on what the messages' senders began.
    pub(crate) fn follow(span: &Span, messages: &[Message]) {
        if span.is_disabled() {
            return;
        }
        if let [only] = messages {
            if let Some(sender) = sender(only.payload()) {
                let context = opentelemetry::Context::new().with_remote_span_context(sender);
                // An error: no layer of OpenTelemetry is there.
                _ = span.set_parent(context);
            }
            return;
        }
        for sender in messages.iter().filter_map(|message| sender(message.payload())) {
            span.add_link(sender);
        }
    }

    /// `None`: there is none, or it is not as it should be.
    fn sender(fields: &Fields) -> Option<SpanContext> {
        let mut parts = fields.text(PARENT)?.split('-');
        let (version, trace, span) = (parts.next()?, parts.next()?, parts.next()?);
        let flags = parts.next()?;
        // Later versions may have more parts.
        let is_known = version == "00" && parts.next().is_none();
        let is_later = version != "00" && version != "ff" && version.len() == 2;
        if !(is_known || is_later) || trace.len() != 32 || span.len() != 16 || flags.len() != 2 {
            return None;
        }
        let flags = TraceFlags::new(u8::from_str_radix(flags, 16).ok()? & 1);
        let state = fields.text(STATE).and_then(|state| state.parse::<TraceState>().ok());
        let (trace, span) = (TraceId::from_hex(trace).ok()?, SpanId::from_hex(span).ok()?);
        let is_remote = true;
        let sender = SpanContext::new(trace, span, flags, is_remote, state.unwrap_or_default());
        sender.is_valid().then_some(sender)
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn what_is_no_trace_context_is_passed_over() {
            let good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
            let of = |text: &str| sender(&Fields::new().with(PARENT, text.to_owned()));
            let sender = of(good).expect("it is one");
            assert!(sender.is_sampled() && sender.is_remote());
            assert!(of(&good.replacen("00-4", "cc-4", 1)).is_some(), "of a later version");
            for wrong in ["", "00", &good[..50], &format!("{good}-x"), &good.replace('f', "g")] {
                assert!(of(wrong).is_none(), "{wrong}");
            }
            let zero = "00-00000000000000000000000000000000-00f067aa0ba902b7-01";
            assert!(of(zero).is_none());
        }
    }
}
