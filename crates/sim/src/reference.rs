//! What the store should be: lists and maps, every number counted when it is asked for.
//!
//! Written from the rules of Redis and the decisions, not from the code under test; uses nothing of
//! `crates/model` or `crates/engine`. It applies each command as given and says the reply. What
//! cannot be predicted because it follows from where blocks end (approximate trims, and trims with
//! ACKED) it asks a [`Peek`] for, and judges whether that was allowed.
//!
//! Not in it: WATCH, MAXSIZE, IDMPAUTO, KEYS and SCAN, what OBJECT and MEMORY show.

mod available;
mod claims;
mod dead_letters;
mod entries;
mod group;
mod group_work;
mod groups;
mod json;
mod keys;
mod lag;
mod letter_commands;
mod listings;
mod order;
mod picture;
mod policy;
mod reads;
mod reply;
mod retention;
mod schedule;
mod settle;
mod state;
mod stream;
mod strings;
mod trims;
mod waiters;

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use millstream_resp::Value;

pub(crate) use group_work::{Found, Looks};
pub(crate) use picture::picture;
pub(crate) use policy::factor;
pub(crate) use retention::{AllKept, Kept, Open};
pub(crate) use schedule::Scheduled;
pub(crate) use state::{Object, State};
pub(crate) use stream::Stream;
pub(crate) use waiters::{Attempt, Waiter};

use crate::command::{Command, OnKeys, Read, Text};
use crate::id::Id;
use waiters::{Signal, WaitedGroup};

/// The time of a transaction.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Moment {
    pub(crate) wall_ms: u64,
    pub(crate) monotonic_ms: u64,
    /// Wall time that never goes back, as the program says it.
    pub(crate) steady_ms: u64,
}

/// A look at what the program did, where only it can know.
pub(crate) trait Peek {
    /// The ids of a stream's entries now.
    fn ids(&mut self, db: u8, key: &[u8]) -> Vec<Id>;
    /// All managed groups now.
    fn groups(&mut self) -> Looks;
}

/// What comes of a command.
#[derive(Clone, Debug)]
pub(crate) enum Outcome {
    Reply(Value),
    /// It waits; `$` is resolved.
    Park(Read),
}

/// A reply, or the error reply.
type Answer = Result<Value, Value>;

/// The store and who waits.
#[derive(Debug)]
pub(crate) struct Reference {
    pub(crate) state: State,
    waiters: Vec<Waiter>,
    /// When a group that somebody waits for has something to hand out again.
    group_times: BTreeMap<WaitedGroup, u64>,
    signals: Vec<Signal>,
    /// Keys that the present record group looked at.
    pub(crate) touched: Vec<(u8, Text)>,
    pub(crate) now: Moment,
    /// What the program did that it may not do.
    pub(crate) complaint: Option<String>,
    /// What DUMP gave, and what it stands for. The latest last.
    payloads: Vec<(Text, Rc<Object>)>,
    /// When the store was opened, in steady milliseconds.
    opened_at_ms: u64,
    /// Consumers that should be gone, and since when.
    lingering: group_work::Lingering,
    /// Groups that were moved by hand.
    set_back: BTreeSet<group_work::GroupName>,
    /// What the program has of streams that drop something by themselves, after what it did.
    pub(crate) kept: AllKept,
    overdue: retention::Overdue,
    unfired: schedule::Unfired,
    /// So many entries a group holds.
    held_max: usize,
    pub(crate) tally: policy::Tally,
}

/// Payloads that clients keep. More are known: a transaction may add some before it uses one.
const PAYLOADS_MAX: usize = 4;

impl Reference {
    pub(crate) fn new(state: State, opened_at_ms: u64, held_max: usize) -> Self {
        Self {
            state,
            waiters: Vec::new(),
            group_times: BTreeMap::new(),
            signals: Vec::new(),
            touched: Vec::new(),
            now: Moment::default(),
            complaint: None,
            payloads: Vec::new(),
            opened_at_ms,
            lingering: group_work::Lingering::new(),
            set_back: BTreeSet::new(),
            kept: AllKept::new(),
            overdue: retention::Overdue::new(),
            unfired: schedule::Unfired::new(),
            held_max,
            tally: policy::Tally::default(),
        }
    }

    /// The store was opened again and is in this state: nobody waits any more.
    pub(crate) fn reopened(&mut self, state: State, opened_at_ms: u64, held_max: usize) {
        self.state = state;
        self.opened_at_ms = opened_at_ms;
        self.held_max = held_max;
        self.lingering.clear();
        self.overdue.clear();
        self.unfired.clear();
        self.set_back.clear();
        self.waiters.clear();
        self.group_times.clear();
        self.signals.clear();
    }

    /// DUMP gave this for a key.
    pub(crate) fn dumped(&mut self, db: u8, key: &[u8], payload: &[u8]) {
        let Some(slot) = self.state.database(db).get(key) else { return };
        self.payloads.push((payload.to_vec(), Rc::clone(&slot.object)));
    }

    pub(crate) fn payloads(&self) -> Vec<&Text> {
        self.payloads.iter().rev().take(PAYLOADS_MAX).map(|(payload, _)| payload).collect()
    }

    /// Starts a record group.
    pub(crate) fn begin(&mut self, now: Moment) {
        self.now = now;
        self.touched.clear();
        self.signals.clear();
        let surplus = self.payloads.len().saturating_sub(2 * PAYLOADS_MAX);
        self.payloads.drain(..surplus);
    }

    /// Starts another record group of the same transaction.
    pub(crate) fn begin_work(&mut self) {
        self.begin(self.now);
    }

    /// Runs a command within the record group.
    pub(crate) fn run(
        &mut self,
        command: &Command,
        db: u8,
        may_block: bool,
        peek: &mut dyn Peek,
    ) -> Outcome {
        let answer = match command {
            Command::Entries(command) => self.on_entries(command, db, peek),
            Command::Groups(command) => self.on_groups(command, db, peek),
            Command::Keys(OnKeys::Restore { key, ttl, payload, replaces }) => {
                let known = self.payloads.iter().rev().find(|(known, _)| known == payload);
                let object = known.map(|(_, object)| Rc::clone(object));
                Ok(self.restore(db, key, object.as_ref(), *ttl, *replaces))
            }
            Command::Keys(command) => self.on_keys(command, db),
            Command::Schedule(command) => self.on_schedule(command, db),
            Command::Letters(command) => self.on_letters(command, db),
            Command::Read(read) => {
                let mut read = read.clone();
                match self.read(&mut read, db) {
                    Ok(None) if may_block && read.block_ms.is_some() => {
                        return Outcome::Park(read);
                    }
                    Ok(None) => Ok(Value::NilArray),
                    Ok(Some(value)) => Ok(value),
                    Err(error) => Err(error),
                }
            }
        };
        Outcome::Reply(answer.unwrap_or_else(|error| error))
    }

    /// The object under a key that is there for everybody.
    fn find(&mut self, db: u8, key: &[u8]) -> Option<&Object> {
        self.touched.push((db, key.to_vec()));
        let slot = self.state.database(db).get(key)?;
        if slot.is_expired(self.now.wall_ms) {
            return None;
        }
        Some(&slot.object)
    }

    fn is_there(&mut self, db: u8, key: &[u8]) -> bool {
        self.find(db, key).is_some()
    }

    fn stream(&mut self, db: u8, key: &[u8]) -> Result<Option<&Stream>, Value> {
        match self.find(db, key) {
            None => Ok(None),
            Some(Object::Stream(stream)) => Ok(Some(stream)),
            Some(Object::Text(_)) => Err(reply::wrong_type()),
        }
    }

    /// The stream under a key that was found to have one.
    fn stream_mut(&mut self, db: u8, key: &[u8]) -> &mut Stream {
        match self.state.object_mut(db, key) {
            Object::Stream(stream) => stream,
            Object::Text(_) => panic!("the key has a stream"),
        }
    }

    fn complain(&mut self, what: String) {
        self.complaint.get_or_insert(what);
    }
}
