//! What `requeue` and `purge` have in common: finding the letters, changing them at a pace, and
//! saying what became of them.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::bail;
use millstream::{DeadLetter, DeadLetters, EntryId, Error, LetterFilter};
use serde::Serialize;

use super::letters::Letters;
use super::ls::LISTED_AT_ONCE;
use super::selection::Selection;
use crate::name::Name;
use crate::output::{JsonBytes, plural, print_json, print_line};
use crate::pace::Pace;
use crate::server::ServerOptions;
use crate::tally::{Tally, were};
use crate::usage_error::usage;

/// What became of one letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Became {
    /// What it was to become.
    Changed,
    /// The same, but its entry was gone, and was added once more.
    AddedAnew,
    /// It is gone.
    LeftAlone,
}

/// What a command does with letters.
pub(super) trait Change: Copy + Send + 'static {
    /// As in "cannot give back".
    const VERB: &'static str;
    /// As in "was given back".
    const DONE: &'static str;
    /// The same in JSON: `requeued`.
    const KEY: &'static str;
    /// Whether entries may be added anew.
    const MAY_ADD: bool;

    /// Changes one, or in a dry run says what would become of it.
    fn change(
        self,
        letters: DeadLetters,
        letter: DeadLetter,
        is_dry_run: bool,
    ) -> impl Future<Output = Result<Became, Error>> + Send;
}

/// What a command did, in JSON.
#[derive(Serialize)]
struct Document<'a> {
    stream: JsonBytes,
    letters: JsonBytes,
    /// Letters that were changed, or would be, under the word for that.
    #[serde(flatten)]
    changed: BTreeMap<&'static str, u64>,
    /// Of those, how many entries were added once more, where that can be.
    #[serde(skip_serializing_if = "Option::is_none")]
    added_anew: Option<u64>,
    #[serde(flatten)]
    tally: &'a Tally,
    is_dry_run: bool,
}

/// Finds the letters, changes them, and says so.
pub(super) async fn change_all<C: Change>(
    server: &ServerOptions,
    selection: &Selection,
    change: C,
) -> anyhow::Result<()> {
    selection.check()?;
    let place = selection.letters.place(server)?;
    let filter = selection.filter.filter(server)?;
    let is_json = server.json;
    let server = server.connect().await?;
    let found = place.find(&server).await?;
    let is_dry_run = selection.ids.is_empty() && !selection.yes;
    let mut changes = Changes {
        letters: &found,
        change,
        is_dry_run,
        // Only what is changed needs a pace.
        pace: Pace::new(selection.rate.filter(|_| !is_dry_run), C::DONE),
        tally: Tally::default(),
        added_anew: 0,
    };
    let limit = if selection.limit == 0 { u64::MAX } else { selection.limit };
    let done = match &selection.ids[..] {
        [] => changes.alike(&found.of_stream(filter), limit).await,
        ids => changes.named(ids).await,
    };
    let Changes { tally, added_anew, pace, .. } = changes;
    drop(pace);
    let key = &found.key;
    // What was done before an error is told as well.
    if is_json && (done.is_ok() || !tally.is_empty()) {
        print_json(&Document {
            stream: found.stream.json(),
            letters: key.json(),
            changed: BTreeMap::from([(C::KEY, tally.changed)]),
            added_anew: C::MAY_ADD.then_some(added_anew),
            tally: &tally,
            is_dry_run,
        })?;
    } else if !is_json && (done.is_ok() || !tally.is_empty()) {
        print_tally::<C>(key, &tally, added_anew, is_dry_run)?;
    }
    done.map_err(server.cannot(format!("{} dead letters in {key}", C::VERB)))?;
    if is_dry_run {
        return Err(usage(format!("nothing was {}; --yes does it", C::DONE)));
    }
    if tally.failed > 0 {
        let them = if tally.failed == 1 { "it stays" } else { "they stay" };
        bail!("{} could not be {}; {them} as before", plural(tally.failed, "letter"), C::DONE);
    }
    Ok(())
}

fn print_tally<C: Change>(
    key: &Name,
    tally: &Tally,
    added_anew: u64,
    is_dry_run: bool,
) -> std::io::Result<()> {
    let letters = |count| plural(count, "letter");
    let were = if is_dry_run { "would be" } else { were(tally.changed) };
    let anew = match added_anew {
        0 => String::new(),
        1 => ", 1 of them as a new entry for all groups".to_owned(),
        count => format!(", {count} of them as new entries for all groups"),
    };
    print_line(&format!("{} of {key} {were} {}{anew}", letters(tally.changed), C::DONE))?;
    tally.print_others(letters)
}

/// A command at work.
struct Changes<'a, C> {
    letters: &'a Letters,
    change: C,
    is_dry_run: bool,
    pace: Pace,
    tally: Tally,
    /// Of those that were changed, how many entries were added to their stream once more.
    added_anew: u64,
}

impl<C: Change> Changes<'_, C> {
    async fn named(&mut self, ids: &[EntryId]) -> Result<(), Error> {
        // One that is named twice is one.
        let ids: Vec<_> = ids.iter().copied().collect::<BTreeSet<_>>().into_iter().collect();
        for some in ids.chunks(LISTED_AT_ONCE) {
            let letters = self.letters.named(some).await?;
            let there: BTreeSet<_> = letters.iter().map(|letter| letter.id).collect();
            let missing = some.iter().filter(|id| !there.contains(id));
            missing.for_each(|id| self.tally.leave_alone(id));
            self.change(letters).await?;
        }
        Ok(())
    }

    /// Those that are there by now: what is given back may come again, and would have no end.
    async fn alike(&mut self, filter: &LetterFilter, limit: u64) -> Result<(), Error> {
        let Some(last) = self.letters.last else { return Ok(()) };
        let (mut after, mut left) = (None, limit);
        loop {
            let wanted = usize::try_from(left).unwrap_or(usize::MAX).min(LISTED_AT_ONCE);
            let mut letters = self.letters.letters.list_like(filter, after, wanted).await?;
            letters.retain(|letter| letter.id <= last);
            let is_all = letters.len() < wanted || wanted == 0;
            left -= letters.len() as u64;
            after = letters.last().map(|letter| letter.id);
            self.change(letters).await?;
            if is_all {
                return Ok(());
            }
        }
    }

    async fn change(&mut self, letters: Vec<DeadLetter>) -> Result<(), Error> {
        let Self { letters: found, change, is_dry_run, pace, tally, added_anew } = self;
        let one = |letter: DeadLetter| {
            let (id, changing) =
                (letter.id, change.change(found.letters.clone(), letter, *is_dry_run));
            async move { (id, changing.await) }
        };
        let note = |(id, became)| {
            match became {
                Ok(Became::LeftAlone) => tally.leave_alone(id),
                Ok(Became::Changed) => tally.changed += 1,
                Ok(Became::AddedAnew) => {
                    tally.changed += 1;
                    *added_anew += 1;
                }
                Err(error) => return tally.fail(id, error),
            }
            Ok(())
        };
        pace.change_each(letters, one, note).await
    }
}
