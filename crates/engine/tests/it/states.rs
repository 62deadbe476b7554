//! The states of an entry in a managed group, and the steps between them: those that
//! `docs/delivery.md` draws, each by what may cause it, and no others.

use std::collections::BTreeMap;

use millstream_engine::{
    ClaimOptions, Engine, GroupPosition, LetterAction, LetterFilter, Nack, NackMode, NewId,
    ReadFrom, ReadRequest,
};
use millstream_model::{Backoff, Direction, EntryId, GroupPolicy, PendingEntry};
use proptest::prelude::*;

use crate::entries::request;
use crate::parked::with_group;
use crate::pending::read_by;
use crate::policy::{at_most, new, set};
use crate::reads::read;
use crate::store::{at, id, now, run, run_due};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Not handed out, and not passed by the group.
    New,
    Held,
    Owned,
    /// Pending without an owner, available.
    Free,
    Delayed,
    Doomed,
    /// Done with, or passed over.
    Settled,
    /// Neither the entry nor a record is there.
    Gone,
}

use State::{Delayed, Doomed, Free, Gone, Held, New, Owned, Settled};

#[derive(Clone, Debug)]
enum Step {
    Add(u8),
    Read { count: usize, is_other: bool },
    History,
    ClaimIdle(u64),
    Ack(usize),
    Nack(NackMode, usize, Option<u64>, bool),
    Claim(usize, bool),
    AutoClaim(u64),
    Delete(usize),
    Skip(usize),
    MoveBack(usize),
    DeleteConsumer(bool),
    Policy(usize),
    Wait(u64),
    Requeue,
}

fn step() -> impl Strategy<Value = Step> {
    let at = || 0_usize..12;
    let mode = prop::sample::select(vec![NackMode::Silent, NackMode::Fail, NackMode::Fatal]);
    prop_oneof![
        6 => (0_u8..3).prop_map(Step::Add),
        7 => (1_usize..4, any::<bool>())
            .prop_map(|(count, is_other)| Step::Read { count, is_other }),
        1 => Just(Step::History),
        1 => (0_u64..60).prop_map(Step::ClaimIdle),
        4 => at().prop_map(Step::Ack),
        4 => (mode, at(), prop::option::weighted(0.3, 0_u64..60), prop::bool::weighted(0.2))
            .prop_map(|(mode, at, delay, force)| Step::Nack(mode, at, delay, force)),
        2 => (at(), any::<bool>()).prop_map(|(at, force)| Step::Claim(at, force)),
        1 => (0_u64..60).prop_map(Step::AutoClaim),
        1 => at().prop_map(Step::Delete),
        1 => at().prop_map(Step::Skip),
        1 => at().prop_map(Step::MoveBack),
        1 => any::<bool>().prop_map(Step::DeleteConsumer),
        1 => (0_usize..POLICIES).prop_map(Step::Policy),
        4 => (1_u64..80).prop_map(Step::Wait),
        1 => Just(Step::Requeue),
    ]
}

const POLICIES: usize = 5;

fn policy(which: usize) -> GroupPolicy {
    let mut policy = GroupPolicy::default();
    // The order cannot change while something is pending, so it is always there.
    policy.order_by = Some((*b"k").into());
    policy.visibility_ms = if which == 1 { 0 } else { 40 };
    policy.deliveries_max = [3, 0, 2, 0, 1][which];
    policy.dead_letter = (which == 3).then(|| (*b"s:dlq").into());
    policy.backoff =
        (which >= 2).then_some(Backoff { base_ms: 10, factor_thousandths: 2000, max_ms: 50 });
    policy.in_flight_max = if which == 4 { 3 } else { 0 };
    policy.is_paused = false;
    policy
}

/// Of each entry ever added: where it stands, and how many letters there are of it.
fn states(engine: &Engine, added: u64) -> BTreeMap<u64, (State, usize)> {
    now(engine, |txn| {
        let mut letters: BTreeMap<u64, usize> = BTreeMap::new();
        let range = txn.range(0, b"s:dlq", EntryId::MIN, EntryId::MAX, 9999, Direction::Ascending);
        if let Some(entries) = range.expect("a stream") {
            entries.for_each(|entry| {
                let (_, original) = entry.pairs().next().expect("a letter has fields");
                let text = std::str::from_utf8(original).expect("an id");
                let ms = text.split('-').next().and_then(|ms| ms.parse().ok()).expect("an id");
                *letters.entry(ms).or_default() += 1;
            });
        }
        let stream = txn.stream(0, b"s").expect("a stream").expect("it is there");
        let group = stream.group(stream.find_group(b"g").expect("it is there"));
        let state = |ms| {
            let entry = id(ms, 0);
            let is_there = stream.entries().contains(entry) == Ok(true);
            match group.pending().get(entry) {
                Some(PendingEntry { owner: Some(_), .. }) => Owned,
                Some(PendingEntry { available_at_ms: 0, .. }) => Free,
                Some(PendingEntry { available_at_ms: PendingEntry::NEVER, .. }) => Doomed,
                Some(_) => Delayed,
                None if group.order().is_some_and(|order| order.is_held(entry)) => Held,
                None if !is_there => Gone,
                None if entry > group.last_delivered_id() => New,
                None => Settled,
            }
        };
        let letters = |ms| letters.get(&ms).copied().unwrap_or(0);
        (1..=added).map(|ms| (ms, (state(ms), letters(ms)))).collect()
    })
}

fn is_pending(state: State) -> bool {
    matches!(state, Owned | Free | Delayed | Doomed)
}

/// Whether a step may do this to an entry; `is_named`: the step is about this very entry.
fn may_become(step: &Step, is_named: bool, from: State, to: State) -> bool {
    match step {
        Step::Add(_) => from == Gone && to == New,
        Step::Read { .. } | Step::ClaimIdle(_) => match to {
            Owned => matches!(from, New | Held | Free | Delayed),
            Held => from == New,
            // A record goes at its turn whose entry is gone.
            Gone => is_pending(from) || from == Held,
            _ => false,
        },
        Step::History => false,
        Step::Ack(_) => is_named && is_pending(from) && matches!(to, Settled | Gone),
        Step::Nack(mode, _, _, force) => {
            let to_be = match mode {
                NackMode::Fatal => matches!(to, Free | Doomed | Settled | Gone),
                NackMode::Silent | NackMode::Fail => matches!(to, Free | Delayed),
            };
            is_named && to_be && (is_pending(from) || *force && from != Gone)
        }
        Step::Claim(_, force) => {
            let is_taken = to == Owned && (is_pending(from) || *force && from != Gone);
            is_named && (is_taken || to == Gone && is_pending(from))
        }
        Step::AutoClaim(_) => match to {
            Owned => matches!(from, Free | Delayed),
            Gone => is_pending(from),
            _ => false,
        },
        Step::Delete(_) => is_named && to == Gone && matches!(from, New | Settled),
        Step::Skip(_) => {
            is_named && (from == Held || is_pending(from)) && matches!(to, Settled | Gone)
        }
        // What is held and not behind the new position is passed over, as SETID says.
        Step::MoveBack(_) => from == Held || from == Settled && to == New,
        Step::DeleteConsumer(_) => from == Owned && to == Free,
        // Without dead letters nothing waits for them.
        Step::Policy(_) => from == Doomed && to == Free,
        Step::Wait(_) => is_pending(from) && matches!(to, Settled | Gone),
        Step::Requeue => match to {
            Free | Held => from == Settled,
            _ => false,
        },
    }
}

/// Carries a step out; returns the entry that it names.
fn carry_out(engine: &Engine, step: &Step, ms: &mut u64, added: &mut u64) -> Option<u64> {
    let named = |at: usize| if *added == 0 { 1 } else { at as u64 % *added + 1 };
    let all = states(engine, *added);
    let is_new = |entry: u64| all.get(&entry).is_some_and(|(state, _)| *state == New);
    let run = |work: &mut dyn FnMut(&mut millstream_engine::Transaction<'_>)| {
        run(engine, at(*ms), |txn| work(txn));
    };
    match *step {
        Step::Add(value) => {
            *added += 1;
            let (entry, value) = (id(*added, 0), [b'0' + value]);
            let name: &[u8] = if value == [b'0'] { b"other" } else { b"k" };
            run(&mut |txn| {
                txn.add(0, b"s", &request(NewId::Exactly(entry)), &[name, &value]).expect("adds");
            });
            return None;
        }
        Step::Read { count, is_other } => {
            read(engine, *ms, at_most(count, new(if is_other { "y" } else { "x" })));
        }
        Step::History => {
            read(engine, *ms, read_by("x", ReadFrom::After(EntryId::MIN)));
        }
        Step::ClaimIdle(idle_ms) => {
            let mut claiming: ReadRequest = at_most(2, new("y"));
            claiming.group.as_mut().expect("for a group").claim_min_idle_ms = Some(idle_ms);
            read(engine, *ms, claiming);
        }
        Step::Ack(at) => {
            run(&mut |txn| {
                txn.acknowledge(0, b"s", b"g", &[id(named(at), 0)]).expect("settles");
            });
            return Some(named(at));
        }
        Step::Nack(mode, at, delay_ms, force) => {
            let delay_ms = delay_ms.filter(|_| mode != NackMode::Fatal);
            // What was never handed out is new again once such a record goes: as in Redis.
            let force = force && !is_new(named(at));
            let nack = Nack { delay_ms, force, ..Nack::new(mode) };
            run(&mut |txn| {
                txn.nack(0, b"s", b"g", &nack, &[id(named(at), 0)]).expect("gives back");
            });
            return Some(named(at));
        }
        Step::Claim(at, force) => {
            let force = force && !is_new(named(at));
            let options = ClaimOptions { force, ..ClaimOptions::default() };
            run(&mut |txn| {
                txn.claim(0, b"s", b"g", b"y", &options, &[id(named(at), 0)]).expect("claims");
            });
            return Some(named(at));
        }
        Step::AutoClaim(idle_ms) => run(&mut |txn| {
            txn.autoclaim(0, b"s", b"g", b"y", idle_ms, EntryId::MIN, 3, false).expect("scans");
        }),
        Step::Delete(at) => {
            run(&mut |txn| {
                txn.delete(0, b"s", &[id(named(at), 0)]).expect("deletes");
            });
            return Some(named(at));
        }
        Step::Skip(at) => {
            run(&mut |txn| {
                let _ = txn.skip(0, b"s", b"g", id(named(at), 0));
            });
            return Some(named(at));
        }
        Step::MoveBack(to) => run(&mut |txn| {
            let stream = txn.stream(0, b"s").expect("a stream").expect("it is there");
            let group = stream.group(stream.find_group(b"g").expect("it is there"));
            let to = group.last_delivered_id().min(id(to as u64, 0));
            txn.set_group_position(0, b"s", b"g", GroupPosition::After(to), None).expect("moves");
        }),
        Step::DeleteConsumer(is_other) => run(&mut |txn| {
            let name: &[u8] = if is_other { b"y" } else { b"x" };
            txn.delete_consumer(0, b"s", b"g", name).expect("deletes");
        }),
        Step::Policy(which) => set(engine, *ms, |old| *old = policy(which)),
        Step::Wait(wait_ms) => {
            *ms += wait_ms;
            run_due(engine, at(*ms));
        }
        Step::Requeue => {
            // What is gone would be added anew, under an id of the clock.
            let is_there = |ms: u64| {
                now(engine, |txn| {
                    let stream = txn.stream(0, b"s").expect("a stream").expect("it is there");
                    stream.entries().contains(id(ms, 0)) == Ok(true)
                })
            };
            if all.iter().any(|(&ms, (_, letters))| *letters > 0 && !is_there(ms)) {
                return None;
            }
            let filter = LetterFilter {
                ids: None,
                group: None,
                reason: None,
                consumer: None,
                min_age_ms: 0,
                count: 1,
                cursor: EntryId::MIN,
            };
            let action = LetterAction::Requeue { make_stream: false };
            run(&mut |txn| {
                let done = txn.dead_letters(0, b"s:dlq", action, &filter, false);
                done.expect("a stream");
            });
        }
    }
    None
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn an_entry_goes_only_where_it_may(
        first in 0_usize..POLICIES,
        steps in prop::collection::vec(step(), 1..80),
    ) {
        let engine = with_group();
        set(&engine, 0, |old| *old = policy(first));
        let (mut ms, mut added, mut has_moved) = (0, 0, false);
        let mut before = states(&engine, 0);
        for step in steps {
            has_moved |= matches!(step, Step::MoveBack(_));
            let named = carry_out(&engine, &step, &mut ms, &mut added);
            let after = states(&engine, added);
            for (&entry, &(to, letters)) in &after {
                let (from, letters_before) = before.get(&entry).copied().unwrap_or((Gone, 0));
                // In a group that was moved back, what goes before it was passed again is new.
                let is_again = to == New && is_pending(from) && has_moved;
                let to = if is_again { Settled } else { to };
                let is_legal = from == to || may_become(&step, named == Some(entry), from, to);
                prop_assert!(is_legal, "{entry} from {from:?} to {to:?} by {step:?}");
                // A letter is written exactly when the record that it stands for goes.
                let is_written = letters > letters_before;
                let may_write = matches!(step, Step::Wait(_) | Step::Nack(NackMode::Fatal, ..));
                let is_lost = matches!(step, Step::Wait(_))
                    && is_pending(from) && to == Settled && !is_written;
                prop_assert!(!is_lost, "{entry} went without a letter by {step:?}");
                prop_assert!(!is_written || may_write && to != Held);
                prop_assert!(letters <= letters_before + 1);
                let is_taken_back = letters < letters_before;
                prop_assert!(!is_taken_back || matches!(step, Step::Requeue));
            }
            before = after;
        }
    }
}
