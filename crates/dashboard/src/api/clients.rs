//! Who is connected.

use std::collections::BTreeMap;

use axum::Json;
use millstream::redis::cmd;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::body::{Body, Params};
use super::paging::{limit, page_end};
use super::{Done, ErrorDocument};
use crate::actions;
use crate::client_list::{Client, ClientOrder};
use crate::failure::Failure;
use crate::servers::{bytes, places};
use crate::visitor::Visitor;

/// Which of them.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Which {
    /// Part of a name, address, user, command or library
    find: Option<String>,
    /// `id`, `name`, or the highest first by `age`, `idle` (both in seconds), `memory` or
    /// `commands` (how many it sent)
    #[serde(default)]
    sort: ClientOrder,
    /// The `next` of the page before; only in the order of ids
    after: Option<String>,
    /// At most so many
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<usize>,
}

/// Clients in the order that was asked for; by `id`: in that of servers, and of ids in each.
#[derive(Serialize, ToSchema)]
pub(crate) struct ClientPage {
    clients: Vec<ClientDocument>,
    /// What `after` is to be for the next page; `null`: this is the last, or the order is not that
    /// of ids, in which there are no others.
    next: Option<String>,
    /// How many fit, on this page or another.
    found: usize,
}

/// A client by the names that CLIENT LIST has: `id`, `addr`, `name`, `cmd`.
#[derive(Serialize, ToSchema)]
struct ClientDocument {
    /// Which server it is connected to.
    server: String,
    facts: BTreeMap<String, String>,
}

impl From<Client> for ClientDocument {
    fn from(Client { place, facts }: Client) -> Self {
        Self { server: place, facts }
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
    let after = which.after.as_deref().map(parse_place).transpose()?;
    let is_by_id = which.sort == ClientOrder::Id;
    if after.is_some() && !is_by_id {
        let text = "after is for the order of ids; others change from moment to moment";
        return Err(Failure::Invalid(text.to_owned()));
    }
    let find = which.find.as_deref().unwrap_or_default();
    let mut all = Vec::new();
    for place in places(&visitor).await? {
        let answer = place.monitor.query(cmd("CLIENT").arg("LIST")).await?;
        all.extend(Client::list(&place.name, &String::from_utf8_lossy(&bytes(&answer))));
    }
    all.retain(|client| client.has(find));
    let found = all.len();
    all.retain(|client| after.is_none_or(|after| client.key() > after));
    which.sort.sort(&mut all);
    let next = page_end(&mut all, limit).filter(|_| is_by_id).map(|last| {
        let (server, id) = last.key();
        format!("{id}@{server}")
    });
    let clients = all.into_iter().map(ClientDocument::from).collect();
    Ok(Json(ClientPage { clients, next, found }))
}

/// `number@server`.
pub(super) fn parse_place(text: &str) -> Result<(&str, u64), Failure> {
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
