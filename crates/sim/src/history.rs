//! Which states the store was in, and where the log ended then: what a crash may leave.
//!
//! 1. States stand in order; one whose position is not known (a parked read that was tried in vain
//!    may have created a consumer) lies between its neighbours.
//! 2. For every key, where the last record ended that changed it: a reply that shows the key
//!    depends on that.
//! 3. For every write to the log, what its header said was durable: after damage, only that much is
//!    certain to be missed.

use std::collections::{BTreeMap, VecDeque};

use crate::command::Text;
use crate::reference::State;

/// Stands for the set of keys of a database.
pub(crate) const WHOLE: &[u8] = b"(all keys)";

#[derive(Debug)]
pub(crate) struct History {
    states: VecDeque<(Option<u64>, State)>,
    /// The last position that is known.
    end: u64,
    changed: BTreeMap<(u8, Text), u64>,
    /// Where each write ended, and what was durable before it.
    writes: VecDeque<(u64, u64)>,
    /// What the closing header says, until the next write lands on it.
    closed: Option<u64>,
}

impl History {
    /// Of a new store.
    pub(crate) fn new() -> Self {
        Self {
            states: VecDeque::from([(Some(0), State::default())]),
            end: 0,
            changed: BTreeMap::new(),
            writes: VecDeque::new(),
            closed: Some(0),
        }
    }

    /// The store was opened again in this state: all up to there is durable, and closed.
    pub(crate) fn reopened(&mut self, position: u64, state: State) {
        // What came before is what damage to the end may bring back.
        let is_before = |at: &Option<u64>| at.is_some_and(|at| at < position);
        let before = self.states.iter().rposition(|(at, _)| is_before(at));
        let kept = before.map_or(0, |before| before + 1);
        let unknown = self.states.iter().skip(kept).take_while(|(at, _)| at.is_none()).count();
        self.states.truncate(kept + unknown);
        self.states.push_back((Some(position), state));
        self.end = position;
        self.changed.clear();
        self.writes.retain(|(end, _)| *end <= position);
        self.closed = Some(position);
    }

    pub(crate) fn end(&self) -> u64 {
        self.end
    }

    pub(crate) fn last(&self) -> &State {
        &self.states.back().expect("there is always a state").1
    }

    /// Notes the state after a record group.
    pub(crate) fn push(&mut self, position: Option<u64>, state: &State) {
        let at = position.unwrap_or(self.end);
        for changed in state.changes_since(self.last()) {
            self.changed.insert(changed, at);
        }
        self.end = at;
        self.states.push_back((position, state.clone()));
    }

    /// The last state is known to end there.
    pub(crate) fn settle(&mut self, position: u64) {
        let last = self.states.back_mut().expect("there is always a state");
        if last.0.is_none() {
            last.0 = Some(position);
        } else {
            let state = last.1.clone();
            self.states.push_back((Some(position), state));
        }
        self.end = position;
    }

    /// What a reply that shows these keys depends on, at least.
    pub(crate) fn required(&self, touched: &[(u8, Text)]) -> u64 {
        touched.iter().filter_map(|key| self.changed.get(key)).copied().max().unwrap_or(0)
    }

    /// The states in which a log that ends there may be.
    pub(crate) fn candidates(&self, position: u64) -> Vec<&State> {
        let is_not_after = |at: &Option<u64>| at.is_some_and(|at| at <= position);
        let Some(from) = self.states.iter().rposition(|(at, _)| is_not_after(at)) else {
            return Vec::new();
        };
        if self.states[from].0 == Some(position) {
            return vec![&self.states[from].1];
        }
        let unknown = self.states.range(from + 1..).take_while(|(at, _)| at.is_none());
        unknown.map(|(_, state)| state).collect()
    }

    /// Notes a write to the log.
    pub(crate) fn wrote(&mut self, end: u64, durable_before: u64) {
        self.writes.push_back((end, durable_before));
        self.closed = None;
    }

    /// Notes that the last write was closed.
    pub(crate) fn closed(&mut self, durable: u64) {
        self.closed = Some(durable);
    }

    /// What damage to one byte cannot hide, given what is durable: the header of the last write may
    /// be hit itself, so the one before it counts.
    pub(crate) fn certain(&self, durable: u64) -> u64 {
        let on_disk = self.writes.iter().filter(|(end, _)| *end <= durable);
        let stated: Vec<u64> = on_disk.map(|(_, stated)| *stated).chain(self.closed).collect();
        stated.iter().rev().nth(1).copied().unwrap_or(0)
    }

    /// Forgets what no crash and no damage can bring back.
    pub(crate) fn forget(&mut self, durable: u64) {
        let certain = self.certain(durable);
        while self.states.iter().skip(1).any(|(at, _)| at.is_some_and(|at| at <= certain)) {
            self.states.pop_front();
        }
        while self.writes.len() > 2 && self.writes[2].0 <= durable {
            self.writes.pop_front();
        }
    }
}
