//! What commands cost, and what held up a server.

use axum::Json;
use millstream::redis::{Value, cmd};
use serde::Serialize;
use utoipa::ToSchema;

use super::ErrorDocument;
use crate::command_cost::CommandCost;
use crate::failure::Failure;
use crate::servers::{bytes, number, parts, places};
use crate::visitor::Visitor;

/// Events of each server: there are some ten kinds.
const EVENTS_MAX: usize = 100;

/// What commands cost.
#[derive(Serialize, ToSchema)]
pub(crate) struct CommandList {
    servers: Vec<ServerCommands>,
}

/// On one server.
#[derive(Serialize, ToSchema)]
struct ServerCommands {
    server: String,
    /// Those that were called.
    commands: Vec<CommandCost>,
}

/// What each command cost since its server started.
#[utoipa::path(get, path = "/api/v1/commands", responses(
    (status = 200, body = CommandList),
    (status = "4XX", body = ErrorDocument),
    (status = "5XX", body = ErrorDocument),
))]
pub(crate) async fn commands(visitor: Visitor) -> Result<Json<CommandList>, Failure> {
    let mut servers = Vec::new();
    for place in places(&visitor).await? {
        let answer = place.monitor.query(cmd("INFO").arg("commandstats")).await?;
        servers.push(ServerCommands { server: place.name, commands: CommandCost::all(&answer) });
    }
    Ok(Json(CommandList { servers }))
}

/// What held up servers.
#[derive(Serialize, ToSchema)]
pub(crate) struct LatencyList {
    events: Vec<LatencyEvent>,
}

/// Of one kind: `command`, `aof-write`, and others that LATENCY knows.
#[derive(Serialize, ToSchema)]
struct LatencyEvent {
    server: String,
    event: String,
    /// The longest one so far.
    max_ms: u64,
    /// The last ones, oldest first: 160 at most.
    history: Vec<LatencySample>,
}

/// One of them, or the longest of a second.
#[derive(Serialize, ToSchema)]
struct LatencySample {
    /// Unix time.
    at_ms: u64,
    took_ms: u64,
}

/// What held up a server for longer than its setting `latency-monitor-threshold` says.
#[utoipa::path(get, path = "/api/v1/latency", responses(
    (status = 200, body = LatencyList),
    (status = "4XX", body = ErrorDocument),
    (status = "5XX", body = ErrorDocument),
))]
pub(crate) async fn latency(visitor: Visitor) -> Result<Json<LatencyList>, Failure> {
    let mut events = Vec::new();
    for place in places(&visitor).await? {
        let latest = place.monitor.query(cmd("LATENCY").arg("LATEST")).await?;
        for event in parts(&latest).iter().take(EVENTS_MAX) {
            let [name, _, _, max, ..] = parts(event) else { continue };
            let name = String::from_utf8_lossy(&bytes(name)).into_owned();
            let history = place.monitor.query(cmd("LATENCY").arg("HISTORY").arg(&name)).await?;
            events.push(LatencyEvent {
                server: place.name.clone(),
                event: name,
                max_ms: number(max),
                history: parts(&history).iter().filter_map(sample).collect(),
            });
        }
    }
    Ok(Json(LatencyList { events }))
}

fn sample(pair: &Value) -> Option<LatencySample> {
    let [at, took, ..] = parts(pair) else { return None };
    Some(LatencySample { at_ms: number(at).saturating_mul(1000), took_ms: number(took) })
}
