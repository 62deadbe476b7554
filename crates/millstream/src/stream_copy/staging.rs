//! The copy in the making, under a key of its own.
//!
//! A pending record can be made only of an entry that is there. Of one that is not in the source
//! any more, an entry without meaning takes the place until the record is made, and goes then: at
//! the beginning of the stream by a trim, which leaves no trace, and between others by XDEL, whose
//! trace (`max-deleted-entry-id`) the source has as well.

use bytes::Bytes;
use redis::{Cmd, Pipeline, Value, cmd, pipe};

use super::StreamCopyError;
use super::cut::{Cut, GroupCut, Setting, read_now_ms};
use super::entry_pages::bytes_of;
use super::note::CopyNote;
use super::pending_pages::Row;
use super::pieces::Piece;
use super::staging_key::staging_key;
use crate::reply::{self, NotUnderstood};
use crate::{EntryId, Error, GroupPolicy, Millstream, StreamManager};

/// So much is sent in one go.
const SENT_COMMANDS_MAX: usize = 2000;
const SENT_BYTES_MAX: u64 = 4 << 20;
/// Ids in one command that makes pending records alike.
const CLAIMED_AT_ONCE: usize = 500;
/// Made for a moment where the stream has no group that could make it.
const NO_GROUP: &str = "millstream-copy";

#[derive(Debug)]
pub(super) struct Staging {
    target: Millstream,
    key: Vec<u8>,
    to: Bytes,
    groups: Vec<Bytes>,
    has_entry: bool,
    /// Whether the target has the counters of Redis 7.0.
    has_counters: bool,
    /// Of entries that were deleted again.
    highest_deleted: Option<EntryId>,
    /// Of each group: records that were not taken, and the first of them.
    lost: Vec<Option<(u64, EntryId)>>,
    commands: Pipeline,
    claims: Vec<Option<Claims>>,
    bytes: u64,
}

/// Of which records an answer speaks.
#[derive(Debug)]
struct Claims {
    group: usize,
    ids: Vec<EntryId>,
}

impl Staging {
    pub(super) fn new(target: &Millstream, to: &Bytes) -> Self {
        Self {
            target: target.clone(),
            key: staging_key(to),
            to: to.clone(),
            groups: Vec::new(),
            has_entry: false,
            has_counters: true,
            highest_deleted: None,
            lost: Vec::new(),
            commands: pipe(),
            claims: Vec::new(),
            bytes: 0,
        }
    }

    pub(super) fn key(&self) -> &[u8] {
        &self.key
    }

    /// Makes the stream with its groups and consumers, without entries.
    pub(super) async fn begin(&mut self, cut: &Cut) -> Result<(), Error> {
        self.discard().await?;
        self.groups = cut.groups.iter().map(|group| group.name.clone()).collect();
        self.lost = vec![None; self.groups.len()];
        if cut.groups.is_empty() {
            self.send(self.group("CREATE", NO_GROUP.as_bytes()).arg("0").arg("MKSTREAM")).await?;
            self.send(&self.group("DESTROY", NO_GROUP.as_bytes())).await?;
        }
        for group in &cut.groups {
            self.begin_group(group).await?;
        }
        self.flush().await?;
        let info = StreamManager::new(&self.target, &self.key).info().await?;
        self.has_counters = info.is_some_and(|info| info.entries_added.is_some());
        Ok(())
    }

    async fn begin_group(&mut self, group: &GroupCut) -> Result<(), Error> {
        let name = &group.name[..];
        self.send(self.group("CREATE", name).arg(group.last_delivered).arg("MKSTREAM")).await?;
        if self.target.abilities().has_policies {
            // What the server's configuration says of new groups is for another key than this.
            let mut command = self.group("CFGSET", name);
            GroupPolicy::default().all_items(&mut command);
            self.send(&command).await?;
            // These change nothing by themselves. They may be refused, and an order cannot be set
            // once something is pending.
            let is_early = |(name, value): &&Setting| {
                matches!(&name[..], b"ORDERBY" | b"DEADLETTER") && value[..] != [&b"NONE"[..]]
            };
            let early: Vec<_> = group.policy.iter().filter(is_early).collect();
            if !early.is_empty() {
                self.send(&with_settings(self.group("CFGSET", name), early)).await?;
            }
        }
        for consumer in &group.consumers {
            self.send(self.group("CREATECONSUMER", name).arg(&consumer.name[..])).await?;
        }
        Ok(())
    }

    /// Writes all of a piece; later ones are behind it.
    pub(super) async fn write(&mut self, piece: &Piece) -> Result<(), Error> {
        let mut split = None;
        if !self.has_entry {
            // What is gone and stands before the first entry can be trimmed.
            let first = piece.entries.first().map(|entry| entry.id);
            let before = |id: &&EntryId| first.is_none_or(|first| **id < first);
            let trimmed: Vec<EntryId> = piece.gone.iter().filter(before).copied().collect();
            if let Some(last) = trimmed.last() {
                for id in &trimmed {
                    self.stand_in(*id).await?;
                }
                self.claim_range(piece, None, Some(*last)).await?;
                self.send(cmd("XTRIM").arg(&self.key[..]).arg("MAXLEN").arg("=").arg(0)).await?;
                split = Some(*last);
            }
            self.has_entry = first.is_some();
        }
        let mut gone = piece.gone.iter().filter(|id| split.is_none_or(|split| **id > split));
        let mut next_gone = gone.next();
        let mut deleted = Vec::new();
        for entry in &piece.entries {
            while let Some(id) = next_gone.filter(|id| **id < entry.id) {
                self.stand_in(*id).await?;
                deleted.push(*id);
                next_gone = gone.next();
            }
            let mut command = cmd("XADD");
            command.arg(&self.key[..]).arg(entry.id);
            entry.fields.append_to(&mut command);
            self.bytes += bytes_of(entry);
            self.send(&command).await?;
        }
        for id in next_gone.into_iter().chain(gone) {
            self.stand_in(*id).await?;
            deleted.push(*id);
        }
        self.claim_range(piece, split, None).await?;
        for some in deleted.chunks(CLAIMED_AT_ONCE) {
            self.send(cmd("XDEL").arg(&self.key[..]).arg(some)).await?;
        }
        self.highest_deleted = deleted.last().copied().or(self.highest_deleted);
        self.flush().await
    }

    /// An entry in place of one that is gone.
    async fn stand_in(&mut self, id: EntryId) -> Result<(), Error> {
        self.send(cmd("XADD").arg(&self.key[..]).arg(id).arg("").arg("")).await
    }

    /// Makes the records behind one id, up to another.
    async fn claim_range(
        &mut self,
        piece: &Piece,
        behind: Option<EntryId>,
        until: Option<EntryId>,
    ) -> Result<(), Error> {
        for (group, rows) in piece.pending.iter().enumerate() {
            let from = behind.map_or(0, |id| rows.partition_point(|row| row.id <= id));
            let to = until.map_or(rows.len(), |id| rows.partition_point(|row| row.id <= id));
            // What was read together has one owner, one time and mostly one count.
            let alike = |a: &Row, b: &Row| {
                (&a.consumer, a.delivered_at_ms, a.deliveries)
                    == (&b.consumer, b.delivered_at_ms, b.deliveries)
            };
            for some in rows[from..to].chunk_by(alike).flat_map(|run| run.chunks(CLAIMED_AT_ONCE)) {
                self.claim(group, some).await?;
            }
        }
        Ok(())
    }

    /// Makes records that have all but their ids in common.
    async fn claim(&mut self, group: usize, rows: &[Row]) -> Result<(), Error> {
        let Some(Row { consumer, delivered_at_ms, deliveries, .. }) = rows.first() else {
            return Ok(());
        };
        let name = &self.groups[group][..];
        let mut command = match consumer {
            Some(consumer) => {
                cmd("XCLAIM").arg(&self.key[..]).arg(name).arg(&consumer[..]).arg(0).to_owned()
            }
            None => {
                let mut command = cmd("XNACK");
                command.arg(&self.key[..]).arg(name).arg("FAIL").arg("IDS").arg(rows.len());
                command
            }
        };
        rows.iter().for_each(|row| _ = command.arg(row.id));
        if consumer.is_some() {
            command.arg("TIME").arg(delivered_at_ms);
        }
        command.arg("RETRYCOUNT").arg(deliveries).arg("FORCE");
        if consumer.is_some() {
            command.arg("JUSTID");
        }
        let ids = rows.iter().map(|row| row.id).collect();
        self.send_claims(&command, Some(Claims { group, ids })).await
    }

    /// Sets counters and positions. Returns the highest deleted id that it has then.
    pub(super) async fn finish(
        &mut self,
        cut: &Cut,
        now: &Cut,
        is_whole: bool,
    ) -> Result<Option<EntryId>, Error> {
        let mut max_deleted = cut.info.max_deleted.max(self.highest_deleted);
        if !is_whole {
            // Something went in the meantime, and may have been deleted in the middle.
            let last = cut.info.last_generated;
            max_deleted = max_deleted.max(now.info.max_deleted.map(|id| id.min(last)));
        }
        let mut command = cmd("XSETID");
        command.arg(&self.key[..]).arg(cut.info.last_generated);
        if let Some(added) = cut.info.entries_added.filter(|_| self.has_counters) {
            command.arg("ENTRIESADDED").arg(added);
            if let Some(id) = max_deleted {
                command.arg("MAXDELETEDID").arg(id);
            }
        }
        self.send(&command).await?;
        for group in &cut.groups {
            let mut command = self.group("SETID", &group.name);
            command.arg(group.last_delivered);
            // No server takes more than were ever added: so it comes after those were set.
            if let Some(count) = group.entries_read.filter(|_| self.has_counters) {
                command.arg("ENTRIESREAD").arg(count);
            }
            self.send(&command).await?;
        }
        self.flush().await?;
        Ok(max_deleted)
    }

    /// Sets what may act on the stream, and gives it its key, in one transaction.
    pub(super) async fn commit(
        &mut self,
        cut: &Cut,
        written: &Cut,
        replaces: bool,
    ) -> Result<(), StreamCopyError> {
        let mut all = pipe();
        all.atomic();
        if self.target.abilities().has_policies {
            for group in cut.groups.iter().filter(|group| !group.policy.is_empty()) {
                all.add_command(with_settings(self.group("CFGSET", &group.name), &group.policy));
            }
        }
        let can = self.target.abilities();
        let is_known = |name: &[u8]| {
            can.has_retention || (can.has_idempotent_add && name.starts_with(b"IDMP-"))
        };
        let is_other = |it: &&Setting| is_known(&it.0) && !written.settings.contains(it);
        let settings: Vec<_> = cut.settings.iter().filter(is_other).collect();
        if !settings.is_empty() {
            let command = cmd("XCFGSET").arg(&self.key[..]).to_owned();
            all.add_command(with_settings(command, settings));
        }
        if let Some(at_ms) = cut.expires_at_ms {
            let now_ms = read_now_ms(&self.target).await.map_err(StreamCopyError::Target)?;
            if at_ms <= now_ms {
                return Err(StreamCopyError::Vanished);
            }
            all.add_command(cmd("PEXPIREAT").arg(&self.key[..]).arg(at_ms).to_owned());
        }
        let rename = if replaces { "RENAME" } else { "RENAMENX" };
        all.add_command(cmd(rename).arg(&self.key[..]).arg(&self.to[..]).to_owned());
        let answers = self.target.backend().run_all(&all).await;
        match answers.map_err(StreamCopyError::Target)?.last() {
            Some(Value::Int(0)) => Err(StreamCopyError::Exists),
            Some(_) => Ok(()),
            None => Err(StreamCopyError::Target(Error::Answer("EXEC"))),
        }
    }

    /// Removes what was written.
    pub(super) async fn discard(&mut self) -> Result<(), Error> {
        (self.commands, self.bytes) = (pipe(), 0);
        self.claims.clear();
        self.target.run(cmd("UNLINK").arg(&self.key[..])).await.map(drop)
    }

    /// Records that were not taken.
    pub(super) fn lost(&self) -> impl Iterator<Item = CopyNote> {
        self.groups.iter().zip(&self.lost).filter_map(|(group, lost)| {
            let (count, first) = (*lost)?;
            Some(CopyNote::PendingLost { group: group.clone(), count, first })
        })
    }

    fn group(&self, action: &str, group: &[u8]) -> Cmd {
        cmd("XGROUP").arg(action).arg(&self.key[..]).arg(group).to_owned()
    }

    async fn send(&mut self, command: &Cmd) -> Result<(), Error> {
        self.send_claims(command, None).await
    }

    /// Keeps a command until there are many of them.
    async fn send_claims(&mut self, command: &Cmd, claims: Option<Claims>) -> Result<(), Error> {
        self.commands.add_command(command.clone());
        self.claims.push(claims);
        if self.claims.len() >= SENT_COMMANDS_MAX || self.bytes >= SENT_BYTES_MAX {
            return self.flush().await;
        }
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), Error> {
        let commands = std::mem::replace(&mut self.commands, pipe());
        let claims = std::mem::take(&mut self.claims);
        self.bytes = 0;
        if claims.is_empty() {
            return Ok(());
        }
        let answers = self.target.backend().run_all(&commands).await?;
        for (answer, claims) in answers.into_iter().zip(claims) {
            let Some(Claims { group, ids }) = claims else { continue };
            let lost: Vec<EntryId> = match answer {
                Value::Int(count) if count == ids.len() as i64 => continue,
                Value::Int(_) => ids,
                answer => {
                    let claimed = reply::ids(answer).map_err(NotUnderstood::of("XCLAIM"))?;
                    ids.into_iter().filter(|id| claimed.binary_search(id).is_err()).collect()
                }
            };
            if let Some(first) = lost.first() {
                let (count, _) = self.lost[group].get_or_insert((0, *first));
                *count += lost.len() as u64;
            }
        }
        Ok(())
    }
}

fn with_settings<'a>(mut command: Cmd, settings: impl IntoIterator<Item = &'a Setting>) -> Cmd {
    for (name, words) in settings {
        command.arg(&name[..]);
        words.iter().for_each(|word| _ = command.arg(&word[..]));
    }
    command
}
