//! Forms that change dead letters.

use std::str::FromStr as _;

use axum::Form;
use axum::response::Response;
use bytes::Bytes;
use millstream::{DeadLetters, EntryId};
use millstream_shown::visible;

use super::done::back;
use super::field_rows;
use super::letter;
use super::letters_filter::{FilterForm, parse_letter_id};
use crate::actions;
use crate::actions::letter_tally::Verb;
use crate::failure::Failure;
use crate::letter_jobs::LetterWork;
use crate::segments::{Segments, letters_path};
use crate::visitor::Visitor;

/// A form in which a name may come more than once.
pub(super) type Pairs = Vec<(String, String)>;

/// Empty where there is none.
pub(super) fn value<'a>(pairs: &'a Pairs, name: &str) -> &'a str {
    pairs.iter().find(|(of, _)| of == name).map(|(_, value)| &**value).unwrap_or_default()
}

fn number<T: std::str::FromStr>(pairs: &Pairs, name: &str) -> Result<T, Failure> {
    let text = value(pairs, name);
    let no_number = |_| Failure::Invalid(format!("{} is no number", visible(text.as_bytes())));
    text.trim().parse().map_err(no_number)
}

/// Where a form leads to: the letters that are shown by its filter.
fn list_path(key: &[u8], pairs: &Pairs) -> String {
    format!("{}{}", letters_path(key), FilterForm::of_pairs(pairs).query())
}

/// Those that are ticked, or the one that the form is about.
pub(crate) async fn post_some(
    visitor: Visitor,
    segments: Segments,
    Form(pairs): Form<Pairs>,
) -> Response {
    let key = segments.at(1);
    let done = async {
        let change = visitor.change(Some(value(&pairs, "token")))?;
        let verb = Verb::of(value(&pairs, "verb"))?;
        let ids = pairs.iter().filter(|(name, _)| name == "id");
        let ids: Vec<EntryId> = ids.map(|(_, id)| parse_letter_id(id)).collect::<Result<_, _>>()?;
        let letters = DeadLetters::new(&visitor.millstream, &key);
        let tally = actions::letters::change_some(&change, &letters, verb, &ids).await?;
        let words = tally.words(verb);
        // Where something stays, that is what has to be seen.
        if tally.failed > 0 { Err(Failure::Invalid(words)) } else { Ok(words) }
    };
    back(&visitor, &list_path(&key, &pairs), done.await)
}

/// All of a kind.
pub(crate) async fn post_bulk(
    visitor: Visitor,
    segments: Segments,
    Form(pairs): Form<Pairs>,
) -> Response {
    let key = segments.at(1);
    let done = begin(&visitor, &key, &pairs).await;
    back(&visitor, &list_path(&key, &pairs), done)
}

async fn begin(visitor: &Visitor, key: &Bytes, pairs: &Pairs) -> Result<String, Failure> {
    let change = visitor.change(Some(value(pairs, "token")))?;
    let form = FilterForm::of_pairs(pairs);
    let letters = DeadLetters::new(&visitor.millstream, key);
    let extent = actions::letters_bulk::extent(change.millstream(), &letters).await?;
    let (last, _) = extent.ok_or_else(|| Failure::NotFound("there are no letters".to_owned()))?;
    let work = LetterWork {
        letters,
        verb: Verb::of(value(pairs, "verb"))?,
        filter: form.parse()?,
        words: match form.is_any() {
            true => "letters of any kind".to_owned(),
            false => format!("letters of the kind: {}", form.words()),
        },
        last,
        per_second: number(pairs, "per_second")?,
        most: number(pairs, "most")?,
    };
    actions::letters_bulk::begin(&change, visitor, work)?;
    Ok("It began: how far it is stands below.".to_owned())
}

pub(crate) async fn post_stop(
    visitor: Visitor,
    segments: Segments,
    Form(pairs): Form<Pairs>,
) -> Response {
    let key = segments.at(1);
    let done = async {
        let change = visitor.change(Some(value(&pairs, "token")))?;
        let job = number(&pairs, "job")?;
        actions::letters_bulk::stop(&change, &visitor, &key, job).await?;
        Ok("It stops: what is done stays done.".to_owned())
    };
    back(&visitor, &list_path(&key, &pairs), done.await)
}

/// One letter, with other fields. What is wrong with them is told on its page.
pub(crate) async fn post_edited(
    visitor: Visitor,
    segments: Segments,
    Form(pairs): Form<Pairs>,
) -> Response {
    let (key, id) = (segments.at(1), segments.at(2));
    let id = String::from_utf8_lossy(&id).into_owned();
    let done = async {
        let change = visitor.change(Some(value(&pairs, "token")))?;
        let letter = letter::find(&visitor, &key, &id).await?;
        let fields = field_rows::parse(&pairs, Some(&letter.payload))?;
        let letters = DeadLetters::new(&visitor.millstream, &key);
        let added = actions::letters::requeue_changed(&change, &letters, &letter, &fields).await?;
        Ok(format!("It was added as {added}, for all groups, and the letter is gone."))
    };
    let done = done.await;
    let to = match (&done, EntryId::from_str(&id)) {
        (Err(_), Ok(id)) => format!("{}/{id}", letters_path(&key)),
        _ => letters_path(&key),
    };
    back(&visitor, &to, done)
}
