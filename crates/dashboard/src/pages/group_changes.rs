//! The forms that change where a group is, and end it.

use std::cmp::Ordering;
use std::ops::Bound;
use std::sync::Arc;

use axum::Router;
use axum::extract::Query;
use axum::response::Response;
use axum::routing::{get, post};
use bytes::Bytes;
use maud::{Markup, html};
use millstream::{EntryId, GroupInfo, GroupStart, StreamManager};
use millstream_shown::{plural, visible};
use serde::Deserialize;

use super::done::back;
use super::layout::token;
use super::parts::{count_or_dash, crumbs, facts};
use super::stream_changes::{check_typed, parse_start, typed};
use super::stream_trim::{count_some, counted_text};
use crate::actions;
use crate::app::App;
use crate::failure::Failure;
use crate::live::{Ask, Content};
use crate::segments::{Segments, group_path, stream_path};
use crate::sent::{Sent, id};
use crate::visitor::Visitor;

pub(super) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/streams/{stream}/groups/{group}/set-id", get(get_set_id).post(post_set_id))
        .route("/streams/{stream}/groups/{group}/destroy", post(post_destroy))
}

/// For whoever may use them.
pub(super) fn forms(visitor: &Visitor, stream: &[u8], info: &GroupInfo) -> Markup {
    if !visitor.can_write {
        return html! {};
    }
    let path = group_path(stream, &info.name_bytes);
    html! {
        details .panel #set-id {
            summary { "Move it: deliver again, or skip" }
            form .row method="get" action={(path) "/set-id"} {
                label { "Next it gets what comes after"
                    input name="to" required size="26" autocomplete="off";
                }
                button { "Count what that means" }
            }
            p .quiet { "0: all that the stream has; $: what is added from now on; or an id." }
        }
        details .panel #destroy {
            summary { "Destroy it" }
            form .stacked method="post" action={(path) "/destroy"} {
                (token(visitor))
                p {
                    "The group goes with " (plural(info.consumers, "consumer")) " and "
                    (info.pending) " pending; not delivered yet: " (count_or_dash(info.lag))
                    ". The entries stay in the stream. There is no way back."
                }
                (typed("the group", &info.name_bytes))
                p { button .danger { "Destroy the group" } }
            }
        }
    }
}

async fn post_destroy(visitor: Visitor, segments: Segments, sent: Sent) -> Response {
    let (stream, group) = (segments.after("streams"), segments.after("groups"));
    let done = async {
        let change = visitor.change(Some(sent.token()))?;
        check_typed(&sent, &group)?;
        actions::group::destroy(&change, &stream, &group).await?;
        Ok(format!("Group {} was destroyed.", visible(&group)))
    };
    let done = done.await;
    let place = if done.is_ok() { stream_path(&stream) } else { group_path(&stream, &group) };
    back(&visitor, &place, done)
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Asked {
    to: String,
}

/// Says what a move means, and asks.
async fn get_set_id(
    ask: Ask,
    segments: Segments,
    Query(asked): Query<Asked>,
) -> Result<Response, Failure> {
    let (stream, group) = (segments.after("streams"), segments.after("groups"));
    ask.answer(move |visitor| question(visitor, stream.clone(), group.clone(), asked.clone())).await
}

async fn question(
    visitor: Visitor,
    stream: Bytes,
    group: Bytes,
    asked: Asked,
) -> Result<Content, Failure> {
    let from = visitor.group(&stream, &group).await?.last_delivered;
    let manager = StreamManager::new(&visitor.millstream, &stream);
    let missing = || Failure::NotFound("there is no such stream".to_owned());
    let info = manager.info().await?.ok_or_else(missing)?;
    let to = match parse_start(&asked.to)? {
        GroupStart::First => EntryId::ZERO,
        GroupStart::After(id) => id,
        // From here on a place, so that it stays what was counted.
        GroupStart::New => info.last_generated,
    };
    let between = (Bound::Excluded(from.min(to)), Bound::Included(from.max(to)));
    let counted = match from == to {
        true => (0, true),
        false => count_some(&manager, &info, between).await?,
    };
    let many = counted_text(counted);
    let (path, shown) = (group_path(&stream, &group), visible(&group));
    let way =
        [("/streams", "Streams"), (&*stream_path(&stream), &*visible(&stream)), (&*path, &*shown)];
    let fixed = html! {
        (crumbs(&way))
        h1 {
            @match to.cmp(&from) {
                Ordering::Less => { (many) " would be delivered again" }
                Ordering::Greater => { (many) " would be skipped" }
                Ordering::Equal => { "Nothing would change" }
            }
        }
        (facts(&[
            ("group", shown.clone()),
            ("last delivered now", from.to_string()),
            ("last delivered then", to.to_string()),
        ]))
        p { "What is pending stays so: it is settled by whoever has it." }
        @if from == to {
            p { a .button href=(path) { "Back to the group" } }
        } @else if visitor.can_write {
            form .panel.row method="post" action={(path) "/set-id"} {
                (token(&visitor))
                input type="hidden" name="to" value=(to);
                button .danger {
                    @if to < from { "Deliver " (many) " again" } @else { "Skip " (many) }
                }
                a .button href=(path) { "Leave it" }
            }
        } @else {
            p .hint { "Nothing can be changed here: the dashboard is read-only." }
        }
    };
    Ok(Content { title: format!("Move {shown}"), live: html! {}, fixed })
}

async fn post_set_id(visitor: Visitor, segments: Segments, sent: Sent) -> Response {
    let (stream, group) = (segments.after("streams"), segments.after("groups"));
    let done = async {
        let change = visitor.change(Some(sent.token()))?;
        let to = id(sent.raw("to"))?;
        actions::group::set_id(&change, &stream, &group, to).await?;
        Ok(format!("The group was moved: next it gets what comes after {to}."))
    };
    back(&visitor, &group_path(&stream, &group), done.await)
}
