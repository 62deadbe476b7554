//! `serve --otlp-endpoint`: spans of commands to an OpenTelemetry collector, by HTTP.
//!
//! Only in programs built with the feature `otlp`. Spans wait in a bounded queue for a thread of
//! their own; what has no room there is dropped, so that a collector that is slow or away holds up
//! nobody.

use clap::Args;

/// Where spans go.
#[derive(Debug, Args)]
pub(crate) struct OtlpOptions {
    /// Send spans of slow commands to this OpenTelemetry collector: http://127.0.0.1:4318
    #[arg(long, env = "MILLSTREAM_OTLP_ENDPOINT", value_name = "URL")]
    otlp_endpoint: Option<String>,
    /// Send also spans of this part of all batches of commands, of each connection: 0.01
    #[arg(
        long,
        env = "MILLSTREAM_OTLP_SAMPLE",
        value_name = "PART",
        default_value_t = 0.0,
        value_parser = part
    )]
    otlp_sample: f64,
}

fn part(text: &str) -> Result<f64, String> {
    let part = text.parse::<f64>().ok().filter(|part| (0.0..=1.0).contains(part));
    part.ok_or_else(|| "this is not between 0 and 1".to_owned())
}

#[cfg(not(feature = "otlp"))]
mod sender {
    use millstream_server::Spans;

    use super::OtlpOptions;
    use crate::serve_options::ConfigError;

    /// What is left to send when the server ends.
    pub(crate) struct RunningOtlp;

    impl OtlpOptions {
        /// # Errors
        /// Spans are wanted, and this program cannot send any.
        pub(crate) fn start(&self) -> anyhow::Result<Option<(Spans, RunningOtlp)>> {
            if self.otlp_endpoint.is_none() {
                return Ok(None);
            }
            let text = "this program was built without --otlp-endpoint\n  next: build it with \
                        cargo build --release --features otlp";
            Err(ConfigError(text.to_owned()).into())
        }
    }
}

#[cfg(feature = "otlp")]
mod sender {
    use std::sync::Arc;
    use std::time::SystemTime;

    use anyhow::Context as _;
    use millstream_server::{CommandSpan, SpanSink, Spans};
    use opentelemetry::trace::{Span as _, SpanKind, Tracer as _, TracerProvider as _};
    use opentelemetry::{Context, KeyValue};
    use opentelemetry_otlp::{SpanExporter, WithExportConfig as _};
    use opentelemetry_sdk::Resource;
    use opentelemetry_sdk::trace::{Sampler, SdkTracer, SdkTracerProvider};

    use super::OtlpOptions;
    use crate::serve_options::ConfigError;

    /// What is left to send when the server ends.
    pub(crate) struct RunningOtlp(SdkTracerProvider);

    #[derive(Debug)]
    struct Sink(SdkTracer);

    impl OtlpOptions {
        /// # Errors
        /// The endpoint is none.
        pub(crate) fn start(&self) -> anyhow::Result<Option<(Spans, RunningOtlp)>> {
            let Some(endpoint) = &self.otlp_endpoint else { return Ok(None) };
            if !endpoint.starts_with("http://") {
                let text =
                    format!("--otlp-endpoint {endpoint:?} is not like http://127.0.0.1:4318");
                return Err(ConfigError(text).into());
            }
            let traces = format!("{}/v1/traces", endpoint.trim_end_matches('/'));
            let exporter = SpanExporter::builder().with_http().with_endpoint(traces).build();
            let resource = Resource::builder()
                .with_service_name("millstream")
                .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
                .build();
            let provider = SdkTracerProvider::builder()
                .with_batch_exporter(exporter.context("send spans")?)
                // The server has chosen already.
                .with_sampler(Sampler::AlwaysOn)
                .with_resource(resource)
                .build();
            let sink = Arc::new(Sink(provider.tracer("millstream")));
            let one_in = match self.otlp_sample {
                0.0 => 0,
                part => (1.0 / part).round().clamp(1.0, f64::from(u32::MAX)) as u32,
            };
            Ok(Some((Spans { sink, one_in }, RunningOtlp(provider))))
        }
    }

    impl SpanSink for Sink {
        fn take(&self, span: CommandSpan<'_>) {
            let ended = SystemTime::now();
            let operation = span.name.to_ascii_uppercase();
            let mut attributes = vec![
                KeyValue::new("db.system.name", "redis"),
                KeyValue::new("millstream.slow", span.is_slow),
            ];
            let name = match span.key {
                Some(key) => {
                    let key = millstream_shown::visible(&key[..key.len().min(NAME_BYTES_MAX)]);
                    let name = format!("{operation} {key}");
                    attributes.push(KeyValue::new("messaging.destination.name", key));
                    name
                }
                None => operation.clone(),
            };
            attributes.push(KeyValue::new("db.operation.name", operation));
            let builder = self.0.span_builder(name).with_kind(SpanKind::Server);
            let builder = builder.with_start_time(ended - span.took).with_attributes(attributes);
            let mut built = self.0.build_with_context(builder, &Context::new());
            built.end_with_timestamp(ended);
        }
    }

    /// Of a key that is longer, this much is told.
    const NAME_BYTES_MAX: usize = 256;

    impl Drop for RunningOtlp {
        fn drop(&mut self) {
            if let Err(error) = self.0.shutdown() {
                tracing::warn!("the last spans were not sent: {error}");
            }
        }
    }
}
