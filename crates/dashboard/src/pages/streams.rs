//! All streams, a page at a time.

use axum::extract::Query;
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use millstream_shown::{age_of, parse_visible, short};
use serde::Deserialize;

use super::entry_add;
use super::pager::Pager;
use super::parts::{count, empty, rate_or_dash, stream_link, unseen_streams};
use crate::failure::Failure;
use crate::history::StreamNow;
use crate::live::{Ask, Content};
use crate::segments::{query_text, stream_path};
use crate::stream_order::StreamOrder;
use crate::visitor::Visitor;

const PER_PAGE: usize = 100;

#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Which {
    /// Part of the name.
    #[serde(default)]
    find: String,
    #[serde(default)]
    page: usize,
    #[serde(default)]
    sort: StreamOrder,
    /// Of a stream that is gone to, as it is shown.
    #[serde(default)]
    stream: String,
}

pub(crate) async fn get(ask: Ask, Query(which): Query<Which>) -> Result<Response, Failure> {
    if !which.stream.trim().is_empty() {
        let name = parse_visible(which.stream.trim().as_bytes()).map_err(Failure::Invalid)?;
        return Ok(Redirect::to(&stream_path(&name)).into_response());
    }
    ask.answer(move |visitor| content(visitor, which.clone())).await
}

async fn content(visitor: Visitor, which: Which) -> Result<Content, Failure> {
    visitor.server_answers().await?;
    let history = &visitor.app.history;
    let all = which.sort.of(visitor.streams().await?, &which.find);
    let total = all.len();
    let pager = Pager::new(which.page, PER_PAGE, total);
    let shown: Vec<StreamNow> = pager.of(all).collect();
    let to = |page: usize| {
        let find = query_text(&which.find);
        let find = if which.find.is_empty() { String::new() } else { format!("&find={find}") };
        format!("/streams?page={page}&sort={}{find}", which.sort.word())
    };
    let live = html! {
        h1 { "Streams " span .kind { (count(total as u64)) } }
        (unseen_streams(&history.totals()))
        @if shown.is_empty() {
            (empty(if which.find.is_empty() { "There are no streams yet. XADD makes one." } else { "No stream has that in its name." }))
        } @else { (table(&shown)) }
        (pager.links("Pages", to))
    };
    let fixed = html! {
        form .row.panel method="get" action="/streams" {
            label { "Part of the name" input name="find" value=(which.find); }
            label { "In order of"
                select name="sort" {
                    @for sort in StreamOrder::ALL {
                        option value=(sort.word()) selected[sort == which.sort] { (sort.word()) }
                    }
                }
            }
            button { "Show" }
        }
        form .row.panel method="get" action="/streams" {
            label { "Stream by its whole name" input name="stream" required size="30"; }
            button { "Go to it" }
        }
        @if visitor.can_write { (entry_add::form(&visitor, None)) }
    };
    Ok(Content { title: "Streams".to_owned(), live, fixed })
}

fn table(streams: &[StreamNow]) -> Markup {
    html! {
        div .scroll data-scroll tabindex="0" role="region" aria-label="Streams" {
            table {
                thead { tr {
                    th { "Stream" } th .number { "Entries" } th .number { "In/s" }
                    th .number { "Groups" } th .number { "Pending" } th .number { "Newest" }
                } }
                tbody { @for stream in streams { tr {
                    td { (stream_link(&stream.name)) }
                    td .number { (count(stream.info.length)) }
                    td .number { (rate_or_dash(stream.rate_in)) }
                    td .number { (count(stream.info.groups)) }
                    td .number { (count(stream.pending())) }
                    td .number {
                        @match stream.info.last {
                            Some(last) => { (short(age_of(last))) " ago" },
                            None => "-",
                        }
                    }
                } } }
            }
        }
    }
}
