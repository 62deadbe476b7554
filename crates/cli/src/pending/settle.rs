//! What `claim`, `ack` and `nack` have in common: finding the entries, changing them a piece at a
//! time, and saying what became of them.
//!
//! Each entry is changed only if it is as it was seen just before: one that a worker got meanwhile
//! is at work, and left alone.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use millstream::{EntryId, Error, PendingEntries, PendingEntry, PendingFilter};
use serde::Serialize;

use super::selection::Selection;
use crate::group::find_group;
use crate::name::Name;
use crate::output::{JsonBytes, entries, print_json, print_line};
use crate::server::ServerOptions;
use crate::usage_error::usage;

/// Entries that are looked at, and then changed, in one go.
const CHANGED_AT_ONCE: usize = 500;
/// So many ids are told of those that were not.
const LEFT_ALONE_MAX: usize = 100;

/// What a change is called.
pub(super) struct Words {
    pub(super) verb: &'static str,
    pub(super) done: &'static str,
    pub(super) key: &'static str,
}

/// What a command does with the entries.
pub(super) trait Change {
    /// As in "cannot claim", "nothing was claimed", and in JSON.
    const WORDS: Words;

    /// As in "3 entries were claimed for bob".
    fn done(&self) -> String {
        Self::WORDS.done.to_owned()
    }

    /// Who gets them, where somebody does.
    fn heir(&self) -> Option<&Name> {
        None
    }

    /// Which of these were changed. Refuses what cannot be done with any, even if there are none.
    async fn change(
        &self,
        pending: &PendingEntries,
        seen: &[PendingEntry],
    ) -> Result<Vec<EntryId>, Error>;
}

#[derive(Serialize)]
struct Document {
    stream: JsonBytes,
    group: JsonBytes,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<JsonBytes>,
    /// Entries that were changed, or would be, under the word for that.
    #[serde(flatten)]
    changed: BTreeMap<&'static str, u64>,
    /// Entries that were not: they are not pending, or not as they were a moment ago.
    left_alone: u64,
    /// The first [`LEFT_ALONE_MAX`] of them.
    left_alone_ids: Vec<String>,
    is_dry_run: bool,
}

/// What became of the entries.
#[derive(Debug, Default)]
struct Tally {
    changed: u64,
    left_alone: u64,
    left_alone_ids: Vec<String>,
}

impl Tally {
    /// Of these, those were changed.
    fn note(&mut self, asked: impl Iterator<Item = EntryId>, changed: &[EntryId]) {
        let changed: BTreeSet<_> = changed.iter().copied().collect();
        for id in asked {
            if changed.contains(&id) {
                self.changed += 1;
                continue;
            }
            self.left_alone += 1;
            if self.left_alone_ids.len() < LEFT_ALONE_MAX {
                self.left_alone_ids.push(id.to_string());
            }
        }
    }
}

/// Finds the entries, changes them, and says so.
pub(super) async fn settle<C: Change>(
    server: &ServerOptions,
    selection: &Selection,
    change: &C,
) -> anyhow::Result<()> {
    let Words { verb, done, key: word } = C::WORDS;
    selection.check()?;
    let (key, group) = (server.name(&selection.stream)?, server.name(&selection.group)?);
    let filter = selection.filter.filter(server)?;
    let is_json = server.json;
    let server = server.connect().await?;
    find_group(&server, &key, &group).await?;
    let mut tally = Tally::default();
    let is_dry_run = selection.ids.is_empty() && !selection.yes;
    let changed = async {
        let pending = server.pending(&key, &group);
        change.change(&pending, &[]).await?;
        if !selection.ids.is_empty() {
            return change_named(&pending, &selection.ids, change, &mut tally).await;
        }
        // What becomes pending from now on was not meant: there would be no end of it.
        let summary = server.monitor(&key).pending(&group).await?;
        let Some(last) = summary.last else { return Ok(()) };
        let limit = if selection.limit == 0 { u64::MAX } else { selection.limit };
        let alike = Alike { filter, last, limit };
        if is_dry_run {
            tally.changed = alike.count(&pending).await?;
            return Ok(());
        }
        alike.change(&pending, change, &mut tally).await
    };
    if let Err(error) = changed.await {
        let what = format!("group {group} of stream {key}");
        let what = match tally.changed {
            0 => format!("{verb} what is pending in {what}"),
            count => format!("{verb} more than {} that are pending in {what}", entries(count)),
        };
        return Err(server.cannot(what)(error));
    }
    if is_json {
        print_json(&Document {
            stream: key.json(),
            group: group.json(),
            to: change.heir().map(Name::json),
            changed: BTreeMap::from([(word, tally.changed)]),
            left_alone: tally.left_alone,
            left_alone_ids: tally.left_alone_ids,
            is_dry_run,
        })?;
    } else {
        print_tally(&group, &tally, &change.done(), is_dry_run)?;
    }
    if is_dry_run {
        return Err(usage(format!("nothing was {done}; --yes does it")));
    }
    Ok(())
}

fn print_tally(group: &Name, tally: &Tally, done: &str, is_dry_run: bool) -> std::io::Result<()> {
    let would = match (is_dry_run, tally.changed) {
        (true, _) => "would be",
        (false, 1) => "was",
        (false, _) => "were",
    };
    let changed = entries(tally.changed);
    print_line(&format!("{changed} of group {group} {would} {done}"))?;
    if tally.left_alone == 0 {
        return Ok(());
    }
    let ids = tally.left_alone_ids.join(" ");
    let more = if tally.left_alone_ids.len() as u64 == tally.left_alone { "" } else { " ..." };
    let (left, were) =
        (entries(tally.left_alone), if tally.left_alone == 1 { "was" } else { "were" });
    print_line(&format!(
        "{left} {were} left alone, as not pending or delivered just now: {ids}{more}"
    ))
}

async fn change_named(
    pending: &PendingEntries,
    ids: &[EntryId],
    change: &impl Change,
    tally: &mut Tally,
) -> Result<(), Error> {
    // One that is named twice is one.
    let ids: Vec<_> = ids.iter().copied().collect::<BTreeSet<_>>().into_iter().collect();
    for some in ids.chunks(CHANGED_AT_ONCE) {
        let seen = pending.find(some).await?;
        let changed = change.change(pending, &seen).await?;
        tally.note(some.iter().copied(), &changed);
    }
    Ok(())
}

/// Entries that pass a filter, up to one, and not more than so many.
struct Alike {
    filter: PendingFilter,
    last: EntryId,
    limit: u64,
}

impl Alike {
    async fn count(&self, pending: &PendingEntries) -> Result<u64, Error> {
        let (mut from, mut count) = (Bound::Unbounded, 0);
        loop {
            let (found, is_all) = self.some(pending, from, self.limit - count).await?;
            count += found.len() as u64;
            match found.last() {
                Some(last) if !is_all => from = Bound::Excluded(last.id),
                _ => return Ok(count),
            }
        }
    }

    async fn change(
        &self,
        pending: &PendingEntries,
        change: &impl Change,
        tally: &mut Tally,
    ) -> Result<(), Error> {
        let mut from = Bound::Unbounded;
        loop {
            let (found, is_all) = self.some(pending, from, self.limit - tally.changed).await?;
            let changed = change.change(pending, &found).await?;
            tally.note(found.iter().map(|entry| entry.id), &changed);
            match found.last() {
                Some(last) if !is_all => from = Bound::Excluded(last.id),
                _ => return Ok(()),
            }
        }
    }

    /// Some from there on, and whether there are no others.
    async fn some(
        &self,
        pending: &PendingEntries,
        from: Bound<EntryId>,
        left: u64,
    ) -> Result<(Vec<PendingEntry>, bool), Error> {
        let wanted = usize::try_from(left).map_or(CHANGED_AT_ONCE, |it| it.min(CHANGED_AT_ONCE));
        let found = pending.list((from, Bound::Included(self.last)), &self.filter, wanted).await?;
        let is_all = found.len() < wanted || wanted == 0;
        Ok((found, is_all))
    }
}
