//! What traces and metrics say of producers and handlers.
//!
//! A program of its own, because its subscriber has to be there before the first span is made: a
//! place in the code that another thread announces in the moment in which a subscriber comes may
//! be passed over by it for good.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use metrics_util::debugging::{DebugValue, DebuggingRecorder};
use millstream::{Backoff, Fields, HandlerError, Message, Millstream, Producer, StreamConsumer};
use opentelemetry::trace::{SpanKind, TracerProvider as _};
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider, SpanData};
use tracing_subscriber::layer::SubscriberExt as _;

/// What becomes of all spans of this program.
fn exporter() -> &'static InMemorySpanExporter {
    static TRACES: OnceLock<(InMemorySpanExporter, SdkTracerProvider)> = OnceLock::new();
    let (exporter, _) = TRACES.get_or_init(|| {
        let exporter = InMemorySpanExporter::default();
        let provider = SdkTracerProvider::builder().with_simple_exporter(exporter.clone()).build();
        let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
        let subscriber = tracing_subscriber::registry().with(layer);
        tracing::subscriber::set_global_default(subscriber).expect("it is the first");
        (exporter, provider)
    });
    exporter
}

fn attribute(span: &SpanData, name: &str) -> Option<String> {
    let found = span.attributes.iter().find(|attribute| attribute.key.as_str() == name);
    found.map(|attribute| attribute.value.to_string())
}

/// A message that fails once and one that does not.
async fn work(millstream: &Millstream, stream: &str) {
    let (base, max) = (Duration::from_millis(20), Duration::from_millis(100));
    let builder = StreamConsumer::builder(millstream, stream, "workers").name("c1");
    let builder = builder.backoff(Backoff { base, factor: 2.0, max, jitter: 0.0 });
    let consumer = builder.build().await.expect("a consumer");
    millstream.add(stream, &Fields::new().with("n", "0")).await.expect("add");
    let producer = Producer::new(millstream, stream);
    producer.add_all([Fields::new().with("n", "1")]).await.expect("add");
    let (stop, health) = (consumer.stop_token(), consumer.health());
    let handling = consumer.run(|message: Message| async move {
        let fails = message.text("n") == Some("1") && message.deliveries() == 1;
        if fails { Err(HandlerError::retry("not yet")) } else { Ok(()) }
    });
    let watching = async {
        let begun = Instant::now();
        while health.report().acknowledged < 2 {
            assert!(begun.elapsed() < Duration::from_secs(60), "not acknowledged");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        stop.cancel();
    };
    let (ended, ()) = tokio::join!(handling, watching);
    ended.expect("it ends in order");
}

fn on_one_thread(test: impl AsyncFnOnce(Millstream)) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        test(Millstream::in_memory().expect("a store in memory")).await;
    });
}

#[test]
fn a_trace_goes_from_the_producer_over_the_entry_to_its_handler() {
    let exporter = exporter();
    on_one_thread(async |millstream| {
        work(&millstream, "telemetry").await;
        let range = redis::cmd("XRANGE").arg("telemetry").arg("-").arg("+").clone();
        let entries = millstream.query(&range).await.expect("an answer");
        let entries: Vec<(String, Vec<String>)> =
            redis::from_redis_value(entries).expect("entries");
        assert!(entries[0].1.contains(&"traceparent".to_owned()), "{entries:?}");
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
    exporter();
    metrics::with_local_recorder(&*recorder, || {
        on_one_thread(async |millstream| work(&millstream, "counted").await);
    });
    let mut found = std::collections::BTreeMap::new();
    for (key, _, _, value) in snapshotter.snapshot().into_vec() {
        let labels: Vec<&str> = key.key().labels().map(|label| label.value()).collect();
        assert_eq!(labels, ["counted", "workers"]);
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
