//! All streams of dead letters, and those that the letters of one stream are in.

use std::collections::BTreeSet;

use axum::extract::Query;
use axum::response::{IntoResponse, Redirect, Response};
use bytes::Bytes;
use maud::{Markup, html};
use millstream::{ConsumerGroupManager, DeadLetters, StreamManager};
use millstream_shown::{age_of, parse_visible, short, visible};
use serde::Deserialize;

use super::letters_filter::FilterForm;
use super::pager::Pager;
use super::parts::{count, count_or_dash, crumbs, empty, group_link, stream_link, unseen_streams};
use crate::failure::Failure;
use crate::letter_places::{LetterPlace, letter_places};
use crate::live::{Ask, Content};
use crate::segments::{Segments, letters_path, stream_path};
use crate::visitor::Visitor;

const PER_PAGE: usize = 100;
/// Groups that are named beside the letters of many.
const OWNERS_SHOWN: usize = 4;

#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Which {
    #[serde(default)]
    page: usize,
}

pub(crate) async fn get(ask: Ask, Query(which): Query<Which>) -> Result<Response, Failure> {
    ask.answer(move |visitor| content(visitor, which.clone())).await
}

async fn content(visitor: Visitor, which: Which) -> Result<Content, Failure> {
    visitor.server_answers().await?;
    let streams = visitor.streams().await?;
    let mut all = letter_places(&streams);
    all.sort_by_key(|place| (std::cmp::Reverse(place.newest), place.key.clone()));
    let letters = all.iter().filter_map(|place| place.length).sum();
    let pager = Pager::new(which.page, PER_PAGE, all.len());
    let shown: Vec<&LetterPlace> = pager.of(&all).collect();
    let running: BTreeSet<Bytes> = visitor.app.letter_jobs.running().into_iter().collect();
    let live = html! {
        h1 { "Dead letters " span .kind { (count(letters)) } }
        (unseen_streams(&visitor.app.history.totals()))
        @if shown.is_empty() {
            (empty("There are none: nothing failed too often. They would be in streams that \
                    policies name, or that are called like their stream, with :dlq behind it."))
        } @else { (table(&shown, &running)) }
        (pager.links("Pages", |page| format!("/dead-letters?page={page}")))
    };
    Ok(Content { title: "Dead letters".to_owned(), live, fixed: html! {} })
}

fn table(places: &[&LetterPlace], running: &BTreeSet<Bytes>) -> Markup {
    html! {
        div .scroll data-scroll tabindex="0" role="region" aria-label="Streams of dead letters" {
            table {
                thead { tr {
                    th { "Letters in" } th .number { "How many" } th .number { "Newest" }
                    th { "Whose" }
                } }
                tbody { @for place in places { tr {
                    td {
                        a .name href=(letters_path(&place.key)) { (visible(&place.key)) }
                        @if running.contains(&place.key) { " " span .tag.ok { "at work" } }
                    }
                    td .number { (count_or_dash(place.length)) }
                    td .number {
                        @match place.newest {
                            Some(id) => { (short(age_of(id))) " ago" },
                            None => "-",
                        }
                    }
                    td .wide { (owners(place)) }
                } } }
            }
        }
    }
}

fn owners(place: &LetterPlace) -> Markup {
    html! {
        @for (at, (stream, group)) in place.groups.iter().take(OWNERS_SHOWN).enumerate() {
            @if at > 0 { ", " }
            (group_link(stream, group)) " of " (stream_link(stream))
        }
        @if place.groups.len() > OWNERS_SHOWN {
            " and " (count((place.groups.len() - OWNERS_SHOWN) as u64)) " other groups"
        }
        @if place.groups.is_empty() {
            @match &place.stream {
                Some(stream) => { "groups of " (stream_link(stream)) },
                None => span .quiet { "see the letters" },
            }
        }
    }
}

#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct OfGroup {
    /// As it is shown, with escapes.
    #[serde(default)]
    group: String,
}

/// The letters of a stream, wherever its groups have them: where that is one stream, they are shown
/// at once.
pub(crate) async fn get_of_stream(
    ask: Ask,
    segments: Segments,
    Query(of): Query<OfGroup>,
) -> Result<Response, Failure> {
    let stream = segments.after("streams");
    let group = match of.group.trim() {
        "" => None,
        group => Some(parse_visible(group.as_bytes()).map_err(Failure::Invalid)?),
    };
    let targets = targets(&ask.visitor, &stream, group.as_deref()).await?;
    if let [(key, Some(_))] = &targets[..] {
        let query = FilterForm::of(&stream, group.as_deref()).query();
        return Ok(Redirect::to(&format!("{}{query}", letters_path(key))).into_response());
    }
    ask.answer(move |_| {
        let content = of_stream(&stream, group.as_deref(), &targets);
        std::future::ready(Ok(content))
    })
    .await
}

/// Streams that letters of this one are in, with how many: those that are there, or if none is, the
/// first that would be.
async fn targets(
    visitor: &Visitor,
    stream: &Bytes,
    group: Option<&[u8]>,
) -> Result<Vec<(Bytes, Option<u64>)>, Failure> {
    let millstream = &visitor.millstream;
    let groups = match ConsumerGroupManager::new(millstream, stream).groups().await {
        Ok(groups) => groups,
        // Letters outlive their stream.
        Err(error) if error.is_no_stream() => Vec::new(),
        Err(error) => return Err(error.into()),
    };
    let is_meant = |name: &Bytes| group.is_none_or(|group| group == name);
    let groups = groups.iter().filter(|info| is_meant(&info.name_bytes));
    let mut all: BTreeSet<Bytes> = groups
        .map(|info| DeadLetters::of_group(millstream, stream, info))
        .map(|letters| Bytes::copy_from_slice(letters.stream()))
        .collect();
    if group.is_none() || all.is_empty() {
        all.insert(Bytes::copy_from_slice(DeadLetters::of(millstream, stream).stream()));
    }
    let mut found = Vec::new();
    for key in &all {
        let info = StreamManager::new(millstream, key).info().await?;
        found.extend(info.map(|info| (key.clone(), Some(info.length))));
    }
    if found.is_empty() {
        found.extend(all.into_iter().next().map(|key| (key, None)));
    }
    Ok(found)
}

fn of_stream(stream: &Bytes, group: Option<&[u8]>, targets: &[(Bytes, Option<u64>)]) -> Content {
    let shown = visible(stream);
    let query = FilterForm::of(stream, group).query();
    let fixed = html! {
        (crumbs(&[("/streams", "Streams"), (&stream_path(stream), &shown)]))
        h1 { "Dead letters of " (shown) }
        @if let [(key, None)] = targets {
            (empty(&format!("There are none: {} would have them, and is not there.", visible(key))))
        } @else {
            p { "Groups of this stream have their letters in several streams:" }
            div .scroll data-scroll tabindex="0" role="region" aria-label="Streams of letters" {
                table {
                    thead { tr { th { "Letters in" } th .number { "How many, of all streams" } } }
                    tbody { @for (key, length) in targets { tr {
                        td { a .name href={(letters_path(key)) (query)} { (visible(key)) } }
                        td .number { (count(length.unwrap_or(0))) }
                    } } }
                }
            }
        }
    };
    Content { title: format!("Dead letters of {shown}"), live: html! {}, fixed }
}
