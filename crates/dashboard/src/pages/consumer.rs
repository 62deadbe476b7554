//! One consumer of a group, and its end.

use std::sync::Arc;

use axum::Router;
use axum::response::Response;
use axum::routing::get;
use bytes::Bytes;
use maud::{Markup, html};
use millstream::{ConsumerGroupManager, ConsumerInfo, GroupInfo};
use millstream_shown::{entries, short, short_or_dash, visible};

use super::done::back;
use super::layout::token;
use super::parts::{Mood, card, count, crumbs};
use crate::actions;
use crate::actions::group::Inheritance;
use crate::app::App;
use crate::failure::Failure;
use crate::live::{Ask, Content};
use crate::segments::{Segments, group_path, query_name, segment, stream_path};
use crate::sent::Sent;
use crate::visitor::Visitor;

pub(super) fn routes() -> Router<Arc<App>> {
    let path = "/streams/{stream}/groups/{group}/consumers/{consumer}";
    Router::new().route(path, get(get_page).post(post_delete))
}

/// Where it is.
pub(super) fn consumer_path(stream: &[u8], group: &[u8], consumer: &[u8]) -> String {
    format!("{}/consumers/{}", group_path(stream, group), segment(consumer))
}

async fn get_page(ask: Ask, segments: Segments) -> Result<Response, Failure> {
    let (stream, group) = (segments.after("streams"), segments.after("groups"));
    let consumer = segments.after("consumers");
    ask.answer(move |visitor| content(visitor, stream.clone(), group.clone(), consumer.clone()))
        .await
}

async fn content(
    visitor: Visitor,
    stream: Bytes,
    group: Bytes,
    consumer: Bytes,
) -> Result<Content, Failure> {
    let info = visitor.group(&stream, &group).await?;
    let manager = ConsumerGroupManager::new(&visitor.millstream, &stream);
    let consumers = manager.consumers(&group).await?;
    let (found, others): (Vec<_>, Vec<_>) =
        consumers.into_iter().partition(|it| it.name_bytes == consumer);
    let shown = visible(&consumer);
    let Some(found) = found.into_iter().next() else {
        let group = visible(&group);
        return Err(Failure::NotFound(format!("group {group} has no consumer {shown}")));
    };
    let path = group_path(&stream, &group);
    let way = [
        ("/streams", "Streams"),
        (&*stream_path(&stream), &*visible(&stream)),
        (&*path, &*visible(&group)),
    ];
    let live = html! {
        (crumbs(&way))
        h1 { (shown) " " span .kind { "consumer" } }
        div .cards {
            (card("Pending", count(found.pending), Mood::Plain))
            (card("Last heard of", format!("{} ago", short(found.idle)), Mood::Plain))
            (card("Last got something", short_or_dash(found.inactive), Mood::Plain))
        }
        p .actions.gap {
            a .button href={(path) "/pending?consumer=" (query_name(&consumer))} {
                "What it has pending"
            }
        }
    };
    let is_kept = keeps(&info);
    let fixed = html! {
        @if visitor.can_write {
            (delete_form(&visitor, &consumer_path(&stream, &group, &consumer), is_kept, &others))
        }
    };
    Ok(Content { title: format!("{shown} of {}", visible(&group)), live, fixed })
}

/// A managed group keeps what a consumer had, unless its policy says other.
fn keeps(group: &GroupInfo) -> bool {
    group.managed.as_ref().is_some_and(|managed| managed.policy.releases_entries())
}

fn delete_form(visitor: &Visitor, path: &str, is_kept: bool, others: &[ConsumerInfo]) -> Markup {
    let heir = others.iter().min_by_key(|it| it.idle).map(|it| visible(&it.name_bytes));
    html! {
        form #delete .panel.stacked method="post" action=(path) {
            h2 { "Delete it" }
            (token(visitor))
            @if is_kept {
                p { "What it has pending stays, without an owner: anybody gets it." }
                input type="hidden" name="pending" value="kept";
            } @else {
                label { "What it has pending"
                    select name="pending" {
                        option value="heir" { "goes to another consumer" }
                        option value="nobody" { "is lost: nobody gets it any more" }
                    }
                }
                label { "To which"
                    input name="heir" size="24" value=[heir];
                    small { "it is made if it is not there; by default the one last heard of" }
                }
            }
            p .quiet { "Stop it first: a consumer that goes on reading is made again." }
            p { button .danger { "Delete the consumer" } }
        }
    }
}

async fn post_delete(visitor: Visitor, segments: Segments, sent: Sent) -> Response {
    let (stream, group) = (segments.after("streams"), segments.after("groups"));
    let consumer = segments.after("consumers");
    let done = async {
        let change = visitor.change(Some(sent.token()))?;
        let is_kept = keeps(&visitor.group(&stream, &group).await?);
        let inheritance = match sent.text("pending") {
            "kept" if is_kept => Inheritance::Nobody,
            "nobody" => Inheritance::Nobody,
            "heir" => Inheritance::Heir(sent.name("heir", "the name of the heir")?),
            _ => return Err(Failure::Invalid("say what becomes of what it has".to_owned())),
        };
        let count =
            actions::group::delete_consumer(&change, &stream, &group, &consumer, &inheritance);
        let (count, shown) = (count.await?, visible(&consumer));
        let had = entries(count);
        Ok(match &inheritance {
            _ if count == 0 => format!("Consumer {shown} was deleted; it had nothing pending."),
            _ if is_kept => format!("Consumer {shown} was deleted; anybody gets {had} now."),
            Inheritance::Heir(heir) => {
                format!("Consumer {shown} was deleted; {had} went to {}.", visible(heir))
            }
            Inheritance::Nobody => format!("Consumer {shown} was deleted, and {had} with it."),
        })
    };
    let done = done.await;
    let place = match &done {
        Ok(_) => group_path(&stream, &group),
        Err(_) => consumer_path(&stream, &group, &consumer),
    };
    back(&visitor, &place, done)
}
