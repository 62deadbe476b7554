//! How far each group is with an entry.

use std::ops::Bound;

use futures_util::future::try_join_all;
use maud::{Markup, html};
use millstream::{
    ConsumerGroupManager, DeadLetter, DeadLetters, EntryId, Error, GroupInfo, Millstream,
    PendingEntries, PendingEntry, StreamManager,
};
use millstream_shown::{plural, short, visible};

use super::parts::{count, empty, group_link};
use super::pending::{error_text, idle, owner, pending_error};
use super::pending_settle::form_of_one;
use crate::failure::Failure;
use crate::segments::entry_path;
use crate::visitor::Visitor;

/// Groups that are asked for one entry.
const GROUPS_MAX: usize = 100;
/// Letters that are looked at, those of the time of the entry first, and bytes of them.
const LETTERS_MAX: usize = 200;
const LETTERS_AT_ONCE: usize = 20;
const LETTER_BYTES_MAX: usize = 4 << 20;

/// Of one entry.
pub(super) struct States {
    id: EntryId,
    all: Vec<State>,
    /// Groups that were not asked.
    unasked: usize,
}

struct State {
    group: GroupInfo,
    pending: Option<PendingEntry>,
    letter: Option<(Vec<u8>, DeadLetter)>,
}

impl States {
    /// # Errors
    /// [`Failure::NotFound`]: there is no stream. Those of the server.
    pub(super) async fn look(
        millstream: &Millstream,
        stream: &[u8],
        id: EntryId,
    ) -> Result<Self, Failure> {
        let mut groups = ConsumerGroupManager::new(millstream, stream).groups().await?;
        let unasked = groups.len().saturating_sub(GROUPS_MAX);
        groups.truncate(GROUPS_MAX);
        // All at the same time, so they share round trips.
        let asked = groups.into_iter().map(|group| async move {
            let pending = PendingEntries::new(millstream, stream, &group.name_bytes).with_errors();
            let pending = pending.find(&[id]).await?.pop();
            Ok::<_, Error>(State { group, pending, letter: None })
        });
        let mut all = try_join_all(asked).await?;
        for (of, letter) in letters(millstream, stream, id, &all).await {
            let state = all.iter_mut().find(|it| it.group.name_bytes == letter.group_bytes);
            if let Some(state) = state {
                state.letter = Some((of, letter));
            }
        }
        Ok(Self { id, all, unasked })
    }

    /// Whether anybody has something of it, be it gone from the stream.
    pub(super) fn know_it(&self) -> bool {
        self.all.iter().any(|state| state.pending.is_some() || state.letter.is_some())
    }

    pub(super) fn table(&self, stream: &[u8]) -> Markup {
        if self.all.is_empty() {
            return empty("The stream has no groups: nobody is to work on it.");
        }
        html! {
            div .scroll data-scroll tabindex="0" role="region" aria-label="Groups" {
                table {
                    thead { tr {
                        th { "Group" } th { "State" } th { "Consumer" }
                        th .number { "Last delivered" } th .number { "Deliveries" }
                        th { "Last error" }
                    } }
                    tbody { @for state in &self.all { (self.row(stream, state)) } }
                }
            }
            @if self.unasked > 0 {
                p .quiet {
                    "and " (plural(self.unasked as u64, "group")) " more, which were not asked."
                }
            }
        }
    }

    fn row(&self, stream: &[u8], state: &State) -> Markup {
        let group = &state.group;
        html! {
            tr {
                td { (group_link(stream, &group.name_bytes)) }
                @match (&state.pending, &state.letter) {
                    (Some(pending), _) => {
                        td { span .tag .warn { "pending" } }
                        td { (owner(pending)) }
                        td .number {
                            @if pending.idle.is_some() { (idle(pending)) " ago" } @else { "-" }
                        }
                        td .number { (count(pending.deliveries)) }
                        td { (pending_error(pending)) }
                    }
                    (None, Some((of, letter))) => {
                        td { a .tag .bad href=(entry_path(of, letter.id)) { "dead letter" } }
                        td { (super::parts::name(&letter.consumer_bytes)) }
                        td .number { (short(millstream_shown::age_of(letter.id))) " ago" }
                        td .number { (count(letter.deliveries)) }
                        td { (letter_error(letter)) }
                    }
                    (None, None) => {
                        td { (self.unpending(group)) }
                        td { "-" } td .number { "-" } td .number { "-" } td { "-" }
                    }
                }
            }
        }
    }

    fn unpending(&self, group: &GroupInfo) -> Markup {
        let is_before = self.id <= group.last_delivered;
        html! {
            @match (is_before, group.held > 0) {
                (false, _) => span .tag { "not delivered yet" },
                (true, false) => span .tag .ok { "settled" },
                // Those that wait for others are not listed anywhere.
                (true, true) => span .tag { "settled, or waits for entries before it" },
            }
        }
    }
}

fn letter_error(letter: &DeadLetter) -> Markup {
    html! {
        @if letter.error.is_empty() { (visible(letter.reason.as_bytes())) }
        @else { (error_text(letter.error.as_bytes())) }
    }
}

/// What groups gave up of this entry, if it is found without much ado: a letter comes after its
/// entry, and is looked for from there on. Where the letters cannot be read, there are none.
async fn letters(
    millstream: &Millstream,
    stream: &[u8],
    id: EntryId,
    states: &[State],
) -> Vec<(Vec<u8>, DeadLetter)> {
    let mut places: Vec<Vec<u8>> = Vec::new();
    for state in states.iter().filter(|it| it.pending.is_none() && id <= it.group.last_delivered) {
        let of = DeadLetters::of_group(millstream, stream, &state.group).stream().to_vec();
        if !places.contains(&of) {
            places.push(of);
        }
    }
    let mut found = Vec::new();
    for place in places.iter().take(8) {
        if let Ok(letters) = letters_in(millstream, place, id).await {
            let of_stream = letters.into_iter().filter(|letter| letter.stream_bytes == stream);
            found.extend(of_stream.map(|letter| (place.clone(), letter)));
        }
    }
    found
}

/// Entries of any kind may be there: they are read, not searched for letters.
async fn letters_in(
    millstream: &Millstream,
    place: &[u8],
    id: EntryId,
) -> Result<Vec<DeadLetter>, Error> {
    let manager = StreamManager::new(millstream, place);
    let mut from = Bound::Included(EntryId { ms: id.ms, seq: 0 });
    let (mut found, mut bytes) = (Vec::new(), 0);
    for _ in 0..LETTERS_MAX / LETTERS_AT_ONCE {
        let some = manager.entries((from, Bound::Unbounded), LETTERS_AT_ONCE).await?;
        for entry in &some {
            let fields = entry.fields.iter();
            bytes += fields.map(|(name, value)| name.len() + value.len()).sum::<usize>();
            if entry.fields.text("original_id") == Some(&*id.to_string()) {
                found.push(entry.id);
            }
        }
        match some.last() {
            Some(last) if some.len() == LETTERS_AT_ONCE && bytes < LETTER_BYTES_MAX => {
                from = Bound::Excluded(last.id);
            }
            _ => break,
        }
    }
    DeadLetters::new(millstream, place).find(&found).await
}

/// What can be done with it in groups where it is pending.
pub(super) fn forms(visitor: &Visitor, stream: &[u8], id: EntryId, states: &States) -> Markup {
    html! {
        @for state in states.all.iter().filter(|it| it.pending.is_some()) {
            (form_of_one(visitor, stream, &state.group, id))
        }
    }
}
