//! What is to be seen, as keys and looks change it. Knows neither a terminal nor a server.

use std::time::Duration;

use super::columns::GroupColumn;
use super::level::Level;
use super::line::Line;
use super::listing::{Listing, Step};
use super::look::{Found, Wanted};
use super::survey::Summary;

/// Lines around a table: the title, what it is about, its header, and the footer.
pub(super) const LINES_AROUND: u16 = 4;

#[derive(Debug)]
pub(super) struct Screen {
    /// From all groups down to what is on the screen; never empty.
    levels: Vec<Level>,
    /// Lines of the terminal.
    height: u16,
    /// Where from, and what that calls itself.
    pub(super) address: String,
    pub(super) called: String,
    pub(super) interval: Duration,
    pub(super) summary: Summary,
    pub(super) has_looked: bool,
    pub(super) is_paused: bool,
    pub(super) is_help_shown: bool,
    /// A filter in the making.
    pub(super) typed: Option<String>,
    /// Why the last look failed.
    pub(super) trouble: Option<String>,
    /// What the server refused to tell at the last look.
    pub(super) refused: Option<String>,
}

impl Screen {
    pub(super) fn new(
        address: String,
        called: String,
        interval: Duration,
        sort: GroupColumn,
    ) -> Self {
        Self {
            levels: vec![Level::Groups(Listing::new(sort))],
            height: LINES_AROUND + 1,
            address,
            called,
            interval,
            summary: Summary::default(),
            has_looked: false,
            is_paused: false,
            is_help_shown: false,
            typed: None,
            trouble: None,
            refused: None,
        }
    }

    pub(super) fn level(&self) -> &Level {
        self.levels.last().expect("all groups are always there")
    }

    pub(super) fn level_mut(&mut self) -> &mut Level {
        self.levels.last_mut().expect("all groups are always there")
    }

    pub(super) fn wanted(&self) -> Wanted {
        self.level().wanted()
    }

    pub(super) fn take(&mut self, found: Found) {
        let Found { wanted, part, lines, summary, refused } = found;
        (self.has_looked, self.trouble) = (true, None);
        (self.summary, self.refused) = (summary, refused);
        if self.levels.len() > 1 {
            self.level_mut().take(&wanted, part, &lines);
        }
        if let Some(Level::Groups(listing)) = self.levels.first_mut() {
            listing.set_rows(lines);
        }
    }

    /// All lines as they were last seen.
    pub(super) fn lines(&self) -> &[Line] {
        match self.levels.first() {
            Some(Level::Groups(listing)) => listing.rows(),
            _ => &[],
        }
    }

    /// Has room for so many lines in all.
    pub(super) fn set_height(&mut self, height: u16) {
        self.height = height;
        let height = usize::from(height.saturating_sub(LINES_AROUND));
        for level in &mut self.levels {
            match level {
                Level::Groups(listing) => listing.set_height(height),
                Level::Consumers(level) => level.listing.set_height(height),
                Level::Pending(level) => level.set_height(height),
                // It is told when it is drawn.
                Level::Entry(_) => {}
            }
        }
    }

    /// Returns whether something else has to be looked at.
    pub(super) fn step(&mut self, step: Step) -> bool {
        self.level_mut().step(step)
    }

    pub(super) fn go_in(&mut self) -> bool {
        let below = self.level().below();
        let is_one = below.is_some();
        self.levels.extend(below);
        self.set_height(self.height);
        is_one
    }

    /// All that is pending in the chosen group.
    pub(super) fn go_to_all_pending(&mut self) -> bool {
        if let Level::Groups(_) = self.level()
            && !self.go_in()
        {
            return false;
        }
        let Level::Consumers(level) = self.level() else { return false };
        let of = level.of.clone();
        self.levels.push(Level::Pending(super::pending_level::PendingLevel::new(of, None)));
        self.set_height(self.height);
        true
    }

    pub(super) fn go_back(&mut self) -> bool {
        let is_below = self.levels.len() > 1;
        if is_below {
            self.levels.pop();
        }
        is_below
    }

    /// The filter of what is on the screen; `None`: it has none.
    pub(super) fn filter(&self) -> Option<&str> {
        match self.level() {
            Level::Groups(listing) => Some(listing.filter()),
            Level::Consumers(level) => Some(level.listing.filter()),
            Level::Pending(_) | Level::Entry(_) => None,
        }
    }

    pub(super) fn set_filter(&mut self, filter: &str) {
        match self.level_mut() {
            Level::Groups(listing) => listing.set_filter(filter),
            Level::Consumers(level) => level.listing.set_filter(filter),
            Level::Pending(_) | Level::Entry(_) => {}
        }
    }

    pub(super) fn sort_by_next(&mut self, is_right: bool) {
        match self.level_mut() {
            Level::Groups(listing) => listing.sort_by_next(is_right),
            Level::Consumers(level) => level.listing.sort_by_next(is_right),
            Level::Pending(_) | Level::Entry(_) => {}
        }
    }

    pub(super) fn look_more_often(&mut self) {
        self.interval = (self.interval / 2).max(Duration::from_millis(100));
    }

    pub(super) fn look_less_often(&mut self) {
        self.interval = (self.interval * 2).min(Duration::from_mins(1));
    }

    pub(super) fn reverse(&mut self) {
        match self.level_mut() {
            Level::Groups(listing) => listing.reverse(),
            Level::Consumers(level) => level.listing.reverse(),
            Level::Pending(_) | Level::Entry(_) => {}
        }
    }
}
