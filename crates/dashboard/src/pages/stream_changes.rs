//! The forms that change a stream: entries, what it keeps, groups, its end.

use std::sync::Arc;

use axum::Router;
use axum::response::Response;
use axum::routing::{get, post};
use maud::{Markup, html};
use millstream::{GroupStart, StreamInfo};
use millstream_shown::{entries, visible};

use super::done::back;
use super::layout::token;
use super::{entry_add, stream_retention, stream_trim};
use crate::actions;
use crate::app::App;
use crate::failure::Failure;
use crate::segments::{Segments, group_path, stream_path};
use crate::sent::{Sent, id};
use crate::visitor::Visitor;

pub(super) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/streams/{stream}/retention", post(stream_retention::post_retention))
        .route("/streams/{stream}/trim", get(stream_trim::get_trim).post(stream_trim::post_trim))
        .route("/streams/{stream}/groups", post(post_group))
        .route("/streams/{stream}/delete", post(post_delete))
}

/// All of them, for whoever may use them.
pub(super) fn forms(visitor: &Visitor, stream: &[u8], info: &StreamInfo) -> Markup {
    if !visitor.can_write {
        return html! {};
    }
    html! {
        h2 #change { "Change it" }
        (entry_add::form(visitor, Some(stream)))
        (group_form(visitor, stream))
        @if visitor.millstream.abilities().has_retention {
            (stream_retention::form(visitor, stream, &info.retention.unwrap_or_default()))
        }
        (stream_trim::form(stream))
        (delete_form(visitor, stream, info))
    }
}

/// Where a group is to begin.
///
/// # Errors
/// [`Failure::Invalid`].
pub(super) fn parse_start(text: &str) -> Result<GroupStart, Failure> {
    match text.trim() {
        "0" | "0-0" => Ok(GroupStart::First),
        "$" => Ok(GroupStart::New),
        "" => Err(Failure::Invalid("say where it begins: 0, $ or an id".to_owned())),
        text => id(text).map(GroupStart::After),
    }
}

fn group_form(visitor: &Visitor, stream: &[u8]) -> Markup {
    html! {
        details .panel #new-group {
            summary { "Create a group" }
            form .row method="post" action={(stream_path(stream)) "/groups"} {
                (token(visitor))
                label { "Name" input name="group" required size="24" autocomplete="off"; }
                label { "It begins"
                    input name="start" value="0" required size="24" list="starts";
                    datalist #starts {
                        option value="0" { "all that the stream has" }
                        option value="$" { "what is added from now on" }
                    }
                }
                button .primary { "Create" }
            }
            p .quiet {
                "0: all that the stream has; $: what is added from now on; or behind an id."
            }
        }
    }
}

async fn post_group(visitor: Visitor, segments: Segments, sent: Sent) -> Response {
    let stream = segments.after("streams");
    let mut place = stream_path(&stream);
    let done = async {
        let change = visitor.change(Some(sent.token()))?;
        let group = sent.name("group", "the name of the group")?;
        let start = parse_start(sent.raw("start"))?;
        let is_new = actions::stream::create_group(&change, &stream, &group, start).await?;
        place = group_path(&stream, &group);
        let shown = visible(&group);
        Ok(if is_new {
            format!("Group {shown} was created.")
        } else {
            format!("There was a group {shown} already, which stays as it is.")
        })
    };
    let done = done.await;
    back(&visitor, &place, done)
}

/// Asks for a name to be typed, as it is shown.
///
/// # Errors
/// [`Failure::Invalid`]: it is another one.
pub(super) fn check_typed(sent: &Sent, name: &[u8]) -> Result<(), Failure> {
    let shown = visible(name);
    if sent.text("typed") == shown {
        return Ok(());
    }
    let text = format!("nothing was done: type the name as it is shown, {shown}");
    Err(Failure::Invalid(text))
}

fn delete_form(visitor: &Visitor, stream: &[u8], info: &StreamInfo) -> Markup {
    html! {
        details .panel #delete {
            summary { "Delete it" }
            form .stacked method="post" action={(stream_path(stream)) "/delete"} {
                (token(visitor))
                p {
                    "The stream goes with " (entries(info.length)) ", "
                    (millstream_shown::plural(info.groups, "group"))
                    " and all that is pending in them. There is no way back."
                }
                (typed("the stream", stream))
                p { button .danger { "Delete the stream" } }
            }
        }
    }
}

/// The field for [`check_typed`].
pub(super) fn typed(what: &str, name: &[u8]) -> Markup {
    html! {
        label { "Type the name of " (what) ", " (visible(name)) ", to confirm"
            input name="typed" required size="30" autocomplete="off" spellcheck="false";
        }
    }
}

async fn post_delete(visitor: Visitor, segments: Segments, sent: Sent) -> Response {
    let stream = segments.after("streams");
    let done = async {
        let change = visitor.change(Some(sent.token()))?;
        check_typed(&sent, &stream)?;
        let count = actions::stream::delete(&change, &stream).await?;
        Ok(format!("Stream {} was deleted, with {}.", visible(&stream), entries(count)))
    };
    let done = done.await;
    let place = if done.is_ok() { "/streams".to_owned() } else { stream_path(&stream) };
    back(&visitor, &place, done)
}
