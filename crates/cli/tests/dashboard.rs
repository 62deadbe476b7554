//! The dashboard of a server, over HTTP, as browsers and programs ask for it.

#[path = "dashboard/entries.rs"]
mod entries;
#[path = "dashboard/health.rs"]
mod health;
#[path = "dashboard/pages.rs"]
mod pages;
#[path = "dashboard/peers.rs"]
mod peers;
#[path = "support/process.rs"]
mod process;
#[path = "dashboard/safety.rs"]
mod safety;
#[path = "dashboard/site.rs"]
mod site;
#[path = "dashboard/stream_changes.rs"]
mod stream_changes;
