//! One dead letter: all that it says, and what can be done with it.

use std::time::{Duration, SystemTime};

use axum::response::Response;
use bytes::Bytes;
use maud::{Markup, html};
use millstream::{DeadLetter, DeadLetters};
use millstream_shown::{age_of, moment::moment, or_dash, short, visible, visible_message};

use super::field_rows;
use super::field_values::field_values;
use super::layout::token;
use super::letters::{entry_link, group_of};
use super::letters_filter::parse_letter_id;
use super::parts::{crumbs, empty, stream_link};
use crate::failure::Failure;
use crate::live::{Ask, Content};
use crate::segments::{Segments, letters_path};
use crate::visitor::Visitor;

/// Empty rows for fields that the entry did not have.
const SPARE: usize = 2;

pub(crate) async fn get(ask: Ask, segments: Segments) -> Result<Response, Failure> {
    let (key, id) = (segments.at(1), segments.at(2));
    ask.answer(move |visitor| content(visitor, key.clone(), id.clone())).await
}

/// # Errors
/// [`Failure::NotFound`].
pub(super) async fn find(visitor: &Visitor, key: &[u8], id: &str) -> Result<DeadLetter, Failure> {
    let id = parse_letter_id(id)?;
    let letters = DeadLetters::new(&visitor.millstream, key);
    let found = letters.find(&[id]).await?.into_iter().next();
    found.ok_or_else(|| {
        let key = visible(key);
        Failure::NotFound(format!("there is no dead letter {id} in {key} any more"))
    })
}

async fn content(visitor: Visitor, key: Bytes, id: Bytes) -> Result<Content, Failure> {
    let letter = find(&visitor, &key, &String::from_utf8_lossy(&id)).await?;
    let (path, shown) = (letters_path(&key), visible(&key));
    let fixed = html! {
        (crumbs(&[("/dead-letters", "Dead letters"), (&path, &shown)]))
        h1 { (letter.id) " " span .kind { "dead letter" } }
        (about(&letter))
        h2 { "Its error" }
        @if letter.error.is_empty() { (empty("Its handler said nothing, or there was none.")) }
        @else { pre { (visible_message(&letter.error)) } }
        h2 { "Fields of the entry that it was" }
        (field_values(&letter.payload))
        @if visitor.can_write { (forms(&visitor, &path, &letter)) }
    };
    Ok(Content { title: format!("Dead letter {}", letter.id), live: html! {}, fixed })
}

fn about(letter: &DeadLetter) -> Markup {
    let dash = |text: String| if text == "\"\"" { "-".to_owned() } else { text };
    let failed_at = Some(letter.failed_at).filter(|at| *at > SystemTime::UNIX_EPOCH);
    html! {
        dl .facts {
            div { dt { "buried" } dd { (short(age_of(letter.id))) " ago" } }
            div { dt { "failed at" } dd { (or_dash(failed_at.map(in_ms).map(moment))) } }
            div { dt { "reason" } dd { (dash(visible(letter.reason.as_bytes()))) } }
            div { dt { "deliveries" } dd { (letter.deliveries) } }
            div { dt { "entry" } dd { (entry_link(letter)) } }
            div { dt { "stream" } dd {
                @if letter.stream_bytes.is_empty() { "-" }
                @else { (stream_link(&letter.stream_bytes)) }
            } }
            div { dt { "group" } dd { (group_of(letter)) } }
            div { dt { "consumer that had it last" } dd {
                (dash(visible(&letter.consumer_bytes)))
            } }
        }
    }
}

/// It was written as a decimal fraction: what is behind the milliseconds is noise.
fn in_ms(at: SystemTime) -> SystemTime {
    let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let ms = u64::try_from((since + Duration::from_micros(500)).as_millis()).unwrap_or(u64::MAX);
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(ms)).unwrap_or(at)
}

fn forms(visitor: &Visitor, path: &str, letter: &DeadLetter) -> Markup {
    let is_homeless = letter.stream_bytes.is_empty();
    html! {
        h2 { "What to do" }
        form .actions.panel method="post" action={(path) "/change"} {
            (token(visitor))
            input type="hidden" name="id" value=(letter.id);
            @if !is_homeless && !letter.group_bytes.is_empty() {
                button .primary name="verb" value="requeue" { "Requeue" }
            }
            button .danger name="verb" value="purge"
                data-ask="The letter is deleted, and lost. Go on?" { "Purge" }
            @if !is_homeless && !letter.group_bytes.is_empty() {
                p .quiet {
                    "The entry is pending in its group again, with no delivery counted; other "
                    "groups "
                    "do not get it. Where it is gone from its stream it is added as a new one, for "
                    "all groups. The letter goes."
                }
            }
        }
        @if !is_homeless {
            details .panel #edit {
                summary { "Edit and requeue" }
                p .hint {
                    "What you write here is added to stream " (visible(&letter.stream_bytes))
                    " as a new entry, and the letter is deleted. All groups of the stream get the "
                    "new "
                    "entry, not only the one that gave the letter up: an entry cannot be changed, "
                    "and "
                    "a new one cannot be given to one group alone."
                    @if !visitor.millstream.abilities().has_scripts {
                        " The entry is added first, the letter deleted then: after a failure "
                        "between "
                        "the two both are there."
                    }
                }
                form method="post" action={(path) "/" (letter.id)} {
                    (token(visitor))
                    p .quiet { "A field whose name is emptied is left out." }
                    (field_rows::rows(&letter.payload, SPARE))
                    p { button .primary
                        data-ask="It is added as a new entry, for all groups. Go on?" {
                        "Add this, and delete the letter"
                    } }
                }
            }
        }
    }
}
