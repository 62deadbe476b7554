//! One entry: its fields, and how far each group is with it.

use std::ops::Bound;
use std::sync::Arc;

use axum::Router;
use axum::extract::Query;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use bytes::Bytes;
use maud::{Markup, html};
use millstream::{ConsumerGroupManager, EntryId, Fields, StreamEntry, StreamManager};
use millstream_shown::{age_of, moment::moment, short, visible};
use serde::Deserialize;

use super::done::back;
use super::entry_groups;
use super::entry_value::{Budget, value};
use super::layout::token;
use super::pager::Pager;
use super::parts::{count, crumbs, facts, name};
use crate::actions;
use crate::app::App;
use crate::entry_states::{EntryState, entry_states};
use crate::failure::Failure;
use crate::live::{Ask, Content};
use crate::segments::{Segments, entry_path, stream_path};
use crate::sent::{Sent, id};
use crate::visitor::Visitor;

/// Fields on the page. All of them can be had as a file.
const FIELDS_MAX: usize = 200;
/// Groups on a page: each of them is asked.
const GROUPS_PER_PAGE: usize = 100;

#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Which {
    /// A page of groups.
    #[serde(default)]
    groups: usize,
}

pub(super) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/streams/{stream}/entries/{id}", get(get_page))
        .route("/streams/{stream}/entries/{id}/delete", post(post_delete))
        .route("/streams/{stream}/entries/{id}/json", get(get_json))
        .route("/streams/{stream}/entries/{id}/fields/{at}", get(get_field))
}

/// The entry that a path is about.
fn entry_id(segments: &Segments) -> Result<EntryId, Failure> {
    id(&String::from_utf8_lossy(&segments.after("entries")))
}

async fn get_page(
    ask: Ask,
    segments: Segments,
    Query(which): Query<Which>,
) -> Result<Response, Failure> {
    let (stream, id) = (segments.after("streams"), entry_id(&segments)?);
    ask.answer(move |visitor| content(visitor, stream.clone(), id, which.clone())).await
}

async fn content(
    visitor: Visitor,
    stream: Bytes,
    id: EntryId,
    which: Which,
) -> Result<Content, Failure> {
    let manager = StreamManager::new(&visitor.millstream, &stream);
    let entry = manager.entries(id..=id, 1).await?.pop();
    let groups = ConsumerGroupManager::new(&visitor.millstream, &stream).groups().await?;
    let total = groups.len() as u64;
    let pager = Pager::new(which.groups, GROUPS_PER_PAGE, groups.len());
    let groups = pager.of(groups).collect();
    let states = entry_states(&visitor.millstream, &stream, id, groups).await?;
    let is_known = states.iter().any(EntryState::knows_it);
    // Groups of other pages may know it.
    if entry.is_none() && !pager.is_part() && !is_known {
        let stream = visible(&stream);
        return Err(Failure::NotFound(format!("stream {stream} has no entry {id}")));
    }
    let previous = manager.newest(..id, 1).await?.pop().map(|entry| entry.id);
    let next = manager.entries((Bound::Excluded(id), Bound::Unbounded), 1).await?;
    let next = next.first().map(|entry| entry.id);
    let path = entry_path(&stream, id);
    let live = html! {
        (crumbs(&[("/streams", "Streams"), (&stream_path(&stream), &visible(&stream))]))
        h1 { (id) " " span .kind { "entry" } }
        (neighbours(&stream, previous, next))
        (facts(&[("added", added(id)), ("size", size(entry.as_ref()))]))
        h2 #groups { "Groups " span .count { (count(total)) } }
        (entry_groups::table(&stream, &states))
        (pager.links("Pages of groups", |page| format!("{path}?groups={page}#groups")))
    };
    // No entry ever changes, so its fields are sent once.
    let fixed = html! {
        h2 { "Fields " @if let Some(entry) = &entry {
            span .count { (count(entry.fields.len() as u64)) }
        } }
        @match &entry {
            Some(entry) => (fields(&path, &entry.fields)),
            None if is_known => {
                p .hint { "It is gone from the stream: it was deleted, or trimmed." }
            }
            None => p .hint {
                "It is not in the stream, and none of these groups has it. Those on other pages \
                 may."
            },
        }
        @if visitor.can_write {
            (entry_groups::forms(&visitor, &stream, id, &states))
            @if entry.is_some() { (delete_form(&visitor, &path)) }
        }
    };
    Ok(Content { title: format!("{id} of {}", visible(&stream)), live, fixed })
}

fn added(id: EntryId) -> String {
    let at = std::time::UNIX_EPOCH.checked_add(std::time::Duration::from_millis(id.ms));
    let at = at.map_or_else(|| "beyond all calendars".to_owned(), moment);
    format!("{at} ({} ago), by its id", short(age_of(id)))
}

fn size(entry: Option<&StreamEntry>) -> String {
    let bytes = |entry: &StreamEntry| {
        entry.fields.iter().map(|(name, value)| (name.len() + value.len()) as u64).sum()
    };
    millstream_shown::byte_size::show(entry.map(bytes))
}

fn neighbours(stream: &[u8], previous: Option<EntryId>, next: Option<EntryId>) -> Markup {
    html! {
        nav .actions.gap aria-label="Neighbours" {
            @if let Some(id) = previous {
                a .button href=(entry_path(stream, id)) { "Previous entry" }
            }
            @if let Some(id) = next {
                a .button href=(entry_path(stream, id)) { "Next entry" }
            }
        }
    }
}

fn fields(path: &str, fields: &Fields) -> Markup {
    let mut budget = Budget::default();
    html! {
        div .scroll data-scroll tabindex="0" role="region" aria-label="Fields" {
            table {
                thead { tr { th { "Name" } th { "Value" } } }
                tbody {
                    @for (at, (field, bytes)) in fields.iter().take(FIELDS_MAX).enumerate() {
                        tr {
                            th scope="row" { (short_name(field)) }
                            td .content {
                                (value(bytes, &format!("{path}/fields/{at}"), &mut budget))
                            }
                        }
                    }
                }
            }
        }
        p .actions.gap {
            @if fields.len() > FIELDS_MAX {
                span { "and " (count((fields.len() - FIELDS_MAX) as u64)) " more" }
            }
            a .button href={(path) "/json"} download { "Download all as JSON" }
        }
    }
}

fn short_name(field: &[u8]) -> Markup {
    match field.len() {
        ..=1000 => name(field),
        long => html! { (name(&field[..1000])) "... " (count(long as u64)) " bytes" },
    }
}

fn delete_form(visitor: &Visitor, path: &str) -> Markup {
    html! {
        details .panel #delete {
            summary { "Delete it" }
            form .stacked method="post" action={(path) "/delete"} {
                (token(visitor))
                p {
                    "It is gone then: groups that have not read it never get it. There is no way \
                     back."
                }
                label .check {
                    input type="checkbox" name="sure" value="yes" required;
                    "I want that"
                }
                p { button .danger { "Delete the entry" } }
            }
        }
    }
}

async fn post_delete(visitor: Visitor, segments: Segments, sent: Sent) -> Response {
    let stream = segments.after("streams");
    let mut place = stream_path(&stream);
    let done = async {
        let id = entry_id(&segments)?;
        place = entry_path(&stream, id);
        let change = visitor.change(Some(sent.token()))?;
        if !sent.is_on("sure") {
            return Err(Failure::Invalid("tick that you want it to be deleted".to_owned()));
        }
        let is_deleted = actions::entry::delete(&change, &stream, id).await?;
        place = stream_path(&stream);
        Ok(if is_deleted {
            format!("Entry {id} was deleted.")
        } else {
            format!("Entry {id} was gone already.")
        })
    };
    let done = done.await;
    back(&visitor, &place, done)
}

async fn found(visitor: &Visitor, segments: &Segments) -> Result<StreamEntry, Failure> {
    let (stream, id) = (segments.after("streams"), entry_id(segments)?);
    let manager = StreamManager::new(&visitor.millstream, &stream);
    let gone = || Failure::NotFound(format!("stream {} has no entry {id}", visible(&stream)));
    manager.entries(id..=id, 1).await?.pop().ok_or_else(gone)
}

/// As a file, whatever it is: no browser is to make a page of it.
fn file(name: &str, kind: &'static str, bytes: Vec<u8>) -> Response {
    let disposition = format!("attachment; filename=\"{name}\"");
    let headers = [
        (header::CONTENT_TYPE, kind.to_owned()),
        (header::CONTENT_DISPOSITION, disposition),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
    ];
    (headers, bytes).into_response()
}

async fn get_field(visitor: Visitor, segments: Segments) -> Result<Response, Failure> {
    let entry = found(&visitor, &segments).await?;
    let at = String::from_utf8_lossy(&segments.after("fields")).parse::<usize>();
    let field = at.ok().and_then(|at| Some((at, entry.fields.iter().nth(at)?.1)));
    let Some((at, value)) = field else {
        return Err(Failure::NotFound(format!("entry {} has no such field", entry.id)));
    };
    Ok(file(&format!("{}-{at}.bin", entry.id), "application/octet-stream", value.to_vec()))
}

async fn get_json(visitor: Visitor, segments: Segments) -> Result<Response, Failure> {
    let entry = found(&visitor, &segments).await?;
    let json = entry.fields.to_json().into_bytes();
    Ok(file(&format!("{}.json", entry.id), "application/json", json))
}
