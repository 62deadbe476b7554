//! The pages: one file for each, what they have in common in `layout`, `parts` and `plot`.

mod consumer;
mod done;
mod entry;
mod entry_add;
mod entry_groups;
mod entry_value;
mod group;
mod group_changes;
mod group_policy;
pub(crate) mod layout;
mod overview;
mod parts;
mod pending;
mod pending_filter;
mod pending_settle;
mod plot;
mod stream;
mod stream_changes;
mod stream_retention;
mod stream_trim;
mod streams;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};

use crate::app::App;

pub(crate) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/", get(overview::get))
        .route("/streams", get(streams::get))
        .route("/streams/{stream}", get(stream::get))
        .route("/streams/{stream}/groups/{group}", get(group::get))
        .route("/streams/{stream}/groups/{group}/paused", post(group_policy::post_paused))
        .route("/streams/{stream}/groups/{group}/policy", post(group_policy::post_policy))
        .merge(pending::routes())
        .merge(entry::routes())
        .merge(entry_add::routes())
        .merge(stream_changes::routes())
        .merge(group_changes::routes())
        .merge(consumer::routes())
}
