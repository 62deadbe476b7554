//! What is pending in a group, a page at a time.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use axum::Router;
use axum::extract::Query;
use axum::response::Response;
use axum::routing::{get, post};
use bytes::Bytes;
use maud::{Markup, html};
use millstream::{EntryId, Fields, PendingEntries, PendingEntry, PendingPage, StreamManager};
use millstream_shown::{short, visible, visible_start};

use super::parts::{count, crumbs, empty, name};
use super::pending_filter::{Asked, Filter};
use super::pending_settle;
use super::stream::short_fields;
use crate::app::App;
use crate::failure::Failure;
use crate::live::{Ask, Content};
use crate::segments::{Segments, entry_path, group_path, stream_path};
use crate::visitor::Visitor;

/// Entries on a page.
const PER_PAGE: usize = 100;
/// Entries that are looked at for a page: where few pass the filter, it says where to go on.
const LOOKED_AT_MAX: usize = 10_000;
/// Of an error; programs get all of it.
const ERROR_CHARS_SHOWN: usize = 500;
/// Entries whose fields are read in one round trip, and bytes after which no more are read: large
/// values are on the pages of their entries.
const READ_AT_ONCE: usize = 10;
const READ_BYTES_MAX: usize = 4 << 20;

pub(super) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/streams/{stream}/groups/{group}/pending", get(get_page))
        .route("/streams/{stream}/groups/{group}/pending/settle", post(pending_settle::post_named))
        .route(
            "/streams/{stream}/groups/{group}/pending/all",
            get(pending_settle::get_all).post(pending_settle::post_all),
        )
}

/// Where it is.
pub(super) fn pending_path(stream: &[u8], group: &[u8]) -> String {
    format!("{}/pending", group_path(stream, group))
}

async fn get_page(
    ask: Ask,
    segments: Segments,
    Query(asked): Query<Asked>,
) -> Result<Response, Failure> {
    let (stream, group) = (segments.after("streams"), segments.after("groups"));
    ask.answer(move |visitor| content(visitor, stream.clone(), group.clone(), asked.clone())).await
}

/// The fields of an entry, as far as they were read.
enum Seen {
    Fields(Fields),
    Gone,
    /// Those before it were large.
    Unread,
}

async fn content(
    visitor: Visitor,
    stream: Bytes,
    group: Bytes,
    asked: Asked,
) -> Result<Content, Failure> {
    let Filter { filter, from, .. } = asked.filter()?;
    let info = visitor.group(&stream, &group).await?;
    let pending = PendingEntries::new(&visitor.millstream, &stream, &group).with_errors();
    let range = (from, Bound::Unbounded);
    let mut page = pending.page(range, &filter, PER_PAGE + 1, LOOKED_AT_MAX).await?;
    if page.found.len() > PER_PAGE {
        page.found.truncate(PER_PAGE);
        page.next = page.found.last().map(|entry| entry.id);
    }
    let ids: Vec<EntryId> = page.found.iter().map(|entry| entry.id).collect();
    let seen = read_fields(&StreamManager::new(&visitor.millstream, &stream), &ids).await?;
    let path = pending_path(&stream, &group);
    let can_settle = visitor.can_write;
    let way = [
        ("/streams", "Streams"),
        (&*stream_path(&stream), &*visible(&stream)),
        (&*group_path(&stream, &group), &*visible(&group)),
    ];
    let live = html! {
        (crumbs(&way))
        h1 { "Pending " span .kind { "in group " (visible(&group)) } }
        div .actions.gap {
            span { (count(info.pending)) " in all" @if !asked.is_any() { ", some of them here" } }
            a .button href="#filter" { "Filter" }
            @if can_settle && !page.found.is_empty() { a .button href="#settle" { "Settle" } }
        }
        (table(&stream, &page.found, &seen, can_settle, info.managed.is_some()))
        (pager(&path, &asked, &page))
    };
    let fixed = html! {
        @if can_settle { (pending_settle::form(&visitor, &stream, &group, &asked)) }
        (filter_form(&path, &asked))
    };
    Ok(Content { title: format!("Pending in {}", visible(&group)), live, fixed })
}

async fn read_fields(
    manager: &StreamManager,
    ids: &[EntryId],
) -> Result<BTreeMap<EntryId, Seen>, Failure> {
    let mut seen = BTreeMap::new();
    let mut bytes = 0;
    for some in ids.chunks(READ_AT_ONCE) {
        if bytes > READ_BYTES_MAX {
            seen.extend(some.iter().map(|id| (*id, Seen::Unread)));
            continue;
        }
        seen.extend(some.iter().map(|id| (*id, Seen::Gone)));
        for entry in manager.find(some).await? {
            bytes +=
                entry.fields.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>();
            seen.insert(entry.id, Seen::Fields(entry.fields));
        }
    }
    Ok(seen)
}

fn table(
    stream: &[u8],
    found: &[PendingEntry],
    seen: &BTreeMap<EntryId, Seen>,
    can_settle: bool,
    has_errors: bool,
) -> Markup {
    if found.is_empty() {
        return empty("Nothing of that kind is pending here.");
    }
    html! {
        div .scroll data-scroll tabindex="0" role="region" aria-label="Pending entries" {
            table {
                thead { tr {
                    @if can_settle {
                        th .tight {
                            input #tick-all type="checkbox" name="all" value="all"
                                data-ticks="id" aria-label="Tick all of this page";
                        }
                    }
                    th .tight { "Id" } th { "Consumer" } th .number { "Idle" }
                    th .number { "Deliveries" }
                    @if has_errors { th { "Last error" } }
                    th { "Fields" }
                } }
                tbody { @for entry in found { tr {
                    @if can_settle {
                        td .tight {
                            input type="checkbox" name="id" value=(entry.id) form="settle"
                                id={"tick-" (entry.id)} aria-label={"Tick " (entry.id)};
                        }
                    }
                    td .tight { a .id href=(entry_path(stream, entry.id)) { (entry.id) } }
                    td { (owner(entry)) }
                    td .number { (idle(entry)) }
                    td .number { (count(entry.deliveries)) }
                    @if has_errors { td { (pending_error(entry)) } }
                    td .preview {
                        @match seen.get(&entry.id) {
                            Some(Seen::Fields(fields)) => (short_fields(fields)),
                            Some(Seen::Gone) => span .tag .warn { "gone from the stream" },
                            _ => span .quiet { "not read: those before it are large" },
                        }
                    }
                } } }
            }
        }
    }
}

pub(super) fn owner(entry: &PendingEntry) -> Markup {
    html! {
        @match &entry.consumer {
            Some(consumer) => (name(consumer)),
            None => span .quiet { "nobody" },
        }
    }
}

/// What was said when it failed last, of which the server keeps 4 KiB.
pub(super) fn pending_error(entry: &PendingEntry) -> Markup {
    html! {
        @match &entry.error {
            Some(error) => (error_text(error)),
            None => "-",
        }
    }
}

/// The beginning of it.
pub(super) fn error_text(error: &[u8]) -> Markup {
    html! { span .name { (visible_start(error, ERROR_CHARS_SHOWN)) } }
}

pub(super) fn idle(entry: &PendingEntry) -> String {
    entry.idle.map_or_else(|| "-".to_owned(), short)
}

fn pager(path: &str, asked: &Asked, page: &PendingPage) -> Markup {
    let first = Asked { after: String::new(), ..asked.clone() };
    html! {
        @if page.found.len() < PER_PAGE && page.next.is_some() {
            p .hint {
                (count(page.looked_at as u64)) " were looked at, and "
                (count(page.found.len() as u64)) " of them fit. There are more behind."
            }
        }
        nav .pager aria-label="Pages" {
            @if asked.after.is_empty() { span {} }
            @else { a .button href={(path) (first.query())} { "First" } }
            @match page.next {
                Some(id) => a .button href={(path) (asked.behind(id).query())} { "Next" },
                None => span {},
            }
        }
    }
}

fn filter_form(path: &str, asked: &Asked) -> Markup {
    let field = |name: &str, label: &str, value: &str, hint: &str| {
        html! {
            label { (label) input name=(name) value=(value) placeholder="any"; small { (hint) } }
        }
    };
    html! {
        h2 #filter { "Filter" }
        form .panel method="get" action=(path) {
            div .grid {
                (field("consumer", "Consumer", &asked.consumer, "its name, as it is shown"))
                (field("idle", "Idle for at least", &asked.idle, "such as 30s or 5m, or no owner"))
                (field("deliveries", "Deliveries, at least", &asked.deliveries, "such as 3"))
                (field("from", "From an id or a moment", &asked.from,
                    "1764230400000-0 or 2026-11-27T08:00:00Z"))
            }
            p .actions {
                button .primary { "Show" }
                @if !asked.is_any() { a .button href=(path) { "All" } }
            }
        }
    }
}
