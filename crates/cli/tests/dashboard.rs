//! The dashboard of a server, over HTTP, as browsers and programs ask for it.

#[path = "dashboard/health.rs"]
mod health;
#[path = "dashboard/metrics.rs"]
mod metrics;
#[path = "dashboard/pages.rs"]
mod pages;
#[path = "support/process.rs"]
mod process;
#[path = "dashboard/safety.rs"]
mod safety;
#[path = "dashboard/site.rs"]
mod site;
#[cfg(feature = "otlp")]
#[path = "dashboard/spans.rs"]
mod spans;
