//! What the pages show and do, as JSON for programs. `/api/openapi.json` describes it, from the
//! same types and routes.
//!
//! Names of streams, groups and consumers in paths are percent-encoded bytes; what is empty, `.`,
//! `..` or begins with `~` has a `~` in front ([`crate::segments`]). Errors are
//! `{"error": "..."}`.

mod body;
mod clients;
mod entries;
mod entry_groups;
mod group_changes;
mod groups;
mod letter_changes;
mod letter_jobs;
mod letters;
mod me;
mod overview;
mod paging;
mod pending;
mod pending_bulk;
mod pending_changes;
mod policy_change;
mod schedule;
mod schedule_changes;
mod server;
mod slow_log;
mod statistics;
mod stream_changes;
mod streams;

use std::sync::Arc;

use axum::extract::DefaultBodyLimit;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::Serialize;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityScheme};
use utoipa::{Modify, OpenApi, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::stream_order::StreamOrder;
use crate::visitor::COOKIE;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Millstream",
        description = "What the dashboard shows and does, for programs. A server with a password \
                       wants it in each request (HTTP Basic). In paths, names are percent-encoded \
                       bytes; what is empty, `.`, `..` or begins with `~` has a `~` in front. \
                       Bytes that are not UTF-8 are `{\"b64\": \"...\"}`. Changes are JSON bodies."
    ),
    components(schemas(entries::First, StreamOrder)),
    modifiers(&Doors),
    security(("basic" = []), ("session" = []), ()),
)]
struct Described;

/// How to say who asks.
struct Doors;

impl Modify for Doors {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let components = document.components.get_or_insert_default();
        let basic = SecurityScheme::Http(Http::new(HttpAuthScheme::Basic));
        components.add_security_scheme("basic", basic);
        let session = SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::new(COOKIE)));
        components.add_security_scheme("session", session);
    }
}

/// Why something was not done.
#[derive(Serialize, ToSchema)]
#[schema(as = Error)]
struct ErrorDocument {
    /// In words for people.
    error: String,
}

/// Nothing went wrong, and there is nothing else to say.
#[derive(Serialize, ToSchema)]
struct Done {
    /// Whether something is other than before.
    changed: bool,
}

pub(crate) fn routes() -> Router<Arc<App>> {
    let (router, document) = OpenApiRouter::with_openapi(Described::openapi())
        .routes(routes!(me::get))
        .routes(routes!(overview::get))
        .routes(routes!(overview::history))
        .routes(routes!(overview::groups))
        .routes(routes!(streams::list))
        .routes(routes!(streams::get, stream_changes::delete))
        .routes(routes!(stream_changes::trim))
        .routes(routes!(stream_changes::set_retention))
        .routes(routes!(entries::get, stream_changes::delete_entry))
        .routes(routes!(entry_groups::list))
        .routes(routes!(groups::list, group_changes::create))
        .routes(routes!(groups::get, group_changes::destroy))
        .routes(routes!(group_changes::set_position))
        .routes(routes!(group_changes::remove_consumer))
        .routes(routes!(groups::change_policy))
        .routes(routes!(groups::set_paused))
        .routes(routes!(groups::history))
        .routes(routes!(groups::consumers))
        .routes(routes!(pending::list))
        .routes(routes!(pending::summary))
        .routes(routes!(pending_changes::ack))
        .routes(routes!(pending_changes::claim))
        .routes(routes!(pending_changes::nack))
        .routes(routes!(pending_bulk::ack_all))
        .routes(routes!(pending_bulk::claim_all))
        .routes(routes!(pending_bulk::nack_all))
        .routes(routes!(letters::places))
        .routes(routes!(letters::list))
        .routes(routes!(letters::get))
        .routes(routes!(letter_changes::requeue))
        .routes(routes!(letter_changes::purge))
        .routes(routes!(letter_changes::requeue_edited))
        .routes(routes!(letter_jobs::requeue_all))
        .routes(routes!(letter_jobs::purge_all))
        .routes(routes!(letter_jobs::jobs))
        .routes(routes!(letter_jobs::stop))
        .routes(routes!(schedule::streams))
        .routes(routes!(schedule::list, schedule_changes::add))
        .routes(routes!(schedule_changes::cancel))
        .routes(routes!(schedule_changes::run))
        .routes(routes!(server::get))
        .routes(routes!(statistics::commands))
        .routes(routes!(statistics::latency))
        .routes(routes!(clients::list))
        .routes(routes!(clients::kill))
        .routes(routes!(slow_log::slow_log, slow_log::reset_slow_log))
        .merge(entry_routes())
        .split_for_parts();
    let text = document.to_pretty_json().unwrap_or_default();
    router
        .route("/api/openapi.json", get(move || async move { described(text) }))
        .method_not_allowed_fallback(not_allowed)
}

/// Those that take more than others.
fn entry_routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(entries::list, stream_changes::add))
        .layer(DefaultBodyLimit::max(stream_changes::ENTRY_BYTES_MAX))
}

/// What answers with that adds which methods there are.
async fn not_allowed() -> Response {
    let error = "that is not done by this method".to_owned();
    (StatusCode::METHOD_NOT_ALLOWED, Json(ErrorDocument { error })).into_response()
}

fn described(text: String) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], text).into_response()
}
