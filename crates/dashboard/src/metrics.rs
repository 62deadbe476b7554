//! `/metrics`: numbers for Prometheus, of the server, its streams and its groups.
//!
//! Whoever may read all streams and run INFO may ask; what is told is what the dashboard itself
//! sees. Streams
//! and groups are those of the last looks ([`history`]); what was not looked at lately is looked at
//! first, within a bound. One scrape is made at a time: who comes meanwhile waits, and shares the
//! next one with everybody who waits as well.

mod exposition;
mod fields;
mod name_pattern;
mod server;
mod streams;

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{FromRequestParts as _, Query, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::future::join_all;
use millstream::redis::cmd;
use millstream::{ConsumerGroupManager, Millstream, ServerMonitor};
use serde::Deserialize;
use tokio::sync::Mutex;
use tokio::time::timeout;

use self::exposition::{Exposition, Kind, Labels, Metric};
use self::streams::{CONSUMERS_MAX, CONSUMERS_OF_GROUP_MAX, Chosen};
use crate::app::App;
use crate::failure::Failure;
use crate::history;
use crate::visitor::Visitor;

/// What was looked at before is looked at again.
const FRESH: Duration = Duration::from_secs(15);
/// Streams that are looked at for one scrape, at most.
const LOOKS_MAX: usize = 250;
/// For a scrape, where nobody says how long it may take.
const PATIENCE_MAX: Duration = Duration::from_secs(60);
/// Commands that are on their way at a time.
const CONCURRENT: usize = 50;

static TOOK: Metric = Metric {
    name: "millstream_metrics_scrape_seconds",
    kind: Kind::Gauge,
    help: "How long it took to gather all this.",
};

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Ask {
    /// Only streams whose names match.
    streams: Option<String>,
    /// `1`: consumers, too.
    consumers: Option<String>,
    #[serde(skip)]
    is_open_metrics: bool,
}

/// The last scrape.
#[derive(Debug, Default)]
pub(crate) struct Scrapes(Mutex<Option<Scrape>>);

#[derive(Debug)]
struct Scrape {
    ask: Ask,
    begun: Instant,
    content_type: &'static str,
    text: Bytes,
}

pub(crate) async fn get(
    State(app): State<Arc<App>>,
    ask: Result<Query<Ask>, axum::extract::rejection::QueryRejection>,
    request: Request,
) -> Result<Response, Failure> {
    let Query(mut ask) = ask.map_err(|error| Failure::Invalid(error.body_text()))?;
    let (mut parts, _) = request.into_parts();
    let accept = parts.headers.get_all(header::ACCEPT).iter();
    ask.is_open_metrics = accept
        .filter_map(|accept| accept.to_str().ok())
        .any(|accept| accept.contains("application/openmetrics-text"));
    if !matches!(ask.consumers.as_deref(), None | Some("0" | "1")) {
        return Err(Failure::Invalid("consumers is 0 or 1".to_owned()));
    }
    let patience = patience(&parts.headers);
    match timeout(patience, answer(&app, &mut parts, &ask)).await {
        Ok(answered) => answered,
        // Whoever asked would not hear of it later.
        Err(_) => Ok(down(&ask)),
    }
}

/// How long Prometheus waits, as it says, and a little less; others wait as long as it takes.
fn patience(headers: &HeaderMap) -> Duration {
    let told = headers.get("x-prometheus-scrape-timeout-seconds");
    let seconds = told.and_then(|told| told.to_str().ok()?.parse::<f64>().ok());
    let patience = seconds.and_then(|it| Duration::try_from_secs_f64(it * 0.9).ok());
    patience.unwrap_or(PATIENCE_MAX)
}

async fn answer(app: &Arc<App>, parts: &mut Parts, ask: &Ask) -> Result<Response, Failure> {
    let admitted = match Visitor::from_request_parts(parts, app).await {
        Ok(visitor) => may_ask(&visitor).await,
        Err(failure) => Err(failure),
    };
    if let Err(failure) = admitted {
        // That no server answers is a number, too, which alerts wait for.
        return if failure.is_no_answer() { Ok(down(ask)) } else { Err(failure) };
    }
    let asked = Instant::now();
    let mut last = app.scrapes.0.lock().await;
    if last.as_ref().is_none_or(|last| last.begun < asked || last.ask != *ask) {
        *last = match scrape(app, ask).await {
            Ok(scrape) => Some(scrape),
            Err(failure) if failure.is_no_answer() => return Ok(down(ask)),
            Err(failure) => return Err(failure),
        };
    }
    let Scrape { content_type, text, .. } = last.as_ref().expect("it was just made");
    Ok(([(header::CONTENT_TYPE, *content_type)], text.clone()).into_response())
}

async fn may_ask(visitor: &Visitor) -> Result<(), Failure> {
    visitor.must_see_all().await?;
    // All sections of it are told.
    if visitor.would_be_allowed(&[b"INFO", b"ALL"]).await? != Some(true) {
        visitor.millstream.query(cmd("INFO").arg("ALL")).await?;
    }
    Ok(())
}

fn down(ask: &Ask) -> Response {
    let mut to = Exposition::new(ask.is_open_metrics);
    server::down(&mut to);
    ([(header::CONTENT_TYPE, to.content_type())], to.into_text()).into_response()
}

async fn scrape(app: &App, ask: &Ask) -> Result<Scrape, Failure> {
    let begun = Instant::now();
    let millstream = app.trusted().await?;
    let mut to = Exposition::new(ask.is_open_metrics);
    let monitors = ServerMonitor::all(&millstream).await?;
    for (index, monitor) in monitors.iter().enumerate() {
        let labels = match monitors.len() {
            1 => Labels::default(),
            // Of a Cluster.
            _ => Labels::default().with("server", &index.to_string()),
        };
        server::add(&mut to, &labels, &monitor.info_all().await?);
    }
    let pattern = ask.streams.as_deref().map(str::as_bytes);
    let mut chosen = Chosen::of(&app.history, pattern);
    let due = chosen.due(FRESH, LOOKS_MAX);
    if !due.is_empty() {
        history::look_at(&app.history, &millstream, &due).await?;
        chosen = Chosen::of(&app.history, pattern);
    }
    chosen.add(&mut to);
    if ask.consumers.as_deref() == Some("1") {
        add_consumers(&mut to, &millstream, &chosen).await?;
    }
    to.add(&TOOK, &Labels::default(), begun.elapsed().as_secs_f64());
    let content_type = to.content_type();
    Ok(Scrape { ask: ask.clone(), begun, content_type, text: to.into_text().into() })
}

/// The consumers of the busiest groups, as far as there is room.
async fn add_consumers(
    to: &mut Exposition,
    millstream: &Millstream,
    chosen: &Chosen,
) -> Result<(), Failure> {
    let (mut room, mut left_out) = (CONSUMERS_MAX as u64, 0);
    let mut asked = Vec::new();
    for stream in &chosen.streams {
        for group in stream.groups.iter().filter(|group| group.info.consumers > 0) {
            let many = group.info.consumers;
            if many > room || many > CONSUMERS_OF_GROUP_MAX {
                left_out += many;
                continue;
            }
            room -= many;
            asked.push((&stream.name, &group.info.name_bytes));
        }
    }
    for some in asked.chunks(CONCURRENT) {
        let consumers = some.iter().map(|(stream, group)| async move {
            ConsumerGroupManager::new(millstream, *stream).consumers(group).await
        });
        for ((stream, group), consumers) in some.iter().zip(join_all(consumers).await) {
            match consumers {
                Ok(consumers) => streams::add_consumers(to, stream, group, &consumers),
                // Gone meanwhile.
                Err(millstream::Error::NoGroup(_) | millstream::Error::Refused { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    streams::add_consumers_left_out(to, left_out);
    Ok(())
}
