//! The pages: one file for each, what they have in common in `layout`, `parts` and `plot`.

mod clients;
mod commands;
mod consumer;
mod dead_letters;
mod done;
mod entry;
mod entry_add;
mod entry_groups;
mod entry_value;
mod field_rows;
mod field_values;
mod group;
mod group_changes;
mod group_policy;
pub(crate) mod layout;
mod letter;
mod letters;
mod letters_bulk;
mod letters_change;
mod letters_filter;
mod overview;
mod pager;
mod parts;
mod pending;
mod pending_filter;
mod pending_settle;
mod plot;
mod pretty_json;
mod schedule;
mod server;
mod server_parts;
mod settings;
pub(crate) mod slow_log;
mod stream;
mod stream_changes;
mod stream_retention;
mod stream_schedule;
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
        .merge(letter_routes())
        .merge(schedule_routes())
        .merge(server_routes())
}

fn letter_routes() -> Router<Arc<App>> {
    Router::new()
        .route("/dead-letters", get(dead_letters::get))
        .route("/streams/{stream}/dead-letters", get(dead_letters::get_of_stream))
        .route("/dead-letters/{letters}", get(letters::get))
        .route("/dead-letters/{letters}/change", post(letters_change::post_some))
        .route("/dead-letters/{letters}/stop", post(letters_change::post_stop))
        .route(
            "/dead-letters/{letters}/bulk",
            get(letters_bulk::get).post(letters_change::post_bulk),
        )
        .route("/dead-letters/{letters}/{id}", get(letter::get).post(letters_change::post_edited))
}

fn schedule_routes() -> Router<Arc<App>> {
    Router::new()
        .route("/schedule", get(schedule::get))
        .route("/streams/{stream}/schedule", get(stream_schedule::get))
        .route("/streams/{stream}/schedule/add", post(stream_schedule::post_add))
        .route("/streams/{stream}/schedule/change", post(stream_schedule::post_change))
}

fn server_routes() -> Router<Arc<App>> {
    Router::new()
        .route("/server", get(server::get))
        .route("/server/settings", get(settings::get))
        .route("/server/clients", get(clients::get))
        .route("/server/clients/kill", post(clients::post_kill))
        .route("/server/slow-log", get(slow_log::get))
        .route("/server/slow-log/reset", post(slow_log::post_reset))
        .route("/server/commands", get(commands::get))
}
