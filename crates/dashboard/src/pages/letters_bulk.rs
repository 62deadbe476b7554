//! How many letters a change by a filter is about, and the form that begins it.

use axum::extract::Query;
use axum::response::Response;
use bytes::Bytes;
use maud::{Markup, html};
use millstream::DeadLetters;
use millstream_shown::{plural, visible};
use serde::Deserialize;

use super::layout::token;
use super::letters_filter::FilterForm;
use super::parts::{count, crumbs, empty, facts};
use crate::actions::letter_tally::Verb;
use crate::actions::letters_bulk::{self, Counted, PER_SECOND_MAX};
use crate::failure::Failure;
use crate::letter_trial::{TRIED_MAX, Trial};
use crate::live::{Ask, Content};
use crate::segments::{Segments, letters_path};
use crate::visitor::Visitor;

/// What a job does unless it is told otherwise.
const PER_SECOND: u32 = 100;
const MOST: u64 = 10_000;

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Which {
    verb: String,
    #[serde(flatten)]
    filter: FilterForm,
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
    let (verb, shown) = (Verb::of(&which.verb)?, visible(&key));
    let letters = DeadLetters::new(&visitor.millstream, &key);
    let filter = which.filter.parse()?;
    let extent = letters_bulk::extent(&visitor.millstream, &letters).await?;
    let (counted, length) = match extent {
        Some((last, length)) => {
            (letters_bulk::count(&letters, &filter, None, last, TRIED_MAX).await?, length)
        }
        None => (Counted::default(), 0),
    };
    let path = letters_path(&key);
    let title = match verb {
        Verb::Requeue => "Requeue letters",
        Verb::Purge => "Purge letters",
    };
    let now = match counted.is_part {
        false => plural(counted.count, "letter"),
        true if which.filter.is_any() => format!("{} entries", count(length)),
        true => format!(
            "{} letters at least: not all of {} entries were looked at",
            count(counted.count),
            count(length)
        ),
    };
    let mut said = vec![
        ("letters in", shown.clone()),
        ("of the kind", words(&which.filter)),
        ("that is now", now),
    ];
    if verb == Verb::Requeue && !counted.first.is_empty() {
        said.push(("of the first of them", Trial::of(&letters, &counted.first).await.words()));
    }
    let back = format!("{path}{}", which.filter.query());
    let fixed = html! {
        (crumbs(&[("/dead-letters", "Dead letters"), (&back, &shown)]))
        h1 { (title) }
        p { "Nothing was done yet." }
        (facts(&said))
        @if counted.count == 0 && !counted.is_part {
            (empty("There is nothing to do: no letter is of that kind."))
        } @else if visitor.can_write {
            (confirmation(&visitor, &path, &which, verb, &counted))
        } @else { p .hint { "The dashboard is read-only." } }
        p { a href=(back) { "Back to the letters" } }
    };
    Ok(Content { title: title.to_owned(), live: html! {}, fixed })
}

fn words(filter: &FilterForm) -> String {
    if filter.is_any() { "any".to_owned() } else { filter.words() }
}

fn confirmation(
    visitor: &Visitor,
    path: &str,
    which: &Which,
    verb: Verb,
    counted: &Counted,
) -> Markup {
    let most = if counted.is_part { MOST } else { counted.count.clamp(1, MOST) };
    html! {
        form .panel method="post" action={(path) "/bulk"} {
            (token(visitor))
            input type="hidden" name="verb" value=(verb.word());
            (which.filter.hidden())
            div .grid {
                label { "At most so many letters"
                    input name="most" type="number" min="1" required value=(most);
                    small { "the oldest ones; what is left is told at the end" }
                }
                label { "So many a second"
                    input name="per_second" type="number" min="1" max=(PER_SECOND_MAX) required
                        value=(PER_SECOND);
                    small { "so that those who handle them keep up" }
                }
            }
            p .quiet {
                "It goes on by itself, and can be watched and stopped on the page of the letters. "
                "It "
                "ends with the dashboard: what is done then stays done. Letters that come "
                "meanwhile "
                "are left alone."
            }
            p {
                @match verb {
                    Verb::Requeue => button .primary { "Requeue them" },
                    Verb::Purge => button .danger { "Delete them for good" },
                }
            }
        }
    }
}
