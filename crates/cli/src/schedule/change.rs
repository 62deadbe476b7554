//! What `cancel` and `run` have in common: finding the entries, changing them at a pace, and saying
//! what became of them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::SystemTime;

use anyhow::bail;
use millstream::{DelayedMessages, Error};
use serde::Serialize;

use super::find_schedule;
use super::ls::LISTED_AT_ONCE;
use super::selection::Selection;
use crate::name::Name;
use crate::output::{JsonBytes, print_json, print_line};
use crate::pace::Pace;
use crate::server::ServerOptions;
use crate::tally::{Tally, were};
use crate::usage_error::usage;

/// What a command does with delayed entries.
pub(super) trait Change: Copy + Send + 'static {
    /// As in "cannot cancel".
    const VERB: &'static str;
    /// As in "was cancelled".
    const DONE: &'static str;
    /// The same in JSON.
    const KEY: &'static str;

    /// Changes one. Returns whether it was there.
    fn change(
        self,
        delayed: DelayedMessages,
        token: String,
    ) -> impl Future<Output = Result<bool, Error>> + Send;
}

/// What a command did, in JSON.
#[derive(Serialize)]
struct Document<'a> {
    stream: JsonBytes,
    /// Entries that were changed, or would be, under the word for that.
    #[serde(flatten)]
    changed: BTreeMap<&'static str, u64>,
    #[serde(flatten)]
    tally: &'a Tally,
    is_dry_run: bool,
}

/// Finds the entries, changes them, and says so.
pub(super) async fn change_all<C: Change>(
    server: &ServerOptions,
    selection: &Selection,
    change: C,
) -> anyhow::Result<()> {
    selection.check()?;
    let key = server.name(&selection.stream)?;
    let is_json = server.json;
    let server = server.connect().await?;
    let delayed = find_schedule(&server, &key).await?;
    let is_dry_run = selection.tokens.is_empty() && !selection.yes;
    let cannot = server.cannot(format!("{} delayed entries of stream {key}", C::VERB));
    let until = match selection.due {
        true => Some(server.millstream.time().await.map_err(&cannot)?),
        false => None,
    };
    let mut changes = Changes {
        delayed,
        change,
        is_dry_run,
        pace: Pace::new(selection.rate, C::DONE),
        tally: Tally::default(),
    };
    let limit = if selection.limit == 0 { u64::MAX } else { selection.limit };
    let done = match &selection.tokens[..] {
        [] => changes.until(until, limit).await,
        tokens => changes.named(tokens).await,
    };
    let Changes { tally, pace, .. } = changes;
    drop(pace);
    // What was done before an error is told as well.
    if is_json && (done.is_ok() || !tally.is_empty()) {
        print_json(&Document {
            stream: key.json(),
            changed: BTreeMap::from([(C::KEY, tally.changed)]),
            tally: &tally,
            is_dry_run,
        })?;
    } else if !is_json && (done.is_ok() || !tally.is_empty()) {
        print_tally::<C>(&key, &tally, is_dry_run)?;
    }
    done.map_err(&cannot)?;
    if is_dry_run {
        return Err(usage(format!("nothing was {}; --yes does it", C::DONE)));
    }
    if tally.failed > 0 {
        let them = if tally.failed == 1 { "it waits" } else { "they wait" };
        bail!("{} could not be {}; {them} as before", entries(tally.failed), C::DONE);
    }
    Ok(())
}

fn entries(count: u64) -> String {
    if count == 1 { "1 delayed entry".to_owned() } else { format!("{count} delayed entries") }
}

fn print_tally<C: Change>(key: &Name, tally: &Tally, is_dry_run: bool) -> std::io::Result<()> {
    let were = if is_dry_run { "would be" } else { were(tally.changed) };
    print_line(&format!("{} of stream {key} {were} {}", entries(tally.changed), C::DONE))?;
    tally.print_others(entries)
}

/// A command at work.
struct Changes<C> {
    delayed: DelayedMessages,
    change: C,
    is_dry_run: bool,
    pace: Pace,
    tally: Tally,
}

impl<C: Change> Changes<C> {
    async fn named(&mut self, tokens: &[String]) -> Result<(), Error> {
        // One that is named twice is one; they come in the order in which they are named.
        let mut seen = BTreeSet::new();
        let tokens: Vec<_> = tokens.iter().filter(|it| seen.insert(*it)).cloned().collect();
        for some in tokens.chunks(LISTED_AT_ONCE) {
            self.change(some.to_vec()).await?;
        }
        Ok(())
    }

    /// Those that are due by then, or all.
    async fn until(&mut self, until: Option<SystemTime>, limit: u64) -> Result<(), Error> {
        let (mut after, mut left): (Option<String>, _) = (None, limit);
        loop {
            let wanted = usize::try_from(left).unwrap_or(usize::MAX).min(LISTED_AT_ONCE);
            let mut found = self.delayed.list_after(after.as_deref(), wanted).await?;
            if let Some(until) = until {
                found.retain(|entry| entry.due <= until);
            }
            let is_all = found.len() < wanted || wanted == 0;
            left -= found.len() as u64;
            after = found.last().map(|entry| entry.token.clone());
            if self.is_dry_run {
                self.tally.changed += found.len() as u64;
            } else {
                self.change(found.into_iter().map(|entry| entry.token).collect()).await?;
            }
            if is_all {
                return Ok(());
            }
        }
    }

    async fn change(&mut self, tokens: Vec<String>) -> Result<(), Error> {
        let Self { delayed, change, pace, tally, .. } = self;
        let one = |token: String| {
            let changing = change.change(delayed.clone(), token.clone());
            async move { (token, changing.await) }
        };
        let note = |(token, changed)| {
            match changed {
                Ok(true) => tally.changed += 1,
                Ok(false) => tally.leave_alone(token),
                Err(error) => return tally.fail(token, error),
            }
            Ok(())
        };
        pace.change_each(tokens, one, note).await
    }
}
