//! Scripted clients: what each sends next, and what it waits for.
//!
//! A client has a habit (it produces, works for a group, looks after groups, keeps strings and
//! keys, or does anything) and a small world, so that things meet. It knows ids from the replies
//! that everybody got: the reference's present state stands for them.

mod entries;
mod groups;
mod keys;
mod policies;
mod roller;
mod schedules;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use millstream_engine::{LogPosition, ReadSink, Ticket, WaitResult};
use parked::Parked;

pub(crate) use roller::{CONSUMERS, Roller};

use crate::command::Command;

/// Replies that a client may wait for before it sends more.
const OUTSTANDING_MAX: usize = 3;

/// What a client mostly does.
#[derive(Clone, Copy, Debug)]
enum Habit {
    Produce,
    Work,
    Manage,
    Keep,
    Anything,
}

const HABITS: [Habit; 6] =
    [Habit::Produce, Habit::Work, Habit::Work, Habit::Manage, Habit::Keep, Habit::Anything];
/// How many clients there are.
pub(crate) const CLIENTS: usize = HABITS.len();

#[derive(Debug)]
pub(crate) struct Client {
    habit: Habit,
    /// Positions that replies wait for, in the order in which they were made.
    outstanding: VecDeque<u64>,
    /// Its read that waits.
    pub(crate) parked: Option<Parked>,
    /// The highest position that a reply which it has seen depends on.
    pub(crate) acknowledged: u64,
}

pub(crate) mod parked {
    //! Where the result of a parked read goes.

    use super::{Arc, AtomicBool, LogPosition, Ordering, ReadSink, Ticket, WaitResult};
    use std::sync::Mutex;

    /// A read of a client that waits, or that was served just now.
    #[derive(Debug)]
    pub(crate) struct Parked {
        pub(crate) ticket: Ticket,
        pub(crate) mailbox: Arc<Mailbox>,
    }

    #[derive(Debug, Default)]
    pub(crate) struct Mailbox {
        result: Mutex<Option<(WaitResult, LogPosition)>>,
        is_closed: AtomicBool,
    }

    #[derive(Debug)]
    pub(crate) struct Sink(pub(crate) Arc<Mailbox>);

    impl Mailbox {
        pub(crate) fn close(&self) {
            self.is_closed.store(true, Ordering::Relaxed);
        }

        pub(crate) fn take(&self) -> Option<(WaitResult, LogPosition)> {
            self.result.lock().expect("nobody panics with it").take()
        }

        pub(crate) fn is_empty(&self) -> bool {
            self.result.lock().expect("nobody panics with it").is_none()
        }
    }

    impl ReadSink for Sink {
        fn is_closed(&self) -> bool {
            self.0.is_closed.load(Ordering::Relaxed)
        }

        fn complete(&mut self, result: WaitResult, depends_on: LogPosition) {
            let mut place = self.0.result.lock().expect("nobody panics with it");
            assert!(place.is_none(), "a sink is called once");
            *place = Some((result, depends_on));
        }
    }
}

pub(crate) fn all() -> Vec<Client> {
    let client =
        |habit| Client { habit, outstanding: VecDeque::new(), parked: None, acknowledged: 0 };
    HABITS.into_iter().map(client).collect()
}

impl Client {
    /// Takes the replies that may leave. Returns whether it may send something.
    pub(crate) fn receive(&mut self, released: u64) -> bool {
        while let Some(&position) = self.outstanding.front()
            && position <= released
        {
            self.outstanding.pop_front();
            self.acknowledged = self.acknowledged.max(position);
        }
        self.outstanding.len() < OUTSTANDING_MAX
    }

    pub(crate) fn await_position(&mut self, position: u64) {
        self.outstanding.push_back(position);
    }

    /// Its connection is gone.
    pub(crate) fn reset(&mut self) {
        self.outstanding.clear();
        self.parked = None;
    }

    /// What it sends next: one command, or those of a transaction.
    pub(crate) fn next(&self, roller: &mut Roller<'_>) -> Vec<Command> {
        let count = if roller.dice.once_in(8) { 2 + roller.dice.roll(3) } else { 1 };
        (0..count).map(|_| self.command(roller)).collect()
    }

    fn command(&self, roller: &mut Roller<'_>) -> Command {
        let habit = match self.habit {
            Habit::Anything => roller.dice.pick(&HABITS[..5]),
            habit if roller.dice.once_in(10) => {
                let _ = habit;
                roller.dice.pick(&HABITS[..5])
            }
            habit => habit,
        };
        match habit {
            Habit::Produce | Habit::Anything => roller.produce(),
            Habit::Work => roller.work(),
            Habit::Manage => roller.manage(),
            Habit::Keep => roller.keep(),
        }
    }
}
