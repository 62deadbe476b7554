//! What traces and metrics say of producers and handlers.

use std::sync::Arc;

use metrics_util::debugging::{DebugValue, DebuggingRecorder};
use millstream::{Fields, HandlerError, Message, Millstream};
use opentelemetry::trace::{SpanKind, TracerProvider as _};
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider, SpanData};
use tracing_subscriber::layer::SubscriberExt as _;

use crate::place::Place;

fn attribute(span: &SpanData, name: &str) -> Option<String> {
    let found = span.attributes.iter().find(|attribute| attribute.key.as_str() == name);
    found.map(|attribute| attribute.value.to_string())
}

/// A message that fails once and one that does not, on one thread.
async fn work(place: &Place) {
    let consumer = place.builder("c1").build().await.expect("a consumer");
    place.millstream.add(&place.stream, &Fields::new().with("n", "0")).await.expect("add");
    let producer = millstream::Producer::new(&place.millstream, place.stream.as_str());
    producer.add_all([Fields::new().with("n", "1")]).await.expect("add");
    let (stop, health) = (consumer.stop_token(), consumer.health());
    let handling = consumer.run(|message: Message| async move {
        let fails = message.text("n") == Some("1") && message.deliveries() == 1;
        if fails { Err(HandlerError::retry("not yet")) } else { Ok(()) }
    });
    let watching = async {
        crate::place::until("both are done", async || health.report().acknowledged == 2).await;
        stop.cancel();
    };
    let (ended, ()) = tokio::join!(handling, watching);
    ended.expect("it ends in order");
}

fn on_one_thread(test: impl AsyncFnOnce(Place)) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let store = Millstream::in_memory().expect("a store in memory");
        test(Place::new(store, "telemetry")).await;
    });
}

#[test]
fn a_trace_goes_from_the_producer_over_the_entry_to_its_handler() {
    // A place in the code that another test is about to announce for the first time may be passed
    // over by a subscriber that comes in the same moment, and has no spans for it then. So that
    // there is none: all of them are announced before.
    on_one_thread(async |place| work(&place).await);
    let exporter = InMemorySpanExporter::default();
    let provider = SdkTracerProvider::builder().with_simple_exporter(exporter.clone()).build();
    let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
    let subscriber = tracing_subscriber::registry().with(layer);
    let _guard = tracing::subscriber::set_default(subscriber);
    on_one_thread(async |place| {
        work(&place).await;
        let entry: Vec<(String, Vec<String>)> = place.raw("XRANGE {s} - + COUNT 1").await;
        assert!(entry[0].1.contains(&"traceparent".to_owned()), "{entry:?}");
    });
    let spans = exporter.get_finished_spans().expect("spans");
    let named =
        |name: &str| -> Vec<&SpanData> { spans.iter().filter(|span| span.name == name).collect() };
    let (sent, handled) = (named("send telemetry"), named("process telemetry"));
    assert_eq!((sent.len(), handled.len()), (2, 3), "{spans:#?}");
    for span in &handled {
        let parent = sent.iter().find(|it| it.span_context.span_id() == span.parent_span_id);
        let parent = parent.expect("the producer's span is its parent");
        assert_eq!(parent.span_context.trace_id(), span.span_context.trace_id());
        assert_eq!(
            (&parent.span_kind, &span.span_kind),
            (&SpanKind::Producer, &SpanKind::Consumer)
        );
        let expected = [
            ("messaging.system", "redis"),
            ("messaging.operation.type", "process"),
            ("messaging.destination.name", "telemetry"),
            ("messaging.consumer.group.name", "workers"),
            ("messaging.client.id", "c1"),
        ];
        for (name, value) in expected {
            assert_eq!(attribute(span, name).as_deref(), Some(value), "{name}");
        }
        assert!(attribute(span, "messaging.message.id").is_some_and(|id| id.contains('-')));
    }
    let failed: Vec<_> = handled.iter().filter_map(|span| attribute(span, "error.type")).collect();
    assert_eq!(failed, ["failed"]);
    let id = attribute(sent[0], "messaging.message.id").expect("the id of the entry");
    assert!(handled.iter().any(|span| attribute(span, "messaging.message.id") == Some(id.clone())));
}

#[test]
fn metrics_count_what_became_of_messages() {
    let recorder = Arc::new(DebuggingRecorder::new());
    let snapshotter = recorder.snapshotter();
    metrics::with_local_recorder(&*recorder, || on_one_thread(async |place| work(&place).await));
    let mut found = std::collections::BTreeMap::new();
    for (key, _, _, value) in snapshotter.snapshot().into_vec() {
        let labels: Vec<&str> = key.key().labels().map(|label| label.value()).collect();
        assert_eq!(labels, ["telemetry", "workers"]);
        let value = match value {
            DebugValue::Counter(count) => count as f64,
            DebugValue::Gauge(level) => level.into_inner(),
            DebugValue::Histogram(values) => values.len() as f64,
        };
        found.insert(key.key().name().to_owned(), value);
    }
    let of = |name: &str| found.get(name).copied();
    assert_eq!(of("millstream_worker_taken_total"), Some(3.0), "{found:?}");
    assert_eq!(of("millstream_worker_acknowledged_total"), Some(2.0));
    assert_eq!(of("millstream_worker_failed_total"), Some(1.0));
    assert_eq!(of("millstream_worker_in_hand"), Some(0.0));
    assert_eq!(of("millstream_worker_queue_wait_seconds"), Some(2.0));
    assert_eq!(of("messaging.process.duration"), Some(3.0));
}
