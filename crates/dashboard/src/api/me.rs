//! Who asks, and what.

use axum::Json;
use serde::Serialize;
use utoipa::ToSchema;

use super::ErrorDocument;
use crate::failure::Failure;
use crate::visitor::Visitor;

/// Who asks, and what they ask.
#[derive(Serialize, ToSchema)]
pub(crate) struct Me {
    /// As whom the server knows them; `null`: they have not logged in.
    user: Option<String>,
    /// Whether they may try to change something; the server may still refuse.
    can_write: bool,
    /// Name and version, as the server calls itself.
    server: String,
    /// Where it is.
    address: String,
    /// Version of the dashboard.
    dashboard_version: &'static str,
}

/// Who asks, and what they ask.
#[utoipa::path(get, path = "/api/v1/me", responses(
    (status = 200, body = Me),
    (status = "4XX", body = ErrorDocument),
    (status = "5XX", body = ErrorDocument),
))]
pub(crate) async fn get(visitor: Visitor) -> Result<Json<Me>, Failure> {
    Ok(Json(Me {
        server: visitor.millstream.abilities().server.clone(),
        address: visitor.app.target()?.address,
        can_write: visitor.can_write,
        user: visitor.user,
        dashboard_version: env!("CARGO_PKG_VERSION"),
    }))
}
