//! What workers and those who look after groups send.

use super::Roller;
use crate::command::{
    AutoClaim, Claim, Command, DeliveredAt, Fence, From, NackMode, OnGroups, PendingList, Read,
    Reader, Text,
};
use crate::id::Id;

impl Roller<'_> {
    /// Reads, and settles what was read.
    pub(super) fn work(&mut self) -> Command {
        let (key, group, consumer) = (self.stream_key(), self.group(), self.consumer());
        let has_group = self.stream(&key).is_some_and(|stream| stream.groups.contains_key(&group));
        // Without a group most of what follows finds nothing to do.
        if !has_group && !self.is_misplaced(&key) && self.dice.once_in(2) {
            let at = Some(if self.dice.once_in(3) { self.id_near(&key) } else { Id::MIN });
            return Command::Groups(self.create(key, group, at, true, None));
        }
        // So that what is held comes out: somebody settles what it waits for, or reads.
        let roll = match self.dice.roll(if self.favours_order { 90 } else { 48 }) {
            48..=69 => 17,
            70.. => 0,
            roll => roll,
        };
        let command = match roll {
            45.. => return self.look_after_letters(),
            40..=44 => self.nack(key, group, &consumer),
            0..=14 => return Command::Read(self.read_for_group(key, group, consumer)),
            15 | 16 => return Command::Read(self.read_plain(key)),
            17..=24 => {
                let ids = self.pending_ids(&key, &group, Some(&consumer));
                let fence = self.dice.once_in(4).then(|| Fence {
                    consumer,
                    attempt: self.dice.sometimes(2, |dice| 1 + dice.roll(3)),
                });
                OnGroups::Ack { key, group, fence, ids }
            }
            25..=27 => {
                let ids = self.pending_ids(&key, &group, Some(&consumer));
                OnGroups::AckDelete(key, group, self.references(), ids)
            }
            28..=30 => self.nack(key, group, &consumer),
            31..=34 => self.claim(key, group, consumer),
            _ => OnGroups::AutoClaim(AutoClaim {
                start: if self.dice.once_in(2) { Id::MIN } else { self.id_near(&key) },
                key,
                group,
                consumer,
                min_idle_ms: self.dice.roll(40),
                count: 1 + self.dice.index(4),
                just_ids: self.dice.once_in(4),
            }),
        };
        Command::Groups(command)
    }

    fn from(&mut self, key: &[u8], is_for_group: bool) -> From {
        match self.dice.roll(8) {
            0 => From::After(Id::MIN),
            1 => From::After(self.id_near(key)),
            _ if is_for_group => From::New,
            2 => From::Last,
            3 | 4 => From::After(self.id_near(key)),
            _ => From::End,
        }
    }

    fn streams(&mut self, key: Text, is_for_group: bool) -> Vec<(Text, From)> {
        let keys = if self.dice.once_in(6) { self.two_keys() } else { vec![key] };
        let with_start = |key: Text| {
            let from = self.from(&key, is_for_group);
            (key, from)
        };
        keys.into_iter().map(with_start).collect()
    }

    fn read_for_group(&mut self, key: Text, group: Text, consumer: Text) -> Read {
        let reader = Reader {
            group,
            consumer,
            noack: self.dice.once_in(8),
            claim_min_idle_ms: self.dice.sometimes(4, |dice| dice.roll(60)),
        };
        Read { group: Some(reader), ..self.read(key, true) }
    }

    fn read_plain(&mut self, key: Text) -> Read {
        self.read(key, false)
    }

    fn read(&mut self, key: Text, is_for_group: bool) -> Read {
        let count = self.dice.sometimes(3, |_| ()).is_none().then(|| 1 + self.dice.index(4));
        let total = self.dice.sometimes(6, |dice| dice.index(4) + 1);
        let block_ms =
            self.dice.sometimes(2, |dice| if dice.once_in(8) { 0 } else { 1 + dice.roll(400) });
        Read {
            group: None,
            streams: self.streams(key, is_for_group),
            count,
            // At least COUNT, as the grammar wants it.
            count_total: total.map(|total| total.max(count.unwrap_or(1))),
            block_ms,
        }
    }

    fn nack(&mut self, key: Text, group: Text, consumer: &[u8]) -> OnGroups {
        let ids = self.pending_ids(&key, &group, Some(consumer));
        let mode = self.dice.pick(&[NackMode::Silent, NackMode::Fail, NackMode::Fatal]);
        let count = self.dice.sometimes(6, |dice| dice.pick(&[0, 1, 2, 3, 5_000_000_000]));
        let force = self.dice.once_in(4);
        let is_managed = self.stream(&key).is_some_and(|stream| stream.is_managed(&group));
        let says_more = is_managed || self.dice.once_in(20);
        let delays = [0, 1, 10, 30, 30, 100, 300, u64::MAX >> 1];
        let delay_ms = self.dice.sometimes(2, |dice| dice.pick(&delays));
        let error = self.dice.sometimes(2, |dice| {
            let length = if dice.once_in(20) { 5000 } else { dice.index(8) };
            b"why \"x\\ ".iter().copied().cycle().take(length).collect()
        });
        let is_fatal = matches!(mode, NackMode::Fatal);
        OnGroups::Nack {
            key,
            group,
            mode,
            count,
            force,
            delay_ms: delay_ms.filter(|_| says_more && !is_fatal),
            error: error.filter(|_| says_more),
            ids,
        }
    }

    fn claim(&mut self, key: Text, group: Text, consumer: Text) -> OnGroups {
        let ids = self.pending_ids(&key, &group, None);
        let steady_ms = self.now.steady_ms as i64;
        let delivered_at = match self.dice.roll(6) {
            0 => Some(DeliveredAt::Idle(self.dice.roll(200) as i64 - 20)),
            1 => Some(DeliveredAt::Time(steady_ms - 150 + self.dice.roll(200) as i64)),
            _ => None,
        };
        let last_id = self.dice.once_in(6).then(|| self.id_near(&key));
        OnGroups::Claim(Claim {
            key,
            group,
            consumer,
            min_idle_ms: self.dice.roll(40),
            ids,
            delivered_at,
            retry_count: self.dice.sometimes(4, |dice| dice.roll(5)),
            force: self.dice.once_in(3),
            just_ids: self.dice.once_in(4),
            is_fenced: self.dice.once_in(4),
            last_id,
        })
    }

    fn create(
        &mut self,
        key: Text,
        group: Text,
        at: Option<Id>,
        make_stream: bool,
        read: Option<u64>,
    ) -> OnGroups {
        let mut policy = (!self.dice.once_in(3)).then(|| self.policy_change());
        // Later it can be set only while nothing is pending.
        if self.favours_order || !self.dice.once_in(3) {
            let order_by = self.order_by();
            let change = policy.get_or_insert_default();
            change.order_by = Some(order_by);
            change.is_paused = None;
        }
        OnGroups::Create { key, group, at, make_stream, read, policy }
    }

    /// Mostly of what is held or pending.
    fn skip(&mut self, key: Text, group: Text) -> OnGroups {
        let found = self.stream(&key).and_then(|stream| stream.groups.get(&group));
        let held: Vec<Id> =
            found.into_iter().flat_map(|group| group.order.held.iter().copied()).collect();
        let id = match self.dice.roll(8) {
            0 => self.id_near(&key),
            1..=4 if !held.is_empty() => held[self.dice.index(held.len())],
            _ => self.pending_ids(&key, &group, None)[0],
        };
        OnGroups::Skip(key, group, id)
    }

    /// Groups come and go, and are looked at.
    pub(super) fn manage(&mut self) -> Command {
        let (key, group, consumer) = (self.stream_key(), self.group(), self.consumer());
        let at = match self.dice.roll(4) {
            0 => None,
            1 => Some(self.id_near(&key)),
            _ => Some(Id::MIN),
        };
        let read = self.dice.sometimes(4, |dice| dice.roll(20));
        Command::Groups(match self.dice.roll(50) {
            46.. => self.skip(key, group),
            42..=45 => return self.look_after_letters(),
            41 => OnGroups::Policy(key, group),
            30..=40 => OnGroups::SetPolicy(key, group, self.policy_change()),
            0..=11 => {
                let make_stream = self.dice.once_in(3);
                self.create(key, group, at, make_stream, read)
            }
            12..=14 => OnGroups::SetPosition { key, group, at, read },
            15 | 16 => OnGroups::Destroy(key, group),
            17 | 18 => OnGroups::CreateConsumer(key, group, consumer),
            19 => OnGroups::DeleteConsumer(key, group, consumer),
            20..=22 => OnGroups::Pending(key, group, None),
            23..=25 => {
                let (a, b) = (self.id_near(&key), self.id_near(&key));
                let is_whole = self.dice.once_in(2);
                let list = PendingList {
                    min_idle_ms: self.dice.sometimes(2, |dice| dice.roll(60)),
                    from: if is_whole { Id::MIN } else { a.min(b) },
                    to: if is_whole { Id::MAX } else { a.max(b) },
                    count: 1 + self.dice.index(20),
                    consumer: self.dice.once_in(2).then_some(consumer),
                };
                OnGroups::Pending(key, group, Some(list))
            }
            26 | 27 => OnGroups::Groups(key),
            _ => OnGroups::Consumers(key, group),
        })
    }
}
