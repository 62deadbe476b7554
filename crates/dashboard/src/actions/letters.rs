//! What is done with dead letters that are named: given back, changed and given back, deleted.

use futures_util::future::join_all;
use millstream::{DeadLetter, DeadLetters, EntryId, Error, Fields};
use millstream_shown::visible;

use super::letter_tally::{Tally, Verb};
use crate::failure::Failure;
use crate::visitor::Change;

/// Letters that a request names at most.
const NAMED_MAX: usize = 1000;
/// Letters that are changed at the same time.
pub(super) const AT_ONCE: usize = 100;

/// Changes those that are named.
///
/// # Errors
/// Those of the server that concern all; what was done before stays done.
pub(crate) async fn change_some(
    change: &Change<'_>,
    letters: &DeadLetters,
    verb: Verb,
    ids: &[EntryId],
) -> Result<Tally, Failure> {
    if ids.is_empty() {
        return Err(Failure::Invalid("no letter is ticked".to_owned()));
    }
    if ids.len() > NAMED_MAX {
        return Err(Failure::Invalid(format!("at most {NAMED_MAX} letters are named at a time")));
    }
    let mut tally = Tally::default();
    let done = async {
        for some in ids.chunks(AT_ONCE) {
            let found = letters.find(some).await?;
            tally.not_there += (some.len() - found.len()) as u64;
            change_found(letters, verb, &found, &mut tally).await?;
        }
        Ok::<_, Error>(())
    };
    let done = done.await;
    let key = visible(letters.stream());
    let first = ids[0];
    change.audit(&format!(
        "dead letters in {key}, {} named, first {first}: {}",
        ids.len(),
        tally.words(verb)
    ));
    done?;
    Ok(tally)
}

/// Changes those that were read just now.
///
/// # Errors
/// Those of the server that concern all.
pub(super) async fn change_found(
    letters: &DeadLetters,
    verb: Verb,
    found: &[DeadLetter],
    tally: &mut Tally,
) -> Result<(), Error> {
    if verb == Verb::Purge {
        let ids: Vec<EntryId> = found.iter().map(|letter| letter.id).collect();
        let gone = letters.purge(&ids).await?;
        tally.changed += gone;
        tally.not_there += ids.len() as u64 - gone;
        return Ok(());
    }
    let each = join_all(found.iter().map(|letter| letters.requeue(letter))).await;
    let mut first_error = None;
    for (letter, became) in found.iter().zip(each) {
        if let Err(error) = tally.note(letter.id, became) {
            _ = first_error.get_or_insert(error);
        }
    }
    first_error.map_or(Ok(()), Err)
}

/// Adds the changed entry in place of the letter.
///
/// # Errors
/// [`Failure::NotFound`]: it is gone. Those of the server.
pub(crate) async fn requeue_changed(
    change: &Change<'_>,
    letters: &DeadLetters,
    letter: &DeadLetter,
    fields: &Fields,
) -> Result<EntryId, Failure> {
    let added = letters.requeue_changed(letter, fields).await;
    let (key, stream) = (visible(letters.stream()), visible(&letter.stream_bytes));
    match added {
        Ok(Some(id)) => {
            change.audit(&format!(
                "dead letter {} in {key} was changed, and given back as {id} of stream {stream}",
                letter.id
            ));
            Ok(id)
        }
        Ok(None) => Err(Failure::NotFound(format!("letter {} is gone", letter.id))),
        Err(error) => {
            change
                .audit(&format!("dead letter {} in {key} was not given back: {error}", letter.id));
            Err(error.into())
        }
    }
}
