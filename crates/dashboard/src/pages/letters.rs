//! The letters in one stream of dead letters: a page at a time, with what can be done with them.

use axum::extract::Query;
use axum::response::Response;
use bytes::Bytes;
use maud::{Markup, html};
use millstream::{DeadLetter, DeadLetters, LetterPage, StreamManager};
use millstream_shown::{age_of, plural, short, visible};
use serde::Deserialize;

use super::layout::token;
use super::letters_filter::{FilterForm, parse_place};
use super::parts::{Mood, card, count, crumbs, empty, group_link, name};
use super::stream::short_fields;
use crate::failure::Failure;
use crate::letter_jobs::LetterJob;
use crate::live::{Ask, Content};
use crate::segments::{Segments, letters_path, stream_path};
use crate::visitor::Visitor;

const PER_PAGE: usize = 50;
/// Entries that a page looks at: where few letters pass a filter, the next one goes on.
const LOOKED_AT: usize = 1000;
/// Characters of an error in the list: the rest is on the page of the letter.
const ERROR_MAX: usize = 120;
/// Jobs that are told of.
const JOBS_SHOWN: usize = 5;

#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Which {
    #[serde(flatten)]
    filter: FilterForm,
    /// A letter's id: those before it, newest first.
    #[serde(default)]
    before: String,
    /// A letter's id: those after it, oldest first.
    #[serde(default)]
    after: String,
    /// `oldest`: from the oldest on.
    #[serde(default)]
    first: String,
}

impl Which {
    fn is_oldest_first(&self) -> bool {
        self.first == "oldest" || !self.after.is_empty()
    }
}

pub(crate) async fn get(
    ask: Ask,
    segments: Segments,
    Query(which): Query<Which>,
) -> Result<Response, Failure> {
    let key = segments.at(1);
    ask.answer(move |visitor| content(visitor, key.clone(), which.clone())).await
}

async fn content(visitor: Visitor, key: Bytes, which: Which) -> Result<Content, Failure> {
    let (path, shown) = (letters_path(&key), visible(&key));
    // First: what they are told to have done is seen in the letters below.
    let jobs = jobs(&visitor, &path, &visitor.app.letter_jobs.of(&key));
    let Some(info) = StreamManager::new(&visitor.millstream, &key).info().await? else {
        return Err(Failure::NotFound(format!("there is no stream {shown}")));
    };
    let letters = DeadLetters::new(&visitor.millstream, &key);
    let filter = which.filter.parse()?;
    let page = if which.is_oldest_first() {
        let after = parse_place(&which.after)?;
        letters.oldest_like(&filter, after, PER_PAGE, LOOKED_AT).await?
    } else {
        let before = parse_place(&which.before)?;
        letters.newest_like(&filter, before, PER_PAGE, LOOKED_AT).await?
    };
    let age = |id: Option<_>| id.map_or_else(|| "-".to_owned(), |id| short(age_of(id)));
    let live = html! {
        (crumbs(&[("/dead-letters", "Dead letters")]))
        h1 { (shown) " " span .kind { "dead letters" } }
        div .cards {
            (card("Entries", count(info.length), Mood::Plain))
            (card("Newest, ago", age(info.last), Mood::Plain))
            (card("Oldest, ago", age(info.first), Mood::Plain))
        }
        (jobs)
        h2 { "Letters " span .count { (range(&which)) } }
        p .actions {
            a .button href="#filter" { "Filter" }
            @if visitor.can_write { a .button href="#all" { "Requeue or purge all..." } }
        }
        (table(&visitor, &path, &page.letters))
        @if page.letters.is_empty() {
            @if page.next.is_some() {
                (empty("None of the entries that were looked at is a letter of that kind. There \
                        are others: go on."))
            } @else if which.filter.is_any() {
                (empty("There are no letters here."))
            } @else {
                (empty("There are no letters of that kind here."))
            }
        }
        (pager(&path, &which, &page))
    };
    let fixed = html! {
        @if visitor.can_write { (ticked_form(&visitor, &path, &which.filter)) }
        form #filter .row.panel method="get" action=(path) {
            (which.filter.inputs())
            label { "Order"
                select name="first" {
                    option value="" selected[!which.is_oldest_first()] { "newest first" }
                    option value="oldest" selected[which.is_oldest_first()] { "oldest first" }
                }
            }
            button { "Show" }
            @if !which.filter.is_any() { a .button href=(path) { "Show all" } }
        }
        @if visitor.can_write { (bulk_form(&path, &which.filter)) }
        p .quiet {
            "They are entries of a stream as any other: " a href=(stream_path(&key)) { (shown) } "."
        }
    };
    Ok(Content { title: format!("Dead letters in {shown}"), live, fixed })
}

fn range(which: &Which) -> String {
    let order = if which.is_oldest_first() { "oldest first" } else { "newest first" };
    match which.filter.words() {
        words if words.is_empty() => order.to_owned(),
        words => format!("{words}; {order}"),
    }
}

fn table(visitor: &Visitor, path: &str, letters: &[DeadLetter]) -> Markup {
    html! {
        @if !letters.is_empty() {
            div .scroll data-scroll tabindex="0" role="region" aria-label="Letters" {
                table {
                    thead { tr {
                        @if visitor.can_write {
                            th .tight {
                                input type="checkbox" data-ticks="id"
                                    aria-label="All letters on this page";
                            }
                        }
                        th .tight { "Letter" } th { "Entry" } th { "Group" }
                        th .number { "Deliveries" } th { "Reason" } th { "Error" }
                        th .number { "Age" } th { "Fields" }
                    } }
                    tbody { @for letter in letters { (row(visitor, path, letter)) } }
                }
            }
        }
    }
}

fn row(visitor: &Visitor, path: &str, letter: &DeadLetter) -> Markup {
    html! {
        tr {
            @if visitor.can_write {
                td .tight {
                    input type="checkbox" name="id" value=(letter.id) form="ticked"
                        aria-label={"Letter " (letter.id)};
                }
            }
            td .tight { a .id href={(path) "/" (letter.id)} { (letter.id) } }
            td .tight { (entry_link(letter)) }
            td .keep { (group_of(letter)) }
            td .number { (count(letter.deliveries)) }
            td {
                @if letter.reason.is_empty() { "-" }
                @else { (visible(letter.reason.as_bytes())) }
            }
            td .text { (shortened(&letter.error)) }
            td .number { (short(age_of(letter.id))) }
            td .wide { (short_fields(&letter.payload)) }
        }
    }
}

/// Where the entry is, or was.
pub(super) fn entry_link(letter: &DeadLetter) -> Markup {
    html! {
        @if letter.stream_bytes.is_empty() {
            span .id { (letter.original_id) }
        } @else {
            a .id href={(stream_path(&letter.stream_bytes)) "/entries/" (letter.original_id)} {
                (letter.original_id)
            }
        }
    }
}

/// Anybody can write a letter: it may not say where it comes from.
pub(super) fn group_of(letter: &DeadLetter) -> Markup {
    html! {
        @if letter.group_bytes.is_empty() { "-" }
        @else if letter.stream_bytes.is_empty() { (name(&letter.group_bytes)) }
        @else { (group_link(&letter.stream_bytes, &letter.group_bytes)) }
    }
}

fn shortened(error: &str) -> String {
    match error.char_indices().nth(ERROR_MAX) {
        Some((end, _)) => format!("{}...", visible(error[..end].trim_end().as_bytes())),
        None if error.is_empty() => "-".to_owned(),
        None => visible(error.as_bytes()),
    }
}

fn pager(path: &str, which: &Which, page: &LetterPage) -> Markup {
    let filter = which.filter.query();
    let to = |rest: &str| match filter.is_empty() {
        true => format!("{path}?{rest}"),
        false => format!("{path}{filter}&{rest}"),
    };
    let is_first = which.before.is_empty() && which.after.is_empty();
    let (start, word, next) = match which.is_oldest_first() {
        true => ("first=oldest", "Oldest", "after"),
        false => ("first=", "Newest", "before"),
    };
    html! {
        @if !is_first || page.next.is_some() {
            nav .pager aria-label="Pages" {
                @if is_first { span {} } @else { a .button href=(to(start)) { (word) } }
                @match page.next {
                    Some(id) => a .button href=(to(&format!("{next}={id}"))) {
                        @if page.letters.is_empty() { "Go on" }
                        @else if next == "after" { "Newer" } @else { "Older" }
                    },
                    None => span {},
                }
            }
        }
    }
}

/// For the letters that are ticked in the table.
fn ticked_form(visitor: &Visitor, path: &str, filter: &FilterForm) -> Markup {
    html! {
        form #ticked .actions.panel method="post" action={(path) "/change"} {
            (token(visitor))
            (filter.hidden())
            span { "Ticked letters:" }
            button name="verb" value="requeue" { "Requeue" }
            button .danger name="verb" value="purge"
                data-ask="The ticked letters are deleted, and lost. Go on?" { "Purge" }
            span .quiet {
                "Requeue gives an entry back to the group that gave it up, with no delivery "
                "counted. "
                "Purge deletes the letter."
            }
        }
    }
}

/// For all that pass the filter; first it is said how many those are.
fn bulk_form(path: &str, filter: &FilterForm) -> Markup {
    html! {
        form #all .actions.panel method="get" action={(path) "/bulk"} {
            (filter.hidden())
            span {
                @if filter.is_any() { "All letters here:" }
                @else { "All letters of that kind (" (filter.words()) "):" }
            }
            button name="verb" value="requeue" { "Requeue all..." }
            button .danger name="verb" value="purge" { "Purge all..." }
            span .quiet { "First you see how many those are." }
        }
    }
}

/// What goes on, and how the last ones ended.
fn jobs(visitor: &Visitor, path: &str, jobs: &[std::sync::Arc<LetterJob>]) -> Markup {
    html! {
        @for job in jobs.iter().take(JOBS_SHOWN) {
            @let progress = job.progress();
            @let words = progress.tally.words(job.work.verb);
            @match &progress.end {
                None => div .notice.actions role="status" {
                    span {
                        strong { "At work: " (job.work.verb.word()) " " (job.work.words) ". " }
                        (words) " At most " (plural(job.work.most, "letter")) ", "
                        (count(job.work.per_second.into())) " a second."
                    }
                    @if visitor.can_write {
                        form method="post" action={(path) "/stop"} {
                            (token(visitor))
                            input type="hidden" name="job" value=(job.number);
                            button .small #{"stop-" (job.number)} { "Stop" }
                        }
                    }
                },
                Some(end) => p .hint[progress.tally.failed > 0].quiet[progress.tally.failed == 0] {
                    "Done: " (job.work.verb.word()) " " (job.work.words) ". " (words) " " (end)
                },
            }
        }
    }
}
