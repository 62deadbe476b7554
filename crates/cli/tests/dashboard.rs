//! The dashboard of a server, over HTTP, as browsers and programs ask for it.

#[path = "dashboard/api.rs"]
mod api;
#[path = "dashboard/api_bulk.rs"]
mod api_bulk;
#[path = "dashboard/api_reads.rs"]
mod api_reads;
#[path = "dashboard/bounded_lists.rs"]
mod bounded_lists;
#[path = "dashboard/elsewhere.rs"]
mod elsewhere;
#[path = "dashboard/entries.rs"]
mod entries;
#[path = "dashboard/health.rs"]
mod health;
#[path = "dashboard/health_of_all.rs"]
mod health_of_all;
#[path = "dashboard/letters.rs"]
mod letters;
#[path = "dashboard/metrics.rs"]
mod metrics;
#[path = "dashboard/outages.rs"]
mod outages;
#[path = "dashboard/pages.rs"]
mod pages;
#[path = "dashboard/peers.rs"]
mod peers;
#[path = "support/process.rs"]
mod process;
#[path = "dashboard/rights.rs"]
mod rights;
#[path = "dashboard/safety.rs"]
mod safety;
#[path = "dashboard/schedule.rs"]
mod schedule;
#[path = "dashboard/server.rs"]
mod server;
#[path = "dashboard/site.rs"]
mod site;
#[path = "dashboard/spans.rs"]
mod spans;
#[path = "dashboard/stale_forms.rs"]
mod stale_forms;
#[path = "dashboard/stream_changes.rs"]
mod stream_changes;
#[path = "dashboard/users.rs"]
mod users;
