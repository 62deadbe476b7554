//! A collector, and how it is sent something.

use std::time::Duration;

use millstream::ConnectOptions;
use ureq::Agent;
use ureq::http::Uri;

use super::ended_span::{EndedSpan, request};

/// For a whole request: a server that ends waits for it.
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(crate) struct Collector {
    url: String,
    agent: Agent,
}

impl Collector {
    /// By the address that people give it; `None`: it is none.
    pub(super) fn new(endpoint: &str) -> Option<Self> {
        let uri: Uri = endpoint.parse().ok()?;
        let is_one = uri.scheme_str() == Some("http")
            && uri.host().is_some_and(|host| !host.is_empty())
            && uri.query().is_none();
        let url = format!("{}/v1/traces", endpoint.trim_end_matches('/'));
        // What a proxy of the environment is for is not on this machine.
        let agent = Agent::config_builder().timeout_global(Some(PATIENCE)).proxy(None).build();
        is_one.then(|| Self { url, agent: agent.into() })
    }

    /// # Errors
    /// It is not there, or does not want them, in words.
    pub(super) fn send(&self, spans: &[EndedSpan]) -> Result<(), String> {
        let body = request(spans).to_string();
        let request = self.agent.post(&self.url).header("content-type", "application/json");
        match request.send(body) {
            Ok(_) => Ok(()),
            // Without the password that may be in it.
            Err(error) => Err(format!("{}: {error}", ConnectOptions::new(&*self.url).address())),
        }
    }
}
