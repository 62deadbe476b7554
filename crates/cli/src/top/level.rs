//! How deep one has gone: all groups, the consumers of one, what is pending, one entry.

use super::columns::{ConsumerColumn, ConsumerLine, GroupColumn, SortColumn as _};
use super::entry_level::EntryLevel;
use super::line::Line;
use super::listing::{Listing, Step};
use super::look::{GroupKey, Part, Wanted};
use super::pending_level::PendingLevel;

#[derive(Debug)]
pub(super) enum Level {
    Groups(Listing<GroupColumn>),
    Consumers(ConsumersLevel),
    Pending(PendingLevel),
    Entry(EntryLevel),
}

/// The consumers of a group.
#[derive(Debug)]
pub(super) struct ConsumersLevel {
    pub(super) of: GroupKey,
    pub(super) listing: Listing<ConsumerColumn>,
    pub(super) is_gone: bool,
}

impl Level {
    pub(super) fn consumers(of: GroupKey) -> Self {
        let listing = Listing::new(ConsumerColumn::Pending);
        Self::Consumers(ConsumersLevel { of, listing, is_gone: false })
    }

    /// What is to be looked at for it.
    pub(super) fn wanted(&self) -> Wanted {
        match self {
            Self::Groups(listing) => {
                let visible = listing.visible().map(|(line, _)| GroupColumn::key(line)).collect();
                Wanted::Groups { visible }
            }
            Self::Consumers(level) => Wanted::Consumers(level.of.clone()),
            Self::Pending(level) => level.wanted(),
            Self::Entry(level) => level.wanted(),
        }
    }

    /// What was found, if it is about what is shown here now. All groups are shown from elsewhere.
    pub(super) fn take(&mut self, wanted: &Wanted, part: Part, lines: &[Line]) {
        if *wanted != self.wanted() {
            return;
        }
        match (self, part) {
            (Self::Consumers(level), Part::Consumers(consumers)) => {
                level.is_gone = consumers.is_none();
                let pending = line_of(lines, &level.of).and_then(|line| line.pending);
                let all = ConsumerLine::All { pending };
                let each = consumers.into_iter().flatten().map(ConsumerLine::One);
                level.listing.set_rows(std::iter::once(all).chain(each).collect());
            }
            (Self::Pending(level), Part::Pending(page)) => level.take(page),
            (Self::Entry(level), Part::Entry(entry)) => level.take(entry),
            _ => {}
        }
    }

    /// Returns whether something else has to be looked at.
    pub(super) fn step(&mut self, step: Step) -> bool {
        match self {
            Self::Groups(listing) => listing.step(step),
            Self::Consumers(level) => level.listing.step(step),
            Self::Pending(level) => return level.step(step),
            Self::Entry(level) => level.step(step),
        }
        false
    }

    /// What is below what is chosen.
    pub(super) fn below(&self) -> Option<Self> {
        match self {
            Self::Groups(listing) => {
                let key = listing.chosen_row()?.key.clone();
                let of = GroupKey { stream: key.stream, group: key.group? };
                Some(Self::consumers(of))
            }
            Self::Consumers(level) => {
                let line = level.listing.chosen_row()?;
                let consumer = line.consumer().map(|one| one.name_bytes.clone());
                Some(Self::Pending(PendingLevel::new(level.of.clone(), consumer)))
            }
            Self::Pending(level) => {
                let pending = level.chosen_row()?.clone();
                Some(Self::Entry(EntryLevel::new(level.of.clone(), pending)))
            }
            Self::Entry(_) => None,
        }
    }
}

pub(super) fn line_of<'a>(lines: &'a [Line], of: &GroupKey) -> Option<&'a Line> {
    let is_it =
        |line: &&Line| line.key.stream == of.stream && line.key.group.as_ref() == Some(&of.group);
    lines.iter().find(is_it)
}
