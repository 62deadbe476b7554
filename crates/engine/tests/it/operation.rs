//! Random operations on a small world: three keys, two databases, two groups, three consumers.

use bytes::Bytes;
use millstream_engine::{
    AddRequest, ClaimOptions, CopyError, CounterOptions, DeliveredAt, ExpiryCondition,
    GroupPosition, GroupReader, LetterAction, LetterFilter, Nack, NackMode, NewId, Production,
    ReadFrom, ReadRequest, RunError, StreamPosition, StringExpiry, StringForm, Transaction,
};
use millstream_model::{
    Backoff, EntryId, GroupPolicy, Overflow, References, Rejection, Retain, Retention, TrimBy,
    TrimOptions,
};

use crate::dice::Dice;
use crate::store::{START_MS, id};

/// A key in a database.
type Place = (u8, &'static [u8]);

#[derive(Clone, Debug)]
pub(crate) enum Operation {
    Add {
        place: Place,
        id: NewId,
        no_create: bool,
        trim: Option<TrimOptions>,
        production: Option<(&'static [u8], &'static [u8])>,
    },
    Trim(Place, TrimOptions),
    Delete(Place, Vec<EntryId>),
    DeleteWithReferences(Place, References, Vec<EntryId>),
    SetCounters(Place, EntryId, CounterOptions),
    SetIdempotence(Place, Option<u32>, Option<u32>),
    RecordProduction(Place, &'static [u8], EntryId),
    SetRetention(Place, Retention),
    CreateGroup(Place, &'static [u8], GroupPosition, Option<u64>),
    SetGroupPosition(Place, &'static [u8], GroupPosition, Option<u64>),
    DestroyGroup(Place, &'static [u8]),
    CreateConsumer(Place, &'static [u8], &'static [u8]),
    DeleteConsumer(Place, &'static [u8], &'static [u8]),
    SetPolicy(Place, &'static [u8], GroupPolicy),
    Skip(Place, &'static [u8], EntryId),
    DeadLetters(u8, Vec<u8>, LetterAction),
    Acknowledge(Place, &'static [u8], Vec<EntryId>),
    AcknowledgeAndDelete(Place, &'static [u8], References, Vec<EntryId>),
    Nack(Place, &'static [u8], Nack<'static>, Vec<EntryId>),
    Claim(Place, &'static [u8], &'static [u8], ClaimOptions, Vec<EntryId>),
    AutoClaim(Place, &'static [u8], &'static [u8], u64, usize, bool),
    Read(ReadRequest),
    SetString(Place, StringExpiry),
    ReplaceString(Place),
    Remove(Place),
    SetExpiry(Place, i64, ExpiryCondition),
    Persist(Place),
    Rename(Place, &'static [u8], bool),
    AppendString(Place),
    Copy(Place, Place, bool),
    Move(Place),
    DumpAndRestore(Place, Place, Option<u64>, bool),
    Flush(Option<u8>),
    Swap,
    Schedule(Place, u64),
    /// Of so many entries, those whose number has a bit; to be fired, else cancelled.
    Unschedule(Place, u64, bool),
}

const KEYS: [&[u8]; 3] = [b"a", b"b", b"c"];
const GROUPS: [&[u8]; 2] = [b"g", b"h"];
const CONSUMERS: [&[u8]; 3] = [b"x", b"y", b"z"];
const PRODUCERS: [&[u8]; 2] = [b"p", b"q"];
const IIDS: [&[u8]; 4] = [b"0", b"1", b"2", b"3"];

/// Rolls operations. Ids of entries move slowly upwards, so that most of them have been used.
pub(crate) struct Roller {
    pub(crate) dice: Dice,
    /// Milliseconds of the newest id given by hand.
    newest_ms: u64,
}

impl Roller {
    pub(crate) fn new(seed: u64) -> Self {
        Self { dice: Dice(seed), newest_ms: 1 }
    }

    /// Mostly the first key: things must meet.
    fn place(&mut self) -> Place {
        let db = u8::from(self.dice.once_in(6));
        let key = if self.dice.once_in(2) { KEYS[0] } else { self.dice.pick(&KEYS) };
        (db, key)
    }

    fn id(&mut self) -> EntryId {
        let ms = self.newest_ms.saturating_sub(self.dice.roll(10));
        id(ms, self.dice.roll(3))
    }

    fn ids(&mut self) -> Vec<EntryId> {
        (0..1 + self.dice.roll(4)).map(|_| self.id()).collect()
    }

    fn group(&mut self) -> &'static [u8] {
        self.dice.pick(&GROUPS)
    }

    fn consumer(&mut self) -> &'static [u8] {
        self.dice.pick(&CONSUMERS)
    }

    fn references(&mut self) -> References {
        self.dice.pick(&[References::Keep, References::Delete, References::Acked])
    }

    fn position(&mut self) -> GroupPosition {
        match self.dice.roll(3) {
            0 => GroupPosition::End,
            1 => GroupPosition::After(EntryId::MIN),
            _ => GroupPosition::After(self.id()),
        }
    }

    fn sometimes<T>(&mut self, value: impl FnOnce(&mut Self) -> T) -> Option<T> {
        self.dice.once_in(3).then(|| value(self))
    }

    fn trim(&mut self) -> TrimOptions {
        let by = match self.dice.roll(2) {
            0 => TrimBy::MaxLen(self.dice.roll(8)),
            _ => TrimBy::MinId(self.id()),
        };
        let approximate = self.dice.once_in(2);
        let limit = self.sometimes(|roller| 1 + roller.dice.roll(6)).filter(|_| approximate);
        TrimOptions { by, approximate, limit, references: self.references() }
    }

    fn add(&mut self) -> Operation {
        self.newest_ms += self.dice.roll(2);
        let id = match self.dice.roll(4) {
            0 => NewId::Auto,
            1 => NewId::InMillisecond(self.newest_ms),
            _ => NewId::Exactly(id(self.newest_ms, self.dice.roll(3))),
        };
        let (place, no_create) = (self.place(), self.dice.once_in(8));
        let trim = self.sometimes(Self::trim);
        let production =
            self.sometimes(|roller| (roller.dice.pick(&PRODUCERS), roller.dice.pick(&IIDS)));
        Operation::Add { place, id, no_create, trim, production }
    }

    fn read(&mut self) -> Operation {
        let (db, key) = self.place();
        let is_for_group = !self.dice.once_in(8);
        let from = match self.dice.roll(5) {
            0 => ReadFrom::After(self.id()),
            _ if is_for_group => ReadFrom::New,
            _ => ReadFrom::Last,
        };
        let position = |key: &'static [u8]| StreamPosition { key: Bytes::from_static(key), from };
        let mut streams = vec![position(key)];
        if self.dice.once_in(8) {
            streams.push(position(self.dice.pick(&KEYS)));
        }
        let group = is_for_group.then(|| GroupReader {
            group: Bytes::from_static(self.group()),
            consumer: Bytes::from_static(self.consumer()),
            noack: self.dice.once_in(6),
            claim_min_idle_ms: self.sometimes(|roller| roller.dice.roll(30)),
        });
        let count = (!self.dice.once_in(4)).then(|| 1 + self.dice.roll(4) as usize);
        let count_total = self.sometimes(|roller| 1 + roller.dice.roll(5) as usize);
        let bytes_max = self.sometimes(|roller| 1 + roller.dice.roll(200));
        Operation::Read(ReadRequest { db, group, streams, count, count_total, bytes_max })
    }

    fn claim(&mut self) -> Operation {
        let options = ClaimOptions {
            is_fenced: false,
            min_idle_ms: self.dice.roll(20),
            delivered_at: match self.dice.roll(4) {
                0 => Some(DeliveredAt::Idle(self.dice.roll(100) as i64 - 20)),
                1 => Some(DeliveredAt::At(1_000_000 + self.dice.roll(100) as i64 - 20)),
                _ => None,
            },
            delivery_count: self.sometimes(|roller| roller.dice.pick(&[0, 3, i64::MAX as u64])),
            force: self.dice.once_in(3),
            just_ids: self.dice.once_in(3),
            last_id: self.sometimes(Self::id),
        };
        Operation::Claim(self.place(), self.group(), self.consumer(), options, self.ids())
    }

    fn settle(&mut self) -> Operation {
        let (place, group) = (self.place(), self.group());
        match self.dice.roll(5) {
            0 => Operation::AcknowledgeAndDelete(place, group, self.references(), self.ids()),
            1 | 2 => {
                let modes = [NackMode::Silent, NackMode::Fail, NackMode::Fatal];
                let nack = Nack {
                    delivery_count: self.dice.once_in(4).then_some(7),
                    force: self.dice.once_in(2),
                    delay_ms: if self.dice.once_in(6) { Some(self.dice.roll(30)) } else { None },
                    error: if self.dice.once_in(4) { Some(b"why") } else { None },
                    ..Nack::new(self.dice.pick(&modes))
                };
                Operation::Nack(place, group, nack, self.ids())
            }
            _ => Operation::Acknowledge(place, group, self.ids()),
        }
    }

    fn manage(&mut self) -> Operation {
        let (place, group) = (self.place(), self.group());
        match self.dice.roll(15) {
            0..=4 => {
                let read = self.sometimes(|roller| roller.dice.roll(5));
                Operation::CreateGroup(place, group, self.position(), read)
            }
            5 | 6 => {
                let read = self.sometimes(|roller| roller.dice.roll(5));
                Operation::SetGroupPosition(place, group, self.position(), read)
            }
            7 => Operation::DestroyGroup(place, group),
            8 => Operation::CreateConsumer(place, group, self.consumer()),
            9 | 10 => Operation::SetPolicy(place, group, self.policy()),
            11 if self.dice.once_in(2) => {
                let action = self.dice.pick(&[
                    LetterAction::Requeue { make_stream: true },
                    LetterAction::Requeue { make_stream: false },
                    LetterAction::Purge,
                ]);
                let plain = self.dice.once_in(3);
                let suffix: &[u8] = if plain { b"" } else { b":dlq" };
                Operation::DeadLetters(place.0, [place.1, suffix].concat(), action)
            }
            12 => Operation::Skip(place, group, self.id()),
            _ => Operation::DeleteConsumer(place, group, self.consumer()),
        }
    }

    fn policy(&mut self) -> GroupPolicy {
        let mut policy = GroupPolicy::default();
        if self.dice.once_in(6) {
            return policy;
        }
        policy.visibility_ms = self.dice.roll(3) * 10;
        policy.deliveries_max = self.dice.roll(4) as u32;
        policy.dead_letter = self.sometimes(|roller| roller.dice.pick(&KEYS).into());
        policy.backoff = self.sometimes(|roller| Backoff {
            base_ms: 1 + roller.dice.roll(9),
            factor_thousandths: 2000,
            max_ms: 30,
        });
        policy.jitter_percent = self.dice.pick(&[0, 50]);
        policy.in_flight_max = self.dice.roll(5);
        policy.order_by = self.sometimes(|_| (*b"field").into());
        policy.consumer_ttl_ms = self.dice.roll(3) * 40;
        policy.is_paused = self.dice.once_in(8);
        policy
    }

    fn set_counters(&mut self) -> Operation {
        let options = CounterOptions {
            entries_added: self.sometimes(|roller| roller.dice.roll(12)),
            max_deleted_id: self.sometimes(Self::id),
        };
        let last_id = id(self.newest_ms + 1, 0);
        Operation::SetCounters(self.place(), last_id, options)
    }

    /// Mostly of the first key, and so that entries become too old now and then.
    fn set_retention(&mut self) -> Operation {
        let retain = self.dice.pick(&[Retain::All, Retain::Unacked]);
        let overflow = self.dice.pick(&[None, Some(Overflow::Reject), Some(Overflow::Drop)]);
        let retention = crate::retention::retention(|it| {
            it.max_len = self.sometimes(|roller| 1 + roller.dice.roll(12)).unwrap_or(0);
            it.max_age_ms = self.sometimes(|roller| START_MS + roller.dice.roll(900)).unwrap_or(0);
            it.max_bytes = self.sometimes(|roller| 20 + roller.dice.roll(100)).unwrap_or(0);
            it.retain = retain;
            it.overflow = overflow.filter(|_| retain == Retain::All);
        });
        Operation::SetRetention(self.place(), retention)
    }

    /// Strings and whole keys.
    fn keyspace(&mut self, wall_ms: u64) -> Operation {
        let place = self.place();
        let soon = wall_ms as i64 + self.dice.roll(60) as i64 - 5;
        match self.dice.roll(24) {
            16 => Operation::AppendString((place.0, KEYS[2])),
            17..=19 => Operation::Copy(place, self.place(), self.dice.once_in(2)),
            20 | 21 => Operation::Move(place),
            22 | 23 => {
                let expires_at_ms = self.sometimes(|_| soon.unsigned_abs());
                let replaces = self.dice.once_in(2);
                Operation::DumpAndRestore(place, self.place(), expires_at_ms, replaces)
            }
            0..=2 => {
                let expiry = self.dice.pick(&[
                    StringExpiry::None,
                    StringExpiry::Keep,
                    StringExpiry::At(soon),
                ]);
                Operation::SetString((place.0, KEYS[2]), expiry)
            }
            3 => Operation::ReplaceString((place.0, KEYS[2])),
            4 => Operation::Remove(place),
            5..=8 => {
                let condition = ExpiryCondition {
                    only_new: self.dice.once_in(4),
                    only_existing: self.dice.once_in(4),
                    only_later: self.dice.once_in(4),
                    only_earlier: self.dice.once_in(4),
                };
                Operation::SetExpiry(place, soon, condition)
            }
            9 | 10 => Operation::Persist(place),
            11 | 12 => Operation::Rename(place, self.dice.pick(&KEYS), self.dice.once_in(3)),
            13 if self.dice.once_in(3) => Operation::Flush(Some(place.0)),
            14 if self.dice.once_in(8) => Operation::Flush(None),
            _ => Operation::Swap,
        }
    }

    pub(crate) fn operation(&mut self, wall_ms: u64) -> Operation {
        match self.dice.roll(47) {
            44..=46 => Operation::Schedule(self.place(), wall_ms + self.dice.roll(60)),
            43 => Operation::Unschedule(self.place(), self.dice.roll(256), self.dice.once_in(2)),
            0..=11 => self.add(),
            12..=18 => self.read(),
            19..=21 => self.claim(),
            22..=25 => self.settle(),
            26..=29 => self.manage(),
            30 => Operation::Trim(self.place(), self.trim()),
            31 => Operation::Delete(self.place(), self.ids()),
            32 => Operation::DeleteWithReferences(self.place(), self.references(), self.ids()),
            33 => self.set_counters(),
            34 => {
                let duration_s = self.sometimes(|roller| 1 + roller.dice.roll(2) as u32);
                let per_producer_max = self.sometimes(|roller| 1 + roller.dice.roll(3) as u32);
                Operation::SetIdempotence(self.place(), duration_s, per_producer_max)
            }
            38 | 39 => self.set_retention(),
            35 => Operation::RecordProduction(self.place(), self.dice.pick(&IIDS), self.id()),
            36 | 37 => {
                let (min_idle_ms, count) = (self.dice.roll(20), 1 + self.dice.roll(3) as usize);
                let just_ids = self.dice.once_in(3);
                let (place, group, consumer) = (self.place(), self.group(), self.consumer());
                Operation::AutoClaim(place, group, consumer, min_idle_ms, count, just_ids)
            }
            _ => self.keyspace(wall_ms),
        }
    }
}

impl Operation {
    /// Runs it within a record group.
    pub(crate) fn run(&self, txn: &mut Transaction<'_>) -> Result<(), Rejection> {
        match self {
            Self::Add { place: (db, key), id, no_create, trim, production } => {
                let production = production.map(|(producer, iid)| Production { producer, iid });
                let request =
                    AddRequest { id: *id, no_create: *no_create, trim: *trim, production };
                // Few, so that some wait for each other.
                let value = (txn.now().monotonic_ms % 4).to_string();
                txn.add(*db, key, &request, &[b"field", value.as_bytes()]).map(|_| ())
            }
            Self::Trim((db, key), options) => txn.trim(*db, key, options).map(|_| ()),
            Self::Delete((db, key), ids) => txn.delete(*db, key, ids).map(|_| ()),
            Self::DeleteWithReferences((db, key), references, ids) => {
                txn.delete_with_references(*db, key, *references, ids).map(|_| ())
            }
            Self::SetCounters((db, key), last_id, options) => {
                txn.set_counters(*db, key, *last_id, *options)
            }
            Self::SetIdempotence((db, key), duration_s, per_producer_max) => {
                txn.set_idempotence(*db, key, *duration_s, *per_producer_max)
            }
            Self::RecordProduction((db, key), iid, id) => {
                let production = Production { producer: b"p", iid };
                txn.record_production(*db, key, production, *id)
            }
            Self::SetRetention((db, key), retention) => txn.set_retention(*db, key, *retention),
            Self::Read(request) => txn.read(&mut request.clone()).map(|_| ()),
            Self::Schedule((db, key), due_ms) => {
                let value = txn.now().monotonic_ms.to_string();
                txn.schedule(*db, key, *due_ms, &[b"delayed", value.as_bytes()]).map(|_| ())
            }
            Self::Unschedule((db, key), which, is_run) => {
                unschedule(txn, (*db, key), *which, *is_run)
            }
            Self::CreateGroup(..)
            | Self::SetGroupPosition(..)
            | Self::DestroyGroup(..)
            | Self::CreateConsumer(..)
            | Self::SetPolicy(..)
            | Self::Skip(..)
            | Self::DeadLetters(..)
            | Self::DeleteConsumer(..) => self.run_on_groups(txn),
            Self::Acknowledge(..)
            | Self::AcknowledgeAndDelete(..)
            | Self::Nack(..)
            | Self::Claim(..)
            | Self::AutoClaim(..) => self.run_on_pending(txn),
            _ => self.run_on_keys(txn),
        }
    }

    fn run_on_groups(&self, txn: &mut Transaction<'_>) -> Result<(), Rejection> {
        match self {
            Self::CreateGroup((db, key), group, position, read) => {
                txn.create_group(*db, key, group, *position, true, *read)
            }
            Self::SetGroupPosition((db, key), group, position, read) => {
                txn.set_group_position(*db, key, group, *position, *read)
            }
            Self::DestroyGroup((db, key), group) => txn.destroy_group(*db, key, group).map(|_| ()),
            Self::SetPolicy((db, key), group, policy) => {
                txn.set_group_policy(*db, key, group, policy.clone())
            }
            Self::Skip((db, key), group, id) => txn.skip(*db, key, group, *id).map(|_| ()),
            Self::DeadLetters(db, key, action) => {
                let filter = LetterFilter {
                    ids: None,
                    group: None,
                    reason: None,
                    consumer: None,
                    min_age_ms: 0,
                    count: 5,
                    cursor: EntryId::MIN,
                };
                txn.dead_letters(*db, key, *action, &filter, false).map(|_| ())
            }
            Self::CreateConsumer((db, key), group, consumer) => {
                txn.create_consumer(*db, key, group, consumer).map(|_| ())
            }
            Self::DeleteConsumer((db, key), group, consumer) => {
                txn.delete_consumer(*db, key, group, consumer).map(|_| ())
            }
            _ => unreachable!("not an operation on groups"),
        }
    }

    fn run_on_pending(&self, txn: &mut Transaction<'_>) -> Result<(), Rejection> {
        match self {
            Self::Acknowledge((db, key), group, ids) => {
                txn.acknowledge(*db, key, group, ids).map(|_| ())
            }
            Self::AcknowledgeAndDelete((db, key), group, references, ids) => {
                txn.acknowledge_and_delete(*db, key, group, *references, ids).map(|_| ())
            }
            Self::Nack((db, key), group, nack, ids) => {
                txn.nack(*db, key, group, nack, ids).map(|_| ())
            }
            Self::Claim((db, key), group, consumer, options, ids) => {
                txn.claim(*db, key, group, consumer, options, ids).map(|_| ())
            }
            Self::AutoClaim((db, key), group, consumer, min_idle_ms, count, just_ids) => {
                let (start, min_idle_ms) = (EntryId::MIN, *min_idle_ms);
                txn.autoclaim(*db, key, group, consumer, min_idle_ms, start, *count, *just_ids)
                    .map(|_| ())
            }
            _ => unreachable!("not an operation on pending entries"),
        }
    }

    fn run_on_keys(&self, txn: &mut Transaction<'_>) -> Result<(), Rejection> {
        let value = || Bytes::from_static(b"text");
        match self {
            Self::SetString((db, key), expiry) => txn.set_string(*db, key, value(), *expiry),
            Self::ReplaceString((db, key)) => {
                txn.replace_string(*db, key, value(), StringForm::Any)?
            }
            Self::Remove((db, key)) => {
                txn.remove(*db, key);
            }
            Self::SetExpiry((db, key), at_ms, condition) => {
                txn.set_expiry(*db, key, *at_ms, *condition);
            }
            Self::Persist((db, key)) => {
                txn.persist(*db, key);
            }
            Self::Rename((db, from), to, only_if_free) => {
                txn.rename(*db, from, to, *only_if_free)?;
            }
            Self::AppendString((db, key)) => {
                txn.append_to_string(*db, key, b"more")?;
            }
            Self::Copy(from, to, replaces) => match txn.copy_key(*from, *to, *replaces) {
                Ok(_) | Err(CopyError::Taken) => {}
                // The disk is as small as that; nothing was changed.
                Err(CopyError::NoRoom { .. }) => {}
                Err(CopyError::Rejected(rejection)) => return Err(rejection),
                Err(error) => panic!("{error}"),
            },
            Self::Move((db, key)) => {
                txn.move_key(*db, 1 - *db, key);
            }
            Self::DumpAndRestore((db, key), (to_db, to), expires_at_ms, replaces) => {
                let Some(image) = txn.dump(*db, key)? else { return Ok(()) };
                match txn.restore(*to_db, to, &image, *expires_at_ms, *replaces) {
                    Ok(()) | Err(CopyError::Taken | CopyError::NoRoom { .. }) => {}
                    Err(error) => panic!("{error}"),
                }
            }
            Self::Flush(db) => txn.flush(*db),
            Self::Swap => txn.swap_databases(0, 1),
            _ => unreachable!("not an operation on keys"),
        }
        Ok(())
    }
}

fn unschedule(
    txn: &mut Transaction<'_>,
    (db, key): Place,
    which: u64,
    is_run: bool,
) -> Result<(), Rejection> {
    let schedule = txn.stream(db, key)?.and_then(|stream| stream.schedule());
    let tokens = schedule.into_iter().flat_map(|schedule| schedule.after(None));
    let chosen = (0..64).zip(tokens).filter(|(at, _)| which >> (at % 8) & 1 == 1);
    let tokens: Vec<_> = chosen.map(|(_, token)| token).collect();
    if !is_run {
        return txn.cancel_scheduled(db, key, &tokens).map(|_| ());
    }
    match txn.run_scheduled(db, key, &tokens) {
        Ok(_) | Err(RunError::NoRoom { .. }) => Ok(()),
        Err(RunError::Rejected(rejection)) => Err(rejection),
    }
}
