//! The delayed entries of one stream: a page at a time, with what can be done with them.

use std::time::SystemTime;

use axum::Form;
use axum::extract::Query;
use axum::response::Response;
use bytes::Bytes;
use maud::{Markup, html};
use millstream::{DelayedMessage, DelayedMessages, Fields};
use millstream_shown::{
    duration::parse_duration, moment::moment, moment::parse_moment, short, visible,
};
use serde::Deserialize;

use super::done::back;
use super::field_rows;
use super::layout::token;
use super::letters_change::{Pairs, value};
use super::parts::{Mood, card, count, crumbs, empty};
use super::stream::short_fields;
use crate::actions::schedule::{self, Verb, When};
use crate::failure::Failure;
use crate::live::{Ask, Content};
use crate::segments::{Segments, stream_path};
use crate::visitor::Visitor;

const PER_PAGE: usize = 50;
/// Rows for the fields of an entry that is added.
const ROWS: usize = 4;

#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Which {
    /// A token: those behind it.
    #[serde(default)]
    after: String,
}

fn path(stream: &[u8]) -> String {
    format!("{}/schedule", stream_path(stream))
}

pub(crate) async fn get(
    ask: Ask,
    segments: Segments,
    Query(which): Query<Which>,
) -> Result<Response, Failure> {
    let stream = segments.after("streams");
    ask.answer(move |visitor| content(visitor, stream.clone(), which.clone())).await
}

async fn content(visitor: Visitor, stream: Bytes, which: Which) -> Result<Content, Failure> {
    let delayed = DelayedMessages::new(&visitor.millstream, &stream);
    let after = parse_token(&which.after)?;
    let waiting = delayed.count().await?;
    // One more than there is room for says whether there are others.
    let mut shown = delayed.list_after(after, PER_PAGE + 1).await?;
    let has_more = shown.len() > PER_PAGE;
    shown.truncate(PER_PAGE);
    let now = visitor.millstream.time().await?;
    let (path, name) = (path(&stream), visible(&stream));
    let is_native = visitor.millstream.abilities().has_schedule;
    let live = html! {
        (crumbs(&[("/schedule", "Schedule"), (&stream_path(&stream), &name)]))
        h1 { (name) " " span .kind { "delayed entries" } }
        div .cards {
            (card("Delayed entries", count(waiting), Mood::Plain))
            @if let (None, Some(first)) = (after, shown.first()) {
                (card("The next one", due_in(first, now), Mood::Plain))
            }
        }
        h2 { "In the order in which they are due" }
        @if shown.is_empty() {
            (empty(if after.is_some() { "There are none behind that." } else { "None waits." }))
        } @else { (table(&visitor, &shown, now)) }
        @if after.is_some() || has_more {
            nav .pager aria-label="Pages" {
                @if after.is_some() { a .button href=(path) { "The first ones" } } @else { span {} }
                @match shown.last().filter(|_| has_more) {
                    Some(last) => a .button href={(path) "?after=" (last.token)} { "Later ones" },
                    None => span {},
                }
            }
        }
    };
    let fixed = html! {
        @if visitor.can_write { (forms(&visitor, &path)) }
        p .quiet {
            @if is_native {
                "The server appends what is due by itself. What stays due waits for its stream to "
                "take it: it is full, or may not grow."
            } @else {
                "What is due is appended by workers of the toolkit on this stream, within a "
                "second; without any it waits."
            }
        }
    };
    Ok(Content { title: format!("Delayed entries of {name}"), live, fixed })
}

/// Behind which entry a page begins; empty: with the first.
fn parse_token(text: &str) -> Result<Option<&str>, Failure> {
    let text = text.trim();
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|it| it.is_ascii_digit());
    let is_token = |(due, number)| is_number(due) && is_number(number);
    match text {
        "" => Ok(None),
        _ if text.split_once('-').is_some_and(is_token) => Ok(Some(text)),
        _ => Err(Failure::Invalid(format!("{} is no token", visible(text.as_bytes())))),
    }
}

fn due_in(entry: &DelayedMessage, now: SystemTime) -> String {
    let left = entry.due.duration_since(now).ok().filter(|left| !left.is_zero());
    left.map_or_else(|| "due".to_owned(), |left| format!("in {}", short(left)))
}

fn table(visitor: &Visitor, shown: &[DelayedMessage], now: SystemTime) -> Markup {
    html! {
        div .scroll data-scroll tabindex="0" role="region" aria-label="Delayed entries" {
            table {
                thead { tr {
                    @if visitor.can_write {
                        th .tight {
                            input type="checkbox" data-ticks="entry"
                                aria-label="All entries on this page";
                        }
                    }
                    th .tight { "Due" } th .tight { "At" } th .tight { "Token" } th { "Fields" }
                } }
                tbody { @for entry in shown { tr {
                    @if visitor.can_write {
                        td .tight {
                            input type="checkbox" name="entry" value=(entry.token) form="ticked"
                                aria-label={"Entry " (entry.token)};
                        }
                    }
                    td .tight { (due_in(entry, now)) }
                    td .tight { (moment(entry.due)) }
                    td .tight { span .id { (visible(entry.token.as_bytes())) } }
                    td { (short_fields(&entry.payload)) }
                } } }
            }
        }
    }
}

fn forms(visitor: &Visitor, path: &str) -> Markup {
    html! {
        form #ticked .actions.panel method="post" action={(path) "/change"} {
            (token(visitor))
            span { "Ticked entries:" }
            button name="verb" value="run" { "Append now" }
            button .danger name="verb" value="cancel"
                data-ask="The ticked entries never come. Go on?" { "Cancel" }
            span .quiet { "What is cancelled never comes, and is lost." }
        }
        details .panel #add {
            summary { "Delay an entry" }
            form method="post" action={(path) "/add"} {
                (token(visitor))
                label { "After a time, or at a moment"
                    input name="when" required size="34"
                        placeholder="30m, 7d or 2026-11-27T08:00:00Z";
                    small { "by the clock of the server; what is over is due at once" }
                }
                (field_rows::rows(&Fields::new(), ROWS))
                p { button .primary { "Delay it" } }
            }
        }
    }
}

/// A time from now, or a moment.
fn parse_when(text: &str) -> Result<When, Failure> {
    let text = text.trim();
    if let Ok(moment) = parse_moment(text) {
        return Ok(When::At(moment));
    }
    parse_duration(text).map(When::After).map_err(|_| {
        let text = visible(text.as_bytes());
        Failure::Invalid(format!(
            "{text} is no time such as 90s, 30m or 7d, and no moment such as \
             2026-11-27T08:00:00Z"
        ))
    })
}

pub(crate) async fn post_add(
    visitor: Visitor,
    segments: Segments,
    Form(pairs): Form<Pairs>,
) -> Response {
    let stream = segments.after("streams");
    let done = async {
        let change = visitor.change(Some(value(&pairs, "token")))?;
        let when = parse_when(value(&pairs, "when"))?;
        let fields = field_rows::parse(&pairs, None)?;
        let token = schedule::add(&change, &stream, when, &fields).await?;
        Ok(format!("It waits as {token}."))
    };
    back(&visitor, &path(&stream), done.await)
}

pub(crate) async fn post_change(
    visitor: Visitor,
    segments: Segments,
    Form(pairs): Form<Pairs>,
) -> Response {
    let stream = segments.after("streams");
    let done = async {
        let change = visitor.change(Some(value(&pairs, "token")))?;
        let verb = Verb::of(value(&pairs, "verb"))?;
        let tokens = pairs.iter().filter(|(name, _)| name == "entry");
        let tokens: Vec<&str> = tokens.map(|(_, token)| &**token).collect();
        let outcome = schedule::change_some(&change, &stream, verb, &tokens).await?;
        // Where something stays, that is what has to be seen.
        if outcome.is_part { Err(Failure::Invalid(outcome.text)) } else { Ok(outcome.text) }
    };
    back(&visitor, &path(&stream), done.await)
}
