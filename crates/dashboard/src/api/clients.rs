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
use crate::client_list::Client;
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

impl From<Client> for ClientDocument {
    fn from(Client { place, facts }: Client) -> Self {
        Self { server: place, facts }
    }
}

/// Servers count their clients up.
fn place_of(client: &Client) -> (&str, u64) {
    (&client.place, client.number("id"))
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
    let find = which.find.as_deref().unwrap_or_default();
    let mut found = Vec::new();
    for place in places(&visitor).await? {
        let answer = place.monitor.query(cmd("CLIENT").arg("LIST")).await?;
        found.extend(Client::list(&place.name, &String::from_utf8_lossy(&bytes(&answer))));
    }
    found.retain(|client| client.has(find));
    found.retain(|client| after.is_none_or(|after| place_of(client) > after));
    found.sort_by(|a, b| place_of(a).cmp(&place_of(b)));
    let next = page_end(&mut found, limit).map(|last| {
        let (server, id) = place_of(last);
        format!("{id}@{server}")
    });
    let clients = found.into_iter().map(ClientDocument::from).collect();
    Ok(Json(ClientPage { clients, next }))
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
