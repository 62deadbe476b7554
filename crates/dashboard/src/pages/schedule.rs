//! Streams that have delayed entries.

use axum::extract::Query;
use axum::response::Response;
use bytes::Bytes;
use futures_util::future::join_all;
use maud::{Markup, html};
use millstream::DelayedMessages;
use millstream_shown::visible;
use serde::Deserialize;

use super::parts::{count, empty};
use crate::failure::Failure;
use crate::live::{Ask, Content};
use crate::segments::stream_path;
use crate::visitor::Visitor;

/// Streams on a page, of those that have delayed entries.
const PER_PAGE: usize = 100;
/// Streams that are asked on one page where the server does not say it with all else.
const ASKED: usize = 500;
/// Commands that are on their way at a time.
const CONCURRENT: usize = 50;

#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Which {
    #[serde(default)]
    page: usize,
    /// Of a stream that is gone to, as it is shown.
    #[serde(default)]
    stream: String,
}

pub(crate) async fn get(ask: Ask, Query(which): Query<Which>) -> Result<Response, Failure> {
    if !which.stream.trim().is_empty() {
        let name = millstream_shown::parse_visible(which.stream.trim().as_bytes());
        let to = format!("{}/schedule", stream_path(&name.map_err(Failure::Invalid)?));
        return Ok(axum::response::IntoResponse::into_response(axum::response::Redirect::to(&to)));
    }
    ask.answer(move |visitor| content(visitor, which.clone())).await
}

/// Streams with how many wait, and of how many pages this is one.
async fn streams(visitor: &Visitor, page: usize) -> Result<(Vec<(Bytes, u64)>, usize), Failure> {
    let all = visitor.streams().await?;
    if visitor.millstream.abilities().has_schedule {
        let waiting = all.into_iter().map(|stream| (stream.name, stream.info.scheduled));
        let mut all: Vec<(Bytes, u64)> = waiting
            .filter_map(|(name, waiting)| Some((name, waiting.filter(|it| *it > 0)?)))
            .collect();
        all.sort_by_key(|(name, waiting)| (std::cmp::Reverse(*waiting), name.clone()));
        let pages = all.len().div_ceil(PER_PAGE);
        return Ok((all.into_iter().skip(page * PER_PAGE).take(PER_PAGE).collect(), pages));
    }
    let pages = all.len().div_ceil(ASKED);
    let mut found = Vec::new();
    let asked: Vec<Bytes> =
        all.into_iter().skip(page * ASKED).take(ASKED).map(|stream| stream.name).collect();
    for some in asked.chunks(CONCURRENT) {
        let delayed = some.iter().map(|name| DelayedMessages::new(&visitor.millstream, name));
        let counts = join_all(delayed.map(|delayed| async move { delayed.count().await })).await;
        for (name, waiting) in some.iter().zip(counts) {
            match waiting {
                Ok(0) => {}
                Ok(waiting) => found.push((name.clone(), waiting)),
                // Not for this visitor to see, or a key of somebody else's.
                Err(millstream::Error::Refused { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok((found, pages))
}

async fn content(visitor: Visitor, which: Which) -> Result<Content, Failure> {
    let is_native = visitor.millstream.abilities().has_schedule;
    let (shown, pages) = streams(&visitor, which.page).await?;
    let to = |page: usize| format!("/schedule?page={page}");
    let table = html! {
        @if shown.is_empty() {
            (empty(match is_native {
                true => "Nothing is delayed. XSCHEDULE ADD delays an entry; the toolkit does, too.",
                false => "Of the streams that were asked none has delayed entries.",
            }))
        } @else { (table(&shown)) }
        @if pages > 1 {
            nav .pager aria-label="Pages" {
                @if which.page > 0 { a .button href=(to(which.page - 1)) { "Back" } }
                @else { span {} }
                span .quiet { "part " (which.page + 1) " of " (pages) }
                @if which.page + 1 < pages { a .button href=(to(which.page + 1)) { "Next" } }
                @else { span {} }
            }
        }
    };
    let head = html! { h1 { "Schedule" } };
    let rest = html! {
        form .row.panel method="get" action="/schedule" {
            label { "Delayed entries of stream" input name="stream" required size="30"; }
            button { "Show" }
        }
        p .quiet {
            @if is_native {
                "The server appends what is due by itself, to the millisecond."
            } @else {
                (visitor.millstream.abilities().server)
                " has no schedule: delayed entries are what the toolkit has beside a stream, and "
                "workers of the toolkit on the stream append what is due. Streams were asked one "
                "by "
                "one, so this page does not change by itself, and a stream that is not there yet "
                "is "
                "found by its name only."
            }
        }
    };
    let title = "Schedule".to_owned();
    // To ask each stream again and again would be much for little.
    Ok(match is_native {
        true => Content { title, live: html! { (head) (table) }, fixed: rest },
        false => Content { title, live: html! {}, fixed: html! { (head) (table) (rest) } },
    })
}

fn table(streams: &[(Bytes, u64)]) -> Markup {
    html! {
        div .scroll data-scroll tabindex="0" role="region" aria-label="Streams" {
            table {
                thead { tr { th { "Stream" } th .number { "Delayed entries" } } }
                tbody { @for (name, waiting) in streams { tr {
                    td { a .name href={(stream_path(name)) "/schedule"} { (visible(name)) } }
                    td .number { (count(*waiting)) }
                } } }
            }
        }
    }
}
