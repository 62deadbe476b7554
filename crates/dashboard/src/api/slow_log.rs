//! What took long.

use axum::Json;
use millstream::redis::{Value, cmd};
use serde::Serialize;
use utoipa::ToSchema;

use super::body::Params;
use super::clients::parse_place;
use super::paging::{NextPage, limit, page_end};
use super::{Done, ErrorDocument};
use crate::actions;
use crate::failure::Failure;
use crate::pages::slow_log::command;
use crate::servers::{Place, bytes, number, parts, places};
use crate::visitor::Visitor;

/// What took long, the newest first of each server.
#[derive(Serialize, ToSchema)]
pub(crate) struct SlowLog {
    commands: Vec<SlowCommand>,
    /// What `after` is to be for the next page; `null`: this is the last.
    next: Option<String>,
}

/// A command that took long.
#[derive(Serialize, ToSchema)]
struct SlowCommand {
    server: String,
    /// Its number in the log of its server, which counts up.
    id: u64,
    /// Unix time.
    at_ms: u64,
    micros: u64,
    /// In escapes, without passwords, long arguments cut.
    command: String,
    client: String,
    client_name: String,
}

impl SlowCommand {
    fn of(server: &str, entry: &Value) -> Option<Self> {
        let [id, at, micros, arguments, rest @ ..] = parts(entry) else { return None };
        let text = |at: usize| {
            let bytes = rest.get(at).map(bytes).unwrap_or_default();
            String::from_utf8_lossy(&bytes).into_owned()
        };
        Some(Self {
            server: server.to_owned(),
            id: number(id),
            at_ms: number(at).saturating_mul(1000),
            micros: number(micros),
            command: command(parts(arguments)),
            client: text(0),
            client_name: text(1),
        })
    }
}

/// Commands that took long.
#[utoipa::path(get, path = "/api/v1/slow-log", params(NextPage), responses(
    (status = 200, body = SlowLog),
    (status = "4XX", body = ErrorDocument),
    (status = "5XX", body = ErrorDocument),
))]
pub(crate) async fn slow_log(
    visitor: Visitor,
    Params(which): Params<NextPage>,
) -> Result<Json<SlowLog>, Failure> {
    let limit = limit(which.limit)?;
    let after = which.after.as_deref().map(parse_place).transpose()?;
    let mut commands = Vec::new();
    for place in places(&visitor).await? {
        let before = match after {
            Some((server, _)) if place.name.as_str() < server => continue,
            Some((server, id)) if place.name == server => Some(id),
            _ => None,
        };
        // One more than there is room for says whether there are others.
        let room = limit + 1 - commands.len();
        commands.extend(newest(&place, before, room).await?);
        if commands.len() > limit {
            break;
        }
    }
    let next = page_end(&mut commands, limit).map(|last| format!("{}@{}", last.id, last.server));
    Ok(Json(SlowLog { commands, next }))
}

/// The newest before that one. Servers show the newest so many only, whatever was seen before.
async fn newest(
    place: &Place,
    before: Option<u64>,
    wanted: usize,
) -> Result<Vec<SlowCommand>, Failure> {
    let mut asked = wanted;
    loop {
        let answer = place.monitor.query(cmd("SLOWLOG").arg("GET").arg(asked)).await?;
        let all = parts(&answer);
        let is_behind =
            |entry: &&Value| before.is_none_or(|id| parts(entry).first().map_or(0, number) < id);
        if all.len() < asked || all.iter().filter(is_behind).count() >= wanted {
            let behind = all.iter().filter(is_behind).take(wanted);
            return Ok(behind.filter_map(|entry| SlowCommand::of(&place.name, entry)).collect());
        }
        asked *= 2;
    }
}

/// Forgets what took long.
#[utoipa::path(delete, path = "/api/v1/slow-log", responses(
    (status = 200, body = Done),
    (status = "4XX", body = ErrorDocument),
    (status = "5XX", body = ErrorDocument),
))]
pub(crate) async fn reset_slow_log(visitor: Visitor) -> Result<Json<Done>, Failure> {
    let change = visitor.change(None)?;
    actions::server::reset_slow_log(&change).await?;
    Ok(Json(Done { changed: true }))
}
