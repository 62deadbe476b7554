//! What a client's turn does: admission, the record group on both sides, and the comparison.

use std::sync::Arc;

use millstream_command::{Reply, read_reply, rejection_reply};
use millstream_engine::{ReadRequest, Transaction, WaitResult};
use millstream_resp::Value;

use crate::clients::CONSUMERS;
use crate::clients::parked::{Mailbox, Parked, Sink};
use crate::command::{Command, LetterAction, OnEntries, OnGroups, OnKeys, OnSchedule, Read, Text};
use crate::failure::{Checked, Failure, ensure};
use crate::id::Id;
use crate::picture;
use crate::reference::{Attempt, Looks, Outcome, Peek};
use crate::simulation::Simulation;
use crate::store;
use crate::trace::{shown, words};

/// Logged besides what a command brings: headers, times, ids that are delivered or trimmed.
const COMMAND_OVERHEAD_BYTES: u64 = 128;
const BATCH_OVERHEAD_BYTES: u64 = 2 << 10;

/// Lets the reference look at the engine that is held.
struct Look<'a, 'e>(&'a mut Transaction<'e>);

impl Peek for Look<'_, '_> {
    fn ids(&mut self, db: u8, key: &[u8]) -> Vec<Id> {
        picture::ids(self.0, db, key)
    }

    fn groups(&mut self) -> Looks {
        picture::looks(self.0)
    }
}

/// A read that is to wait: the program's request, for how long, and the reference's.
type Waiting = (Box<ReadRequest>, Option<u64>, Read);

/// What the program did with a record group.
struct Done {
    position: u64,
    end: u64,
    /// The read that waits from now on.
    mailbox: Option<Parked>,
}

impl Simulation {
    /// Sends commands as one record group.
    pub(crate) fn send(&mut self, client: usize, db: u8, commands: &[Command]) -> Checked {
        let arguments: Vec<Vec<Text>> = commands.iter().map(Command::arguments).collect();
        if !self.is_admitted(client, db, commands, &arguments) {
            return Ok(());
        }
        let (done, end_before) = self.run_group(client, db, commands, &arguments)?;
        if let Some(parked) = done.mailbox {
            self.clients[client].parked = Some(parked);
        } else {
            self.clients[client].await_position(done.position);
        }
        self.account(end_before, done.position, done.end)
    }

    /// As sessions of the server do it: a write needs prepared space, whatever it frees may use
    /// the reserve, and a poisoned log takes no write.
    fn is_admitted(
        &mut self,
        client: usize,
        db: u8,
        commands: &[Command],
        arguments: &[Vec<Text>],
    ) -> bool {
        if !arguments.iter().any(|arguments| store::is_write(arguments)) {
            return true;
        }
        if self.store.poison().is_some() {
            return false;
        }
        let sent: usize = arguments.iter().flatten().map(Vec::len).sum();
        let copied: u64 = commands.iter().map(|command| self.copied_bytes(db, command)).sum();
        let overhead = arguments.len() as u64 * COMMAND_OVERHEAD_BYTES + BATCH_OVERHEAD_BYTES;
        let needed = sent as u64 + copied + overhead;
        let frees = commands.iter().all(Command::frees_space);
        let end = self.history.end();
        if self.store.admits(end, needed, frees) {
            return true;
        }
        let Some(room) = self.store.engine.room() else { return true };
        let is_full = room.is_disk_full();
        if is_full {
            self.counters.refused_writes += 1;
        } else {
            room.want(needed);
        }
        let why = if is_full { "is refused: the disk is full" } else { "waits for room" };
        self.note(&format!("client {client} {why}"));
        false
    }

    fn copied_bytes(&self, db: u8, command: &Command) -> u64 {
        match command {
            Command::Keys(OnKeys::Copy { from, .. }) => self.reference.state.bytes(db, from),
            // What was said is noted for each that had some of the entries.
            Command::Groups(OnGroups::Nack { error: Some(error), .. }) => {
                (error.len() * CONSUMERS) as u64
            }
            // Delayed entries become others.
            Command::Schedule(OnSchedule::Run(key, _)) => self.reference.state.bytes(db, key),
            // Dead letters become entries.
            Command::Letters(letters) if letters.action != LetterAction::List => {
                self.reference.state.bytes(db, &letters.key)
            }
            _ => 0,
        }
    }

    fn run_group(
        &mut self,
        client: usize,
        db: u8,
        commands: &[Command],
        arguments: &[Vec<Text>],
    ) -> Result<(Done, u64), Failure> {
        let is_alone = commands.len() == 1;
        let engine = self.store.engine.clone();
        let mut txn = engine.lock(self.clock.now());
        let end_before = self.store.end(&txn);
        ensure(end_before == self.history.end(), || "somebody logged unseen".into())?;
        txn.begin();
        self.reference.begin(self.moment(txn.steady_ms()));
        let mut parked = None;
        for (command, arguments) in commands.iter().zip(arguments) {
            let found = store::execute(&mut txn, arguments, db, is_alone);
            if command.may_add() && self.reference.has_retention() {
                self.reference.kept = picture::kept(&mut txn);
            }
            let expected = self.reference.run(command, db, is_alone, &mut Look(&mut txn));
            self.counters.replies += 1;
            let line = format!("client {client} db {db} {}", words(arguments));
            match self.compare(&line, command, db, found, expected) {
                Ok(compared) => parked = compared,
                Err(failure) => {
                    // Nobody may go away in the middle of a record group.
                    txn.finish();
                    return Err(failure);
                }
            }
        }
        let position = txn.finish().get();
        let mut done = Done { position, end: 0, mailbox: None };
        if let Some((request, block_ms, read)) = parked {
            let deadline_ms = block_ms.map(|ms| self.clock.monotonic_ms + ms + 1);
            let mailbox = Arc::new(Mailbox::default());
            let ticket = txn.park(*request, deadline_ms, Box::new(Sink(Arc::clone(&mailbox))));
            self.reference.park(client, db, read, deadline_ms);
            done.mailbox = Some(Parked { ticket, mailbox });
        }
        done.end = self.store.end(&txn);
        Ok((done, end_before))
    }

    /// Compares what came of a command; returns the read that waits, on both sides.
    fn compare(
        &mut self,
        line: &str,
        command: &Command,
        db: u8,
        found: store::Outcome,
        expected: Outcome,
    ) -> Result<Option<Waiting>, Failure> {
        if let Some(complaint) = self.reference.complaint.take() {
            self.note(line);
            return Failure::broken(format!("{line}: may not be: {complaint}"));
        }
        let what = line.to_owned();
        match (found, expected) {
            (store::Outcome::Reply(found), Outcome::Reply(expected)) => {
                self.note(&format!("{line} -> {}", shown(&found)));
                if let (Command::Keys(OnKeys::Dump(key)), Value::Bulk(payload), Value::Bulk(_)) =
                    (command, &found, &expected)
                {
                    self.reference.dumped(db, key, payload);
                    return Ok(None);
                }
                if found == expected || is_as_good(command, &found, &expected) {
                    return Ok(None);
                }
                Err(Failure::Reply { what, expected: Some(expected), found: Some(found) })
            }
            (store::Outcome::Park(request, block_ms), Outcome::Park(read)) => {
                self.note(&format!("{line} waits"));
                Ok(Some((request, block_ms, read)))
            }
            (store::Outcome::NeedsRoom, _) => Failure::broken(format!("{line}: was admitted")),
            (store::Outcome::Reply(found), Outcome::Park(_)) => {
                Err(Failure::Reply { what, expected: None, found: Some(found) })
            }
            (store::Outcome::Park(..), Outcome::Reply(expected)) => {
                Err(Failure::Reply { what, expected: Some(expected), found: None })
            }
        }
    }

    /// Notes the states after a transaction of one record group and those it served.
    pub(crate) fn account(&mut self, end_before: u64, position: u64, end: u64) -> Checked {
        // A read that was parked by it is not served by it.
        let touched = std::mem::take(&mut self.reference.touched);
        let own = self.reference.state.clone();
        if position > end_before {
            self.history.push(Some(position), &own);
        } else {
            let changed = own.changes_since(self.history.last());
            ensure(changed.is_empty(), || format!("changed and not logged: {changed:?}"))?;
            let required = self.history.required(&touched);
            ensure(position >= required, || {
                format!("the reply depends on {position}, but shows what was logged at {required}")
            })?;
        }
        let attempts = self.reference.serve();
        self.take_attempts(attempts)?;
        self.end_of_log(end)
    }

    /// Compares what parked reads were given with what the reference says.
    pub(crate) fn take_attempts(&mut self, attempts: Vec<Attempt>) -> Checked {
        for Attempt { client, reply, touched, state } in attempts {
            let has_changed = !state.changes_since(self.history.last()).is_empty();
            let Some(expected) = reply else {
                if has_changed {
                    self.history.push(None, &state);
                }
                continue;
            };
            let position = self.complete(client, expected)?;
            let required = self.history.required(&touched);
            if position > self.history.end() {
                self.history.push(Some(position), &state);
            } else {
                ensure(!has_changed, || format!("client {client} was served and nothing logged"))?;
                ensure(position >= required, || {
                    format!("client {client} was shown {required} and waits for {position}")
                })?;
            }
        }
        Ok(())
    }

    fn value(&self, reply: Reply) -> Value {
        store::value(&self.store.engine.lock(self.clock.now()), reply)
    }

    /// A parked read must have ended so.
    pub(crate) fn complete(&mut self, client: usize, expected: Value) -> Result<u64, Failure> {
        let parked = self.clients[client].parked.take();
        let result = parked.as_ref().and_then(|parked| parked.mailbox.take());
        let what = format!("the parked read of client {client}");
        let Some((result, position)) = result else {
            self.note(&format!("{what} should have got {}", shown(&expected)));
            return Err(Failure::Reply { what, expected: Some(expected), found: None });
        };
        let found = match result {
            WaitResult::Read(outcome) => self.value(read_reply(outcome)),
            WaitResult::Rejected(rejection) => self.value(rejection_reply(&rejection)),
            WaitResult::TimedOut => Value::NilArray,
        };
        self.note(&format!("{what} -> {}", shown(&found)));
        self.counters.served += 1;
        if found != expected {
            return Err(Failure::Reply { what, expected: Some(expected), found: Some(found) });
        }
        self.clients[client].await_position(position.get());
        Ok(position.get())
    }

    /// All that was logged is known, and nobody was served unseen.
    pub(crate) fn end_of_log(&mut self, end: u64) -> Checked {
        if end > self.history.end() {
            self.history.settle(end);
        }
        ensure(end == self.history.end(), || format!("the log ends at {end}, before its records"))?;
        for (number, client) in self.clients.iter().enumerate() {
            let is_waiting = client.parked.as_ref().is_none_or(|p| p.mailbox.is_empty());
            ensure(is_waiting, || format!("the parked read of client {number} was served"))?;
        }
        Ok(())
    }

    /// The client goes away while its read waits: first nobody is there, later it is taken back.
    pub(crate) fn vanish(&mut self, client: usize) {
        let Some(parked) = &self.clients[client].parked else { return };
        let is_closed = self.reference.waiter_mut(client).is_none_or(|waiter| waiter.is_closed);
        if !is_closed {
            parked.mailbox.close();
            if let Some(waiter) = self.reference.waiter_mut(client) {
                waiter.is_closed = true;
            }
            return self.note(&format!("client {client} is gone"));
        }
        let ticket = parked.ticket;
        let mut txn = self.store.engine.lock(self.clock.now());
        txn.unpark(ticket);
        drop(txn);
        self.reference.unpark(client);
        self.clients[client].reset();
        self.note(&format!("client {client} is new"));
    }
}

/// Whether a reply differs only in what it may differ in.
fn is_as_good(command: &Command, found: &Value, expected: &Value) -> bool {
    match command {
        Command::Entries(OnEntries::Info(_)) => is_same_stream(found, expected),
        Command::Groups(OnGroups::Groups(_)) => are_same_groups(found, expected),
        _ => false,
    }
}

/// How many blocks there are does not matter. After a start the bytes of a stream may still have to
/// be counted.
fn is_same_stream(found: &Value, expected: &Value) -> bool {
    let (Some(found), Some(expected)) = (found.as_slice(), expected.as_slice()) else {
        return false;
    };
    let name = |pair: &&[Value]| pair[0].as_str().unwrap_or_default().to_owned();
    let has_bytes = found.chunks(2).any(|pair| name(&pair) == "bytes");
    let found = found.chunks(2).filter(|pair| !name(pair).starts_with("radix-tree"));
    found.eq(expected.chunks(2).filter(|pair| has_bytes || name(pair) != "bytes"))
}

/// An entry whose block is on disk only counts as older than it may be.
fn are_same_groups(found: &Value, expected: &Value) -> bool {
    const BOUND: &[u8] = b"oldest-undelivered-ms";
    let (Some(found), Some(expected)) = (found.as_slice(), expected.as_slice()) else {
        return false;
    };
    let is_same = |(found, expected): (&Value, &Value)| {
        let (Some(found), Some(expected)) = (found.as_slice(), expected.as_slice()) else {
            return false;
        };
        found.len() == expected.len()
            && found.chunks(2).zip(expected.chunks(2)).all(|pair| match pair {
                ([name, Value::Int(found)], [_, Value::Int(expected)])
                    if name.as_bytes() == Some(BOUND) =>
                {
                    found >= expected
                }
                (found, expected) => found == expected,
            })
    };
    found.len() == expected.len() && found.iter().zip(expected).all(is_same)
}
