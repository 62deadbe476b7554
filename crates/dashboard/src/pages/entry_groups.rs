//! How far each group is with an entry, as a table.

use maud::{Markup, html};
use millstream::{DeadLetter, EntryId};
use millstream_shown::{short, visible};

use super::parts::{count, empty, group_link};
use super::pending::{error_text, idle, owner, pending_error};
use super::pending_settle::form_of_one;
use crate::entry_states::{EntryState, Progress};
use crate::segments::entry_path;
use crate::visitor::Visitor;

pub(super) fn table(stream: &[u8], states: &[EntryState]) -> Markup {
    if states.is_empty() {
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
                tbody { @for state in states { (row(stream, state)) } }
            }
        }
    }
}

fn row(stream: &[u8], state: &EntryState) -> Markup {
    html! {
        tr {
            td { (group_link(stream, &state.group.name_bytes)) }
            @match &state.progress {
                Progress::Pending(pending) => {
                    td { span .tag .warn { "pending" } }
                    td { (owner(pending)) }
                    td .number {
                        @if pending.idle.is_some() { (idle(pending)) " ago" } @else { "-" }
                    }
                    td .number { (count(pending.deliveries)) }
                    td { (pending_error(pending)) }
                }
                Progress::DeadLetter(of, letter) => {
                    td { a .tag .bad href=(entry_path(of, letter.id)) { "dead letter" } }
                    td { (super::parts::name(&letter.consumer_bytes)) }
                    td .number { (short(millstream_shown::age_of(letter.id))) " ago" }
                    td .number { (count(letter.deliveries)) }
                    td { (letter_error(letter)) }
                }
                Progress::NotDelivered => (unpending(html! { span .tag { "not delivered yet" } })),
                Progress::Settled => (unpending(html! { span .tag .ok { "settled" } })),
                Progress::SettledOrHeld => (unpending(html! {
                    span .tag { "settled, or waits for entries before it" }
                })),
            }
        }
    }
}

fn unpending(tag: Markup) -> Markup {
    html! { td { (tag) } td { "-" } td .number { "-" } td .number { "-" } td { "-" } }
}

fn letter_error(letter: &DeadLetter) -> Markup {
    html! {
        @if letter.error.is_empty() { (visible(letter.reason.as_bytes())) }
        @else { (error_text(letter.error.as_bytes())) }
    }
}

/// What can be done with it in groups where it is pending.
pub(super) fn forms(
    visitor: &Visitor,
    stream: &[u8],
    id: EntryId,
    states: &[EntryState],
) -> Markup {
    html! {
        @for state in states.iter().filter(|it| it.pending().is_some()) {
            (form_of_one(visitor, stream, &state.group, id))
        }
    }
}
