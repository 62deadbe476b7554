//! A span in the JSON that OpenTelemetry defines (OTLP 1, `opentelemetry.proto.trace.v1.Span`).

use std::time::{Duration, SystemTime};

use millstream_server::CommandSpan;
use millstream_shown::visible;
use serde_json::{Value as Json, json};

/// Of a key that is longer, this much is told.
const NAME_BYTES_MAX: usize = 256;
/// `SPAN_KIND_SERVER`.
const SERVER: u8 = 2;

/// A command that was run, until it is sent.
#[derive(Debug)]
pub(super) struct EndedSpan {
    operation: &'static str,
    key: Option<Vec<u8>>,
    took: Duration,
    ended: SystemTime,
    is_slow: bool,
}

impl EndedSpan {
    /// It has just ended.
    pub(super) fn new(span: CommandSpan<'_>) -> Self {
        let key = span.key.map(|key| key[..key.len().min(NAME_BYTES_MAX)].to_vec());
        let (took, is_slow) = (span.took, span.is_slow);
        Self { operation: span.name, key, took, ended: SystemTime::now(), is_slow }
    }

    fn json(&self) -> Json {
        let operation = self.operation.to_ascii_uppercase();
        let key = self.key.as_deref().map(visible);
        let name = match &key {
            Some(key) => format!("{operation} {key}"),
            None => operation.clone(),
        };
        let mut attributes = vec![
            text("db.system.name", "redis"),
            text("db.operation.name", &operation),
            json!({ "key": "millstream.slow", "value": { "boolValue": self.is_slow } }),
        ];
        attributes.extend(key.map(|key| text("messaging.destination.name", &key)));
        json!({
            // Nobody's child: a trace of its own. Neither may be all zero.
            "traceId": format!("{:032x}", fastrand::u128(1..)),
            "spanId": format!("{:016x}", fastrand::u64(1..)),
            "name": name,
            "kind": SERVER,
            "startTimeUnixNano": nanos(self.ended - self.took),
            "endTimeUnixNano": nanos(self.ended),
            "attributes": attributes,
        })
    }
}

/// What is sent of several (`ExportTraceServiceRequest`).
pub(super) fn request(spans: &[EndedSpan]) -> Json {
    let version = env!("CARGO_PKG_VERSION");
    let service = [text("service.name", "millstream"), text("service.version", version)];
    let spans: Vec<Json> = spans.iter().map(EndedSpan::json).collect();
    json!({ "resourceSpans": [{
        "resource": { "attributes": service },
        "scopeSpans": [{ "scope": { "name": "millstream" }, "spans": spans }],
    }] })
}

fn text(key: &str, value: &str) -> Json {
    json!({ "key": key, "value": { "stringValue": value } })
}

/// Numbers of 64 bits are texts there.
fn nanos(at: SystemTime) -> String {
    let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    since.as_nanos().to_string()
}
