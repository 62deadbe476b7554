//! Removing the oldest entries of a stream: how many those are, and then the question.

use std::ops::Bound;

use axum::extract::Query;
use axum::response::Response;
use bytes::Bytes;
use maud::{Markup, html};
use millstream::{StreamManager, Trim};
use millstream_shown::{duration::parse_duration, entries, visible};
use serde::Deserialize;

use super::done::back;
use super::layout::token;
use super::parts::{count, crumbs};
use super::stream::parse_place;
use crate::actions;
pub(super) use crate::entry_count::count_some;
use crate::failure::Failure;
use crate::live::{Ask, Content};
use crate::segments::{Segments, stream_path};
use crate::sent::{Sent, number_if_any};
use crate::visitor::Visitor;

/// What is asked for, as people wrote it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    by: String,
    value: String,
}

/// Which entries stay.
fn parse(asked: &Asked) -> Result<Trim, Failure> {
    let value = asked.value.trim();
    match &*asked.by {
        "maxlen" => {
            let length = number_if_any(value, "the number of entries")?;
            let missing = || Failure::Invalid("say how many entries stay".to_owned());
            length.map(Trim::ToLength).ok_or_else(missing)
        }
        "minid" => parse_place(value).map(Trim::Before),
        "maxage" => parse_duration(value).map(Trim::OlderThan).map_err(Failure::Invalid),
        _ => Err(Failure::Invalid("say by what it is trimmed".to_owned())),
    }
}

/// `7 entries`, or as many as were counted.
pub(super) fn counted_text((counted, is_all): (u64, bool)) -> String {
    if is_all { entries(counted) } else { format!("more than {} entries", count(counted)) }
}

pub(super) async fn get_trim(
    ask: Ask,
    segments: Segments,
    Query(asked): Query<Asked>,
) -> Result<Response, Failure> {
    let stream = segments.after("streams");
    ask.answer(move |visitor| question(visitor, stream.clone(), asked.clone())).await
}

async fn question(visitor: Visitor, stream: Bytes, asked: Asked) -> Result<Content, Failure> {
    let manager = StreamManager::new(&visitor.millstream, &stream);
    let shown = visible(&stream);
    let missing = || Failure::NotFound(format!("there is no stream {shown}"));
    let info = manager.info().await?.ok_or_else(missing)?;
    // An age is a place from here on: what was counted is what goes.
    let (counted, by, value) = match parse(&asked)? {
        Trim::ToLength(length) => {
            let counted = (info.length.saturating_sub(length), true);
            (counted, "maxlen", length.to_string())
        }
        other => {
            let id = match other {
                Trim::Before(id) => id,
                Trim::OlderThan(age) => {
                    actions::stream::older_than(&visitor.millstream, age).await?
                }
                Trim::ToLength(_) => unreachable!("it was matched before"),
            };
            let range = (Bound::Unbounded, Bound::Excluded(id));
            (count_some(&manager, &info, range).await?, "minid", id.to_string())
        }
    };
    let path = stream_path(&stream);
    let many = counted_text(counted);
    let fixed = html! {
        (crumbs(&[("/streams", "Streams"), (&path, &shown)]))
        h1 { (many) " of " (shown) " would go" }
        p {
            "They are the oldest of " (count(info.length)) ", "
            @if by == "minid" { "all before " (value) }
            @else { "all but the newest " (value) }
            ", whether groups have read them or not."
        }
        @if counted == (0, true) {
            p { "Nothing is to be done." }
        } @else if visitor.can_write {
            form .panel.row method="post" action={(path) "/trim"} {
                (token(&visitor))
                input type="hidden" name="by" value=(by);
                input type="hidden" name="value" value=(value);
                button .danger { "Remove " (many) }
                a .button href=(path) { "Leave them" }
            }
        } @else {
            p .hint { "Nothing can be changed here: the dashboard is read-only." }
        }
    };
    Ok(Content { title: format!("Trim {shown}"), live: html! {}, fixed })
}

pub(super) async fn post_trim(visitor: Visitor, segments: Segments, sent: Sent) -> Response {
    let stream = segments.after("streams");
    let done = async {
        let change = visitor.change(Some(sent.token()))?;
        let asked = Asked { by: sent.raw("by").to_owned(), value: sent.raw("value").to_owned() };
        let removed = actions::stream::trim(&change, &stream, parse(&asked)?).await?;
        let went = if removed == 1 { "was" } else { "were" };
        Ok(format!("{} {went} removed.", entries(removed)))
    };
    back(&visitor, &stream_path(&stream), done.await)
}

pub(super) fn form(stream: &[u8]) -> Markup {
    html! {
        details .panel #trim {
            summary { "Trim it" }
            form .row method="get" action={(stream_path(stream)) "/trim"} {
                label { "Keep"
                    select name="by" {
                        option value="maxlen" { "the newest so many" }
                        option value="maxage" { "what is younger than" }
                        option value="minid" { "from an id or a moment on" }
                    }
                }
                label { "Which is" input name="value" required placeholder="100000, 7d, an id"; }
                button { "Count what would go" }
            }
        }
    }
}
