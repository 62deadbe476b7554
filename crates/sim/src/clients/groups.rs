//! What workers and those who look after groups send.

use super::Roller;
use crate::command::{
    AutoClaim, Claim, Command, DeliveredAt, From, NackMode, OnGroups, PendingList, PolicyChange,
    Read, Reader, Text,
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
            let create = OnGroups::Create { key, group, at, make_stream: true, read: None };
            return Command::Groups(create);
        }
        let command = match self.dice.roll(40) {
            0..=14 => return Command::Read(self.read_for_group(key, group, consumer)),
            15 | 16 => return Command::Read(self.read_plain(key)),
            17..=24 => {
                let ids = self.pending_ids(&key, &group, Some(&consumer));
                OnGroups::Ack(key, group, ids)
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
        let count = self.dice.sometimes(4, |dice| dice.roll(6_000_000_000));
        OnGroups::Nack { key, group, mode, count, force: self.dice.once_in(4), ids }
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
            last_id,
        })
    }

    /// One item at least.
    fn policy_change(&mut self) -> PolicyChange {
        let mut change = PolicyChange {
            visibility_ms: self.dice.sometimes(2, |dice| dice.pick(&[0, 1, 20, 100])),
            drops: self.dice.sometimes(3, |dice| dice.pick(&[None, Some(true), Some(false)])),
            is_paused: None,
        };
        // Rarely on, so that not everything stands still.
        if self.dice.once_in(3) || (change.visibility_ms.is_none() && change.drops.is_none()) {
            change.is_paused = Some(self.dice.once_in(4));
        }
        change
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
        Command::Groups(match self.dice.roll(34) {
            30.. => OnGroups::SetPolicy(key, group, self.policy_change()),
            0..=11 => {
                let make_stream = self.dice.once_in(3);
                OnGroups::Create { key, group, at, make_stream, read }
            }
            12..=14 => OnGroups::SetPosition { key, group, at, read },
            15 => OnGroups::Destroy(key, group),
            16..=18 => OnGroups::CreateConsumer(key, group, consumer),
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
