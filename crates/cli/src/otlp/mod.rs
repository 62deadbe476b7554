//! `serve --otlp-endpoint`: spans of commands to an OpenTelemetry collector, by HTTP in JSON.
//!
//! Spans wait in a bounded queue for a thread of their own; what has no room there is dropped, so
//! that a collector that is slow or away holds up nobody.

mod collector;
mod ended_span;
mod sender;

use std::sync::Arc;

use millstream::ConnectOptions;
use millstream_server::Spans;

use self::collector::Collector;
pub(crate) use self::sender::RunningOtlp;
use crate::serve_options::ConfigError;

/// Where spans go.
#[derive(Debug)]
pub(crate) struct OtlpOptions {
    /// A collector; `None`: nowhere.
    pub(crate) endpoint: Option<String>,
    /// The part of all batches of commands that is sent beside slow ones, from 0 to 1.
    pub(crate) sample: f64,
}

impl OtlpOptions {
    /// Where spans go, and how many; `None`: nowhere.
    ///
    /// # Errors
    /// The endpoint is none.
    pub(crate) fn check(&self) -> Result<Option<(Collector, u32)>, ConfigError> {
        let Some(endpoint) = &self.endpoint else { return Ok(None) };
        let collector = Collector::new(endpoint).ok_or_else(|| {
            let shown = ConnectOptions::new(endpoint).address();
            ConfigError(format!("otlp-endpoint {shown:?} is not like http://127.0.0.1:4318"))
        })?;
        let one_in = match self.sample {
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
