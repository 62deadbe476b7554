//! Taking messages: new ones, those that others left, and those that were ours already.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use redis::{Cmd, cmd};
use tokio::sync::mpsc::UnboundedSender;
use tokio::time::{Instant, sleep, timeout};

use super::leases::known_idle;
use super::method::Method;
use super::room::Place;
use super::worker::{Taken, Worker};
use crate::backend::Reader;
use crate::milliseconds::milliseconds;
use crate::reply::{Entry, NotUnderstood, PendingRow};
use crate::{Backoff, EntryId, Error, Message, reply};

/// With CLAIM a read says how often entries were delivered; nothing is idle for so long.
const NEVER_IDLE_MS: u64 = 1 << 52;
/// How often a worker looks for what others left, as a part of the time after which it may.
const LOOKS_PER_IDLE: u32 = 4;
const LOOK_INTERVAL_MAX: Duration = Duration::from_secs(1);
/// Between tries to reach the server.
const RECONNECT: Backoff = Backoff {
    base: Duration::from_millis(50),
    factor: 2.0,
    max: Duration::from_secs(5),
    jitter: 0.5,
};
/// At the end a server has so long to hear that it is to answer a read, and the answer to arrive.
const ARRIVAL_LIMIT: Duration = Duration::from_secs(5);

/// What the reading task remembers from one read to the next.
pub(super) struct Reading {
    queue: UnboundedSender<Vec<Taken>>,
    /// Where XAUTOCLAIM goes on.
    cursors: Vec<EntryId>,
    next_look: Instant,
    /// What is pending for us was not all found since we connected.
    must_recover: bool,
}

/// An entry of one of the streams, and how often it was delivered before.
struct Delivered {
    stream: usize,
    entry: Entry,
    before: u64,
}

impl Reading {
    fn queue(&self, some: Vec<Taken>) {
        if !some.is_empty() {
            // Nobody listens any more: they are pending, and come back.
            _ = self.queue.send(some);
        }
    }
}

/// Errors that waiting does not help.
pub(super) fn is_final(error: &Error) -> bool {
    match error {
        Error::Configuration(_) | Error::Unsupported { .. } | Error::Store(_) => true,
        Error::Refused { code, .. } => {
            matches!(&**code, "WRONGTYPE" | "NOPERM" | "NOAUTH" | "WRONGPASS")
        }
        _ => false,
    }
}

impl Worker {
    /// Reads until told to stop.
    pub(super) async fn read_all(
        self: Arc<Self>,
        queue: UnboundedSender<Vec<Taken>>,
    ) -> Result<(), Error> {
        let mut reading = Reading {
            queue,
            cursors: vec![EntryId::ZERO; self.origins.len()],
            next_look: Instant::now(),
            must_recover: !self.settings.is_no_ack,
        };
        let mut reader = None;
        while !self.stop.is_cancelled() {
            let error = match self.read_once(&mut reading, &mut reader).await {
                Ok(()) => {
                    self.counters.note_poll();
                    continue;
                }
                Err(error) => error,
            };
            let is_gone = matches!(error, Error::NoGroup(_));
            if is_final(&error) || (is_gone && self.settings.must_exist) {
                self.stop.cancel();
                return Err(error);
            }
            let failures = self.counters.note_failed_poll();
            tracing::warn!("cannot read, will try again: {error}");
            if is_gone {
                // Fails as reading does, and is tried again as that is.
                _ = self.make_groups().await;
            }
            if matches!(error, Error::Connection(_)) {
                reader = None;
            }
            // What we have may be pending twice, or not at all: after a failover the server may
            // have forgotten deliveries and acknowledgements.
            reading.must_recover = !self.settings.is_no_ack;
            tokio::select! {
                () = self.stop.cancelled() => {}
                () = sleep(RECONNECT.after_at_random(failures)) => {}
            }
        }
        Ok(())
    }

    async fn read_once(
        &self,
        reading: &mut Reading,
        reader: &mut Option<Box<dyn Reader>>,
    ) -> Result<(), Error> {
        let reader = match reader {
            Some(reader) => reader,
            None => reader
                .insert(self.millstream.backend().reader(self.origins[0].stream.as_bytes()).await?),
        };
        if reading.must_recover {
            for stream in 0..self.origins.len() {
                match self.order {
                    Some(_) => self.take_over(reading).await?,
                    None => self.recover(reading, stream).await?,
                }
            }
            reading.must_recover = false;
        }
        if self.method.looks() && !self.settings.is_no_ack && Instant::now() >= reading.next_look {
            let mut found_some = false;
            for stream in 0..self.origins.len() {
                found_some |= self.look(reading, stream).await?;
            }
            if !found_some {
                reading.next_look = Instant::now() + self.look_interval();
            }
        }
        self.read_new(reading, &mut **reader).await
    }

    /// How much there is room for; waits until it is worth a read: as many as one may bring, or all
    /// that wait for their turn. `None`: the worker ends.
    async fn free_places(&self) -> Option<usize> {
        let settings = &self.settings;
        let wanted = settings.count.min(settings.prefetch.unwrap_or(settings.count)).max(1);
        tokio::select! {
            biased;
            () = self.stop.cancelled() => None,
            () = self.wait_for_room(wanted) => {
                // Others only take places for what they had before, which is no harm.
                Some(self.room.free().clamp(1, self.settings.count))
            }
        }
    }

    /// While there is enough to do nothing is polled, and nothing is wrong with that.
    async fn wait_for_room(&self, wanted: usize) {
        if self.room.free() < wanted {
            self.counters.set_busy(true);
            self.room.wait_for(wanted).await;
            self.counters.set_busy(false);
        }
    }

    async fn read_new(&self, reading: &mut Reading, reader: &mut dyn Reader) -> Result<(), Error> {
        let Some(room) = self.free_places().await else { return Ok(()) };
        let block = self.block(reading);
        let asked = Instant::now();
        let unblock = reader.unblock();
        let mut answer = std::pin::pin!(self.read_some(reader, room, block));
        let end = async {
            self.stop.cancelled().await;
            // What is delivered meanwhile must arrive, to be given back. A server that is away may
            // keep it: it is pending for us, then.
            _ = timeout(ARRIVAL_LIMIT, unblock).await;
            sleep(ARRIVAL_LIMIT).await;
        };
        let streams = tokio::select! {
            answer = &mut answer => answer?,
            () = end => return Ok(()),
        };
        let mut all = Vec::new();
        for (key, entries) in streams {
            let of = self.origins.iter().position(|origin| origin.stream.as_bytes() == key);
            let stream = of.ok_or(Error::Answer("XREADGROUP"))?;
            if self.order.is_some() {
                self.take_in_order(reading, entries, asked).await?;
                continue;
            }
            all.extend(entries.into_iter().map(|entry| Delivered {
                stream,
                before: entry.deliveries_before.unwrap_or(0),
                entry,
            }));
        }
        self.take_all(reading, all, asked).await
    }

    /// What there is, by stream; waits for it.
    async fn read_some(
        &self,
        reader: &mut dyn Reader,
        room: usize,
        block: Duration,
    ) -> Result<Vec<(Bytes, Vec<Entry>)>, Error> {
        let has_max_count = self.millstream.abilities().has_max_count;
        if self.settings.is_strict() && self.origins.len() > 1 && !has_max_count {
            return self.read_strictly(reader, room, block).await;
        }
        let answer = reader.read(&self.read_command(room, block), block).await?;
        reply::read(answer).map_err(NotUnderstood::of("XREADGROUP"))
    }

    /// A worker that looks for what others left does not wait longer than to its next look; one
    /// that has its stream alone not as long as it has that, should it not hear that it is over.
    fn block(&self, reading: &Reading) -> Duration {
        let block = self.settings.block;
        if let Some(order) = &self.order {
            return block.min(order.left() / 2).max(Duration::from_millis(1));
        }
        if !self.method.looks() {
            return block;
        }
        let until = reading.next_look.saturating_duration_since(Instant::now());
        block.min(until.max(Duration::from_millis(1)))
    }

    fn look_interval(&self) -> Duration {
        (self.settings.claim_min_idle / LOOKS_PER_IDLE).min(LOOK_INTERVAL_MAX)
    }

    fn read_command(&self, room: usize, block: Duration) -> Cmd {
        let settings = &self.settings;
        let streams = self.origins.len();
        let mut command = cmd("XREADGROUP");
        command.arg(&["GROUP", &settings.group, &settings.name]);
        if self.millstream.abilities().has_max_count {
            command.arg("MAXCOUNT").arg(room);
        }
        // Of each stream. Where the first go before the others they may have all.
        let each = if settings.is_strict() { room } else { (room / streams).max(1) };
        command.arg("COUNT").arg(each);
        command.arg("BLOCK").arg(milliseconds(block).max(1));
        match self.method {
            _ if settings.is_no_ack => _ = command.arg("NOACK"),
            Method::Policy if self.has_times => _ = command.arg("CLAIM").arg(NEVER_IDLE_MS),
            Method::Policy | Method::Claim => {
                command.arg("CLAIM").arg(milliseconds(settings.claim_min_idle));
            }
            Method::AutoClaim | Method::PendingAndClaim | Method::Leased => {}
        }
        command.arg("STREAMS");
        for origin in &self.origins {
            command.arg(&origin.stream);
        }
        for _ in 0..streams {
            command.arg(">");
        }
        command
    }

    /// Puts an entry that was delivered to us into the queue.
    pub(super) async fn take(
        &self,
        reading: &Reading,
        stream: usize,
        entry: Entry,
        before: u64,
        asked: Instant,
    ) -> Result<(), Error> {
        self.take_all(reading, vec![Delivered { stream, entry, before }], asked).await
    }

    /// Puts entries that were delivered to us into the queue. All of them are in hand before one
    /// waits for its place, so that none loses its lease meanwhile; and what becomes of one keeps
    /// none of the others back, which would be delivered, and counted, once more.
    async fn take_all(
        &self,
        reading: &Reading,
        mut all: Vec<Delivered>,
        asked: Instant,
    ) -> Result<(), Error> {
        let is_there = |it: &Delivered| it.entry.fields.is_some();
        let known = Instant::now();
        let key = |it: &Delivered| is_there(it).then_some((it.stream, it.entry.id));
        self.in_hand.take(&mut all, key, asked, known);
        self.counters.taken.add(all.iter().filter(|it| is_there(it)).count() as u64);
        let (mut done, mut taken) = (Ok(()), Vec::with_capacity(all.len()));
        for Delivered { stream, entry, before } in all {
            let Some(payload) = entry.fields else {
                // It was deleted: nothing can be done but to forget it.
                done = done.and(self.forget(stream, entry.id).await);
                continue;
            };
            let origin = Arc::clone(&self.origins[stream]);
            let message = Message { origin, id: entry.id, payload, deliveries: before + 1 };
            if self.method != Method::Policy && message.deliveries > self.tries(stream) {
                done = done.and(self.bury_at_last((stream, entry.id), &message).await);
                continue;
            }
            let place = match self.room.try_place() {
                Some(place) => Some(place),
                None => {
                    reading.queue(std::mem::take(&mut taken));
                    self.place().await
                }
            };
            taken.push(Taken { stream, message, place, is_again: false, is_counted: true });
        }
        reading.queue(taken);
        done
    }

    /// A place for what was taken already. There may be more of that than places for a moment: then
    /// reading waits. `None`: the worker ends.
    async fn place(&self) -> Option<Place> {
        self.counters.set_busy(true);
        let place = tokio::select! {
            biased;
            place = self.room.place() => Some(place),
            () = self.stop.cancelled() => None,
        };
        self.counters.set_busy(false);
        place
    }

    async fn forget(&self, stream: usize, id: EntryId) -> Result<(), Error> {
        let mut command = cmd("XACK");
        let origin = &self.origins[stream];
        command.arg(&[&*origin.stream, &*origin.group]).arg(id);
        self.millstream.run(&command).await.map(drop)
    }

    /// Takes what is pending for us and not in hand: of an earlier run, or lost on its way.
    async fn recover(&self, reading: &Reading, stream: usize) -> Result<(), Error> {
        let origin = &self.origins[stream];
        let mut from = "-".to_owned();
        loop {
            let Some(room) = self.free_places().await else { return Ok(()) };
            let mut pending = cmd("XPENDING");
            pending.arg(&[&*origin.stream, &*origin.group, &*from, "+"]);
            pending.arg(self.settings.count).arg(&*origin.consumer);
            let rows = self.pending_rows(&pending).await?;
            let Some(last) = rows.last() else { return Ok(()) };
            from = format!("({}", last.id);
            let is_ours = |row: &&PendingRow| !self.in_hand.has((stream, row.id));
            let mut ours: Vec<&PendingRow> = rows.iter().filter(is_ours).collect();
            if self.method == Method::Policy {
                // The server buries what was delivered too often.
                ours.retain(|row| row.deliveries < self.tries(stream));
            }
            for some in ours.chunks(room) {
                self.claim(reading, stream, some, Duration::ZERO).await?;
            }
        }
    }

    /// Takes over some of what nobody was heard of for long; returns whether there may be more.
    async fn look(&self, reading: &mut Reading, stream: usize) -> Result<bool, Error> {
        let Some(room) = self.free_places().await else { return Ok(false) };
        let origin = &self.origins[stream];
        let min_idle_ms = milliseconds(self.settings.claim_min_idle);
        let asked = Instant::now();
        if self.method == Method::PendingAndClaim {
            let mut pending = cmd("XPENDING");
            pending.arg(&[&*origin.stream, &*origin.group, "IDLE"]).arg(min_idle_ms);
            pending.arg(&["-", "+"]).arg(room);
            let rows = self.pending_rows(&pending).await?;
            let all: Vec<&PendingRow> = rows.iter().collect();
            self.claim(reading, stream, &all, self.settings.claim_min_idle).await?;
            return Ok(rows.len() == room);
        }
        let mut command = cmd("XAUTOCLAIM");
        command.arg(&[&*origin.stream, &*origin.group, &*origin.consumer]).arg(min_idle_ms);
        command.arg(reading.cursors[stream]).arg("COUNT").arg(room);
        let answer = self.millstream.run(&command).await?;
        let (cursor, entries) =
            reply::auto_claim(answer).map_err(NotUnderstood::of("XAUTOCLAIM"))?;
        reading.cursors[stream] = cursor;
        if let (Some(first), Some(last)) = (entries.first(), entries.last()) {
            // The answer does not say how often these were delivered.
            let mut pending = cmd("XPENDING");
            pending.arg(&[&*origin.stream, &*origin.group]);
            pending.arg(first.id).arg(last.id);
            // Ours between them that are in hand count, too.
            pending.arg(entries.len() + self.in_hand.len()).arg(&*origin.consumer);
            let rows = self.pending_rows(&pending).await?;
            let all = entries.into_iter().map(|entry| {
                let row = rows.iter().find(|row| row.id == entry.id);
                let before = row.map_or(1, |row| row.deliveries.saturating_sub(1));
                Delivered { stream, entry, before }
            });
            self.take_all(reading, all.collect(), asked).await?;
        }
        Ok(cursor != EntryId::ZERO)
    }

    async fn claim(
        &self,
        reading: &Reading,
        stream: usize,
        rows: &[&PendingRow],
        min_idle: Duration,
    ) -> Result<(), Error> {
        if rows.is_empty() {
            return Ok(());
        }
        let asked = Instant::now();
        let command = self.claim_command(stream, min_idle, rows.iter().map(|row| row.id));
        let answer = self.millstream.run(&command).await?;
        let entries = reply::entries(answer).map_err(NotUnderstood::of("XCLAIM"))?;
        let all = entries.into_iter().map(|entry| {
            let row = rows.iter().find(|row| row.id == entry.id);
            Delivered { stream, before: row.map_or(1, |row| row.deliveries), entry }
        });
        self.take_all(reading, all.collect(), asked).await
    }

    /// XCLAIM of these for this consumer; options come behind it.
    pub(super) fn claim_command(
        &self,
        stream: usize,
        min_idle: Duration,
        ids: impl Iterator<Item = EntryId>,
    ) -> Cmd {
        let origin = &self.origins[stream];
        let mut command = cmd("XCLAIM");
        command.arg(&[&*origin.stream, &*origin.group, &*origin.consumer]);
        command.arg(milliseconds(min_idle));
        ids.for_each(|id| _ = command.arg(id));
        command
    }

    pub(super) async fn pending_rows(&self, command: &Cmd) -> Result<Vec<PendingRow>, Error> {
        let answer = self.millstream.run(command).await?;
        reply::pending_rows(answer).map_err(NotUnderstood::of("XPENDING"))
    }

    /// Has a message that failed delivered once more, if it is still ours. Tries on while the
    /// server is away.
    pub(super) async fn take_again(&self, taken: &Taken) -> Option<Message> {
        let Taken { stream, ref message, is_counted, .. } = *taken;
        let key = (stream, message.id);
        for failures in 1.. {
            let asked = Instant::now();
            // An answer that was lost may have been that it is ours, since a moment ago.
            let is_again = failures > 1 && self.is_ours(stream, message).await.unwrap_or(false);
            let idle = if is_again { Duration::ZERO } else { self.in_hand.idle(key) };
            let min_idle = known_idle(idle);
            let mut command = self.claim_command(stream, min_idle, [message.id].into_iter());
            let deliveries = message.deliveries + u64::from(is_counted);
            if !is_counted {
                command.arg("RETRYCOUNT").arg(deliveries);
            }
            let answer = self.millstream.run(&command).await;
            match answer.and_then(|it| reply::entries(it).map_err(NotUnderstood::of("XCLAIM"))) {
                Ok(entries) => {
                    let payload = entries.into_iter().next().and_then(|entry| entry.fields)?;
                    self.in_hand.renew(key, asked);
                    let (origin, id) = (Arc::clone(&message.origin), message.id);
                    return Some(Message { origin, id, payload, deliveries });
                }
                Err(Error::NoGroup(_)) => return None,
                Err(error) => tracing::warn!("cannot try again yet: {error}"),
            }
            tokio::select! {
                () = self.stop.cancelled() => return None,
                () = sleep(RECONNECT.after_at_random(failures)) => {}
            }
        }
        None
    }
}
