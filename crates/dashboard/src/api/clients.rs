//! Who is connected, and what took long.

use std::collections::BTreeMap;

use axum::Json;
use millstream::redis::cmd;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::body::{Body, Params};
use super::paging::{limit, page_end};
use super::{Done, ErrorDocument};
use crate::actions;
use crate::failure::Failure;
use crate::pages::slow_log::command;
use crate::servers::{bytes, number, parts, places};
use crate::visitor::Visitor;

/// Commands of each server, the newest.
const SLOW_MAX: usize = 1000;

/// Which of them.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Which {
    /// The `next` of the page before
    after: Option<String>,
    /// At most so many
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<usize>,
}

/// Who is connected, in the order of servers and numbers.
#[derive(Serialize, ToSchema)]
pub(crate) struct ClientPage {
    clients: Vec<ClientDocument>,
    /// What `after` is to be for the next page; `null`: this is the last.
    next: Option<String>,
}

/// A client by the names that CLIENT LIST has: `id`, `addr`, `name`, `cmd`.
#[derive(Serialize, ToSchema)]
struct ClientDocument {
    /// Which server it is connected to.
    server: String,
    facts: BTreeMap<String, String>,
}

impl ClientDocument {
    /// Servers count their clients up.
    fn place(&self) -> (&str, u64) {
        let id = self.facts.get("id").and_then(|id| id.parse().ok());
        (&self.server, id.unwrap_or(0))
    }
}

/// Who is connected to which server.
#[utoipa::path(get, path = "/api/v1/clients", params(Which), responses(
    (status = 200, body = ClientPage),
    (status = "4XX", body = ErrorDocument),
    (status = "5XX", body = ErrorDocument),
))]
pub(crate) async fn list(
    visitor: Visitor,
    Params(which): Params<Which>,
) -> Result<Json<ClientPage>, Failure> {
    let limit = limit(which.limit)?;
    let after = match &which.after {
        Some(after) => Some(parse_place(after)?),
        None => None,
    };
    let mut clients = Vec::new();
    for place in places(&visitor).await? {
        let answer = place.monitor.query(cmd("CLIENT").arg("LIST")).await?;
        let list = String::from_utf8_lossy(&bytes(&answer)).into_owned();
        let of = |line: &str| ClientDocument {
            server: place.name.clone(),
            facts: line
                .split(' ')
                .filter_map(|fact| fact.split_once('='))
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
        };
        clients.extend(list.lines().filter(|line| !line.is_empty()).map(of));
    }
    clients.retain(|client| after.is_none_or(|after| client.place() > after));
    clients.sort_by(|a, b| a.place().cmp(&b.place()));
    let next = page_end(&mut clients, limit).map(|last| {
        let (server, id) = last.place();
        format!("{id}@{server}")
    });
    Ok(Json(ClientPage { clients, next }))
}

/// `number@server`.
fn parse_place(text: &str) -> Result<(&str, u64), Failure> {
    let place = text.split_once('@').and_then(|(id, server)| Some((server, id.parse().ok()?)));
    place.ok_or_else(|| Failure::Invalid("after is the `next` of the page before".to_owned()))
}

/// Which client.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Kill {
    id: u64,
    /// The `server` of it; needed where there are several.
    server: Option<String>,
}

/// Cuts a client off. Most connect again by themselves.
#[utoipa::path(post, path = "/api/v1/clients/kill", request_body = Kill, responses(
    (status = 200, body = Done),
    (status = "4XX", body = ErrorDocument),
    (status = "5XX", body = ErrorDocument),
))]
pub(crate) async fn kill(
    visitor: Visitor,
    Body(Kill { id, server }): Body<Kill>,
) -> Result<Json<Done>, Failure> {
    let change = visitor.change(None)?;
    let places = places(&visitor).await?;
    let place = match (&server, &places[..]) {
        (None, [only]) => only,
        (None, _) => return Err(Failure::Invalid("which server is it of?".to_owned())),
        (Some(name), all) => {
            let found = all.iter().find(|place| place.name == *name);
            found.ok_or_else(|| Failure::NotFound("there is no such server".to_owned()))?
        }
    };
    actions::server::kill_client(&change, &place.monitor, &place.name, id).await?;
    Ok(Json(Done { changed: true }))
}

/// What took long, the newest first of each server.
#[derive(Serialize, ToSchema)]
pub(crate) struct SlowLog {
    commands: Vec<SlowCommand>,
}

/// A command that took long.
#[derive(Serialize, ToSchema)]
struct SlowCommand {
    server: String,
    /// Unix time.
    at_ms: u64,
    micros: u64,
    /// In escapes, without passwords, long arguments cut.
    command: String,
    client: String,
    client_name: String,
}

/// Commands that took long.
#[utoipa::path(get, path = "/api/v1/slow-log", responses(
    (status = 200, body = SlowLog),
    (status = "4XX", body = ErrorDocument),
    (status = "5XX", body = ErrorDocument),
))]
pub(crate) async fn slow_log(visitor: Visitor) -> Result<Json<SlowLog>, Failure> {
    let mut commands = Vec::new();
    for place in places(&visitor).await? {
        let answer = place.monitor.query(cmd("SLOWLOG").arg("GET").arg(SLOW_MAX)).await?;
        for entry in parts(&answer) {
            let [_, at, micros, arguments, rest @ ..] = parts(entry) else { continue };
            let text = |at: usize| {
                let bytes = rest.get(at).map(bytes).unwrap_or_default();
                String::from_utf8_lossy(&bytes).into_owned()
            };
            commands.push(SlowCommand {
                server: place.name.clone(),
                at_ms: number(at).saturating_mul(1000),
                micros: number(micros),
                command: command(parts(arguments)),
                client: text(0),
                client_name: text(1),
            });
        }
    }
    Ok(Json(SlowLog { commands }))
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
