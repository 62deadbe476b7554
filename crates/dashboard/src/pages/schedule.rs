//! Streams that have delayed entries.

use axum::extract::Query;
use axum::response::Response;
use bytes::Bytes;
use maud::{Markup, html};
use millstream_shown::visible;
use serde::Deserialize;

use super::pager::Pager;
use super::parts::{count, empty, unseen_streams};
use crate::failure::Failure;
use crate::live::{Ask, Content};
use crate::scheduled::{self, Scheduled};
use crate::segments::stream_path;
use crate::visitor::Visitor;

/// Streams on a page, of those that have delayed entries.
const PER_PAGE: usize = 100;
/// Streams that are asked on one page where the server does not say it with all else.
const ASKED: usize = 500;

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

/// Those of this page.
async fn streams(visitor: &Visitor, page: usize) -> Result<(Vec<Scheduled>, Pager), Failure> {
    let all = visitor.streams().await?;
    if visitor.millstream.abilities().has_schedule {
        let mut all = scheduled::known(all);
        all.sort_by_key(|it| (std::cmp::Reverse(it.waiting), it.stream.clone()));
        let pager = Pager::new(page, PER_PAGE, all.len());
        return Ok((pager.of(all).collect(), pager));
    }
    let pager = Pager::new(page, ASKED, all.len());
    let asked: Vec<Bytes> = pager.of(all).map(|stream| stream.name).collect();
    Ok((scheduled::ask(&visitor.millstream, &asked).await?, pager))
}

async fn content(visitor: Visitor, which: Which) -> Result<Content, Failure> {
    let is_native = visitor.millstream.abilities().has_schedule;
    let (shown, pager) = streams(&visitor, which.page).await?;
    let table = html! {
        (unseen_streams(&visitor.app.history.totals()))
        @if shown.is_empty() {
            (empty(match is_native {
                true => "Nothing is delayed. XSCHEDULE ADD delays an entry; the toolkit does, too.",
                false => "Of the streams that were asked none has delayed entries.",
            }))
        } @else { (table(&shown)) }
        (pager.links("Pages", |page| format!("/schedule?page={page}")))
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

fn table(streams: &[Scheduled]) -> Markup {
    html! {
        div .scroll data-scroll tabindex="0" role="region" aria-label="Streams" {
            table {
                thead { tr { th { "Stream" } th .number { "Delayed entries" } } }
                tbody { @for Scheduled { stream, waiting } in streams { tr {
                    td { a .name href={(stream_path(stream)) "/schedule"} { (visible(stream)) } }
                    td .number { (count(*waiting)) }
                } } }
            }
        }
    }
}
