//! `serve --otlp-endpoint`: spans of commands to an OpenTelemetry collector, by HTTP in JSON.
//!
//! Spans wait in a bounded queue for a thread of their own; what has no room there is dropped, so
//! that a collector that is slow or away holds up nobody.

mod collector;
mod ended_span;
mod sender;

use std::sync::Arc;

use clap::Args;
use millstream_server::Spans;

use self::collector::Collector;
pub(crate) use self::sender::RunningOtlp;
use crate::serve_options::ConfigError;

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

impl OtlpOptions {
    /// Where spans go, and how many; `None`: nowhere.
    ///
    /// # Errors
    /// The endpoint is none.
    pub(crate) fn check(&self) -> Result<Option<(Collector, u32)>, ConfigError> {
        let Some(endpoint) = &self.otlp_endpoint else { return Ok(None) };
        let collector = Collector::new(endpoint).ok_or_else(|| {
            ConfigError(format!("--otlp-endpoint {endpoint:?} is not like http://127.0.0.1:4318"))
        })?;
        let one_in = match self.otlp_sample {
            0.0 => 0,
            part => (1.0 / part).round().clamp(1.0, f64::from(u32::MAX)) as u32,
        };
        Ok(Some((collector, one_in)))
    }

    /// # Errors
    /// The endpoint is none, or there is no thread.
    pub(crate) fn start(&self) -> anyhow::Result<Option<(Spans, RunningOtlp)>> {
        let Some((collector, one_in)) = self.check()? else { return Ok(None) };
        let (sink, running) = sender::start(collector)?;
        Ok(Some((Spans { sink: Arc::new(sink), one_in }, running)))
    }
}
