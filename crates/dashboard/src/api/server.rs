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
    /// Settings that are passwords, and whether each is set; `null`: as `settings`.
    passwords: Option<BTreeMap<String, bool>>,
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
        let settings = match place.monitor.settings("*").await {
            Ok(settings) => Some(settings),
            Err(Error::Refused { code, .. }) if code != "NOAUTH" => None,
            Err(error) => return Err(error.into()),
        };
        let (mut shown, mut passwords) = (None, None);
        if let Some(settings) = settings {
            let (secret, open): (BTreeMap<_, _>, BTreeMap<_, _>) =
                settings.into_iter().partition(|(name, _)| is_secret(name.as_bytes()));
            shown = Some(open);
            passwords =
                Some(secret.into_iter().map(|(name, value)| (name, !value.is_empty())).collect());
        }
        servers.push(ServerDocument {
            server: place.name,
            info: info.collect(),
            settings: shown,
            passwords,
        });
    }
    Ok(Json(ServerList { servers }))
}
