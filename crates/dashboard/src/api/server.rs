//! Servers: what they say of themselves.

use std::collections::BTreeMap;

use axum::Json;
use millstream::Error;
use serde::Serialize;
use utoipa::ToSchema;

use super::ErrorDocument;
use crate::failure::Failure;
use crate::secrets::is_secret;
use crate::servers::places;
use crate::visitor::Visitor;

/// Each server that has keys: one, or all primaries of a Cluster.
#[derive(Serialize, ToSchema)]
pub(crate) struct ServerList {
    servers: Vec<ServerDocument>,
}

/// What one says of itself, by the names that INFO and CONFIG have.
#[derive(Serialize, ToSchema)]
struct ServerDocument {
    /// As the `server` of clients.
    server: String,
    info: BTreeMap<String, String>,
    /// Without passwords; `null`: who asks may not see them.
    settings: Option<BTreeMap<String, String>>,
}

/// What servers say of themselves.
#[utoipa::path(get, path = "/api/v1/servers", responses(
    (status = 200, body = ServerList),
    (status = "4XX", body = ErrorDocument),
    (status = "5XX", body = ErrorDocument),
))]
pub(crate) async fn get(visitor: Visitor) -> Result<Json<ServerList>, Failure> {
    let mut servers = Vec::new();
    for place in places(&visitor).await? {
        let info = place.monitor.info().await?;
        let info = info.iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
        let mut settings = match place.monitor.settings("*").await {
            Ok(settings) => Some(settings),
            Err(Error::Refused { code, .. }) if code != "NOAUTH" => None,
            Err(error) => return Err(error.into()),
        };
        if let Some(settings) = &mut settings {
            settings.retain(|name, _| !is_secret(name.as_bytes()));
        }
        servers.push(ServerDocument { server: place.name, info: info.collect(), settings });
    }
    Ok(Json(ServerList { servers }))
}
