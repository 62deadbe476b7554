//! One stream: what it has, who reads it, its entries.

use std::ops::Bound;

use axum::extract::Query;
use axum::response::Response;
use bytes::Bytes;
use maud::{Markup, html};
use millstream::{EntryId, GroupInfo, StreamEntry, StreamInfo, StreamManager};
use millstream_shown::{
    age_of, byte_size, entry_id::parse_id, moment::parse_moment, or_dash, retention_facts, short,
    visible,
};
use serde::Deserialize;

use super::pager::Pager;
use super::parts::{
    Mood, card, count, count_or_dash, crumbs, empty, facts, group_link, rate_or_dash,
};
use super::stream_changes;
use crate::entry_page::{Order, entry_page};
use crate::failure::Failure;
use crate::live::{Ask, Content};
use crate::segments::{Segments, query_text, stream_path};
use crate::visitor::Visitor;

/// Entries on a page.
const PER_PAGE: usize = 50;
const GROUPS_PER_PAGE: usize = 100;
/// Characters of a value in the list: the rest is on the page of the entry.
const VALUE_MAX: usize = 160;
/// Fields of an entry in the list.
const FIELDS_MAX: usize = 8;

/// Which entries to show: the newest, unless it says other.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Which {
    /// An id, or a moment: entries from there on, oldest first.
    #[serde(default)]
    from: String,
    /// An id: entries before it, newest first.
    #[serde(default)]
    before: String,
    /// A page of groups.
    #[serde(default)]
    groups: usize,
}

impl Which {
    /// Where the same entries are, with a page of groups.
    fn with_groups(&self, path: &str, page: usize) -> String {
        let of = |name: &str, text: &str| match text {
            "" => String::new(),
            text => format!("&{name}={}", query_text(text)),
        };
        let (from, before) = (of("from", &self.from), of("before", &self.before));
        format!("{path}?groups={page}{from}{before}#groups")
    }
}

pub(crate) async fn get(
    ask: Ask,
    segments: Segments,
    Query(which): Query<Which>,
) -> Result<Response, Failure> {
    let stream = segments.after("streams");
    ask.answer(move |visitor| content(visitor, stream.clone(), which.clone())).await
}

/// An id, or a moment.
///
/// # Errors
/// [`Failure::Invalid`].
pub(super) fn parse_place(text: &str) -> Result<EntryId, Failure> {
    let text = text.trim();
    parse_id(text).or_else(|_| {
        let at = parse_moment(text).map_err(|_| {
            let text = visible(text.as_bytes());
            Failure::Invalid(format!("{text} is no id, and no moment like 2026-11-27T08:00:00Z"))
        })?;
        let ms = at.duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_millis();
        Ok(EntryId { ms: u64::try_from(ms).unwrap_or(u64::MAX), seq: 0 })
    })
}

/// Entries newest first, and where the pages before and after begin.
struct Entries {
    shown: Vec<StreamEntry>,
    newer: Option<EntryId>,
    older: Option<EntryId>,
    /// Fewer than a page has: they are large.
    is_cut: bool,
}

async fn entries(manager: &StreamManager, which: &Which) -> Result<Entries, Failure> {
    if !which.from.trim().is_empty() {
        let from = parse_place(&which.from)?;
        let range = (Bound::Included(from), Bound::Unbounded);
        let mut page = entry_page(manager, range, Order::OldestFirst, PER_PAGE).await?;
        let older = page.entries.first().map(|it| it.id).or(Some(from));
        page.entries.reverse();
        let (shown, newer) = (page.entries, page.next);
        return Ok(Entries { shown, newer, older, is_cut: page.is_cut });
    }
    let before = match which.before.trim() {
        "" => None,
        before => Some(parse_place(before)?),
    };
    let range = (Bound::Unbounded, before.map_or(Bound::Unbounded, Bound::Excluded));
    let page = entry_page(manager, range, Order::NewestFirst, PER_PAGE).await?;
    let older = page.entries.last().map(|it| it.id).filter(|_| page.next.is_some());
    Ok(Entries { shown: page.entries, newer: before, older, is_cut: page.is_cut })
}

async fn content(visitor: Visitor, stream: Bytes, which: Which) -> Result<Content, Failure> {
    let manager = StreamManager::new(&visitor.millstream, &stream);
    let Some(info) = manager.info().await? else {
        let shown = visible(&stream);
        return Err(Failure::NotFound(format!("there is no stream {shown}")));
    };
    let groups = millstream::ConsumerGroupManager::new(&visitor.millstream, &stream);
    let groups = if info.groups > 0 { groups.groups().await? } else { Vec::new() };
    let group_pager = Pager::new(which.groups, GROUPS_PER_PAGE, groups.len());
    let shown_groups: Vec<GroupInfo> = group_pager.of(groups).collect();
    let (memory, disk) = (manager.memory_bytes().await?, manager.disk_bytes().await?);
    let entries = entries(&manager, &which).await?;
    let seen = visitor.app.history.stream(&stream);
    let path = stream_path(&stream);
    let live = html! {
        (crumbs(&[("/streams", "Streams")]))
        h1 { (visible(&stream)) " " span .kind { "stream" } }
        div .cards {
            (card("Entries", count(info.length), Mood::Plain))
            (card("In, a second", rate_or_dash(seen.and_then(|seen| seen.rate_in)), Mood::Plain))
            (card("Added ever", count_or_dash(info.entries_added), Mood::Plain))
            (card("Memory", byte_size::show(memory), Mood::Plain))
            @if disk.is_some() { (card("Disk", byte_size::show(disk), Mood::Plain)) }
            @if let Some(scheduled) = info.scheduled { (card("Scheduled", count(scheduled), Mood::Plain)) }
        }
        div .actions.gap {
            a .button href={(path) "#entries"} { "Newest entries, live" }
            a .button href={(path) "/dead-letters"} { "Dead letters" }
            @if visitor.can_write {
                a .button href="#add" { "Add an entry" }
                a .button href="#change" { "Change the stream" }
            }
        }
        h2 #groups { "Groups " span .count { (count(info.groups)) } }
        (group_table(&stream, &shown_groups))
        (group_pager.links("Pages of groups", |page| which.with_groups(&path, page)))
        h2 #entries { "Entries " span .count { (range(&which)) } }
        (entry_table(&path, &entries.shown))
        @if entries.is_cut {
            p .hint {
                "Only " (millstream_shown::entries(entries.shown.len() as u64))
                " here: they are large. Page on for the others."
            }
        }
        (pager(&path, &which, &entries))
    };
    let fixed = html! {
        form .row.panel method="get" action=(path) {
            label { "From an id or a moment"
                input name="from" value=(which.from) placeholder="1764230400000-0 or 2026-11-27T08:00:00Z" size="34";
            }
            button { "Show" }
            @if !which.from.is_empty() || !which.before.is_empty() { a .button href=(path) { "Newest" } }
        }
        h2 { "About it" }
        (facts(&about(&info)))
        (stream_changes::forms(&visitor, &stream, &info))
    };
    Ok(Content { title: visible(&stream), live, fixed })
}

fn range(which: &Which) -> String {
    match (which.from.trim(), which.before.trim()) {
        ("", "") => "newest first, and new ones as they come".to_owned(),
        ("", before) => format!("before {before}"),
        (from, _) => format!("from {from} on"),
    }
}

fn about(info: &StreamInfo) -> Vec<(&'static str, String)> {
    let id = |id: Option<EntryId>| match id {
        Some(id) => format!("{id} ({} ago)", short(age_of(id))),
        None => "-".to_owned(),
    };
    let mut all = vec![
        ("first entry", id(info.first)),
        ("last entry", id(info.last)),
        ("last generated id", info.last_generated.to_string()),
        ("highest id deleted", or_dash(info.max_deleted)),
    ];
    match &info.retention {
        Some(retention) => all.extend(retention_facts(retention)),
        None => all.push(("keeps", "everything".to_owned())),
    }
    all
}

fn group_table(stream: &Bytes, groups: &[GroupInfo]) -> Markup {
    html! {
        @if groups.is_empty() {
            (empty("Nobody reads it by a group. XGROUP CREATE makes one."))
        } @else {
            div .scroll data-scroll tabindex="0" role="region" aria-label="Groups" {
                table {
                    thead { tr {
                        th { "Group" } th .number { "Not delivered" } th .number { "Pending" }
                        th .number { "Consumers" } th { "Last delivered" }
                    } }
                    tbody { @for group in groups { tr {
                        td { (group_link(stream, &group.name_bytes)) }
                        td .number { (count_or_dash(group.lag)) }
                        td .number { (count(group.pending)) }
                        td .number { (count(group.consumers)) }
                        td .id { (group.last_delivered) }
                    } } }
                }
            }
        }
    }
}

fn entry_table(path: &str, entries: &[StreamEntry]) -> Markup {
    html! {
        @if entries.is_empty() {
            (empty("There are no entries here."))
        } @else {
            div .scroll data-scroll tabindex="0" role="region" aria-label="Entries" {
                table {
                    thead { tr { th .tight { "Id" } th .tight { "Age" } th { "Fields" } } }
                    tbody { @for entry in entries { tr {
                        td .tight { a .id href={(path) "/entries/" (entry.id)} { (entry.id) } }
                        td .tight { (short(age_of(entry.id))) }
                        td .preview { (short_fields(&entry.fields)) }
                    } } }
                }
            }
        }
    }
}

/// The first fields, cut where they are long.
pub(super) fn short_fields(fields: &millstream::Fields) -> Markup {
    html! {
        @for (name, value) in fields.iter().take(FIELDS_MAX) {
            span .name { span .quiet { (cut(name)) "=" } (cut(value)) } " "
        }
        @if fields.len() > FIELDS_MAX { span .quiet { "and " (fields.len() - FIELDS_MAX) " more" } }
    }
}

/// No more is escaped than is shown.
fn cut(bytes: &[u8]) -> String {
    let text = visible(&bytes[..bytes.len().min(4 * VALUE_MAX)]);
    match text.char_indices().nth(VALUE_MAX) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None if bytes.len() > 4 * VALUE_MAX => format!("{text}..."),
        None => text,
    }
}

fn pager(path: &str, which: &Which, entries: &Entries) -> Markup {
    let is_newest = which.from.is_empty() && which.before.is_empty();
    html! {
        nav .pager aria-label="Pages" {
            @match entries.newer {
                Some(id) if !is_newest => a .button href={(path) "?from=" (id)} { "Newer" },
                _ => span {},
            }
            @match entries.older {
                Some(id) => a .button href={(path) "?before=" (id)} { "Older" },
                None => span {},
            }
        }
    }
}
