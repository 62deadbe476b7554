//! A worker: reads, and acknowledges what it read with the next read, in one write.

use std::sync::Arc;
use std::time::{Duration, Instant};

use redis::{Cmd, Pipeline, Value};

use super::account::Account;
use super::answer::{Entry, count, entries, of_read};
use super::crew::Client;
use super::plan::Plan;
use super::producer::Worked;
use super::site::GROUP;
use super::times::Times;

/// How long a read waits for entries, where it does.
pub(super) const BLOCK: Duration = Duration::from_millis(100);

/// Who is told what a worker does, and knows whether there is more to come.
pub(super) trait Watch {
    /// The entry of this number came.
    fn delivered(&mut self, _number: u32) {}

    /// So many were acknowledged.
    fn acknowledged(&mut self, _count: usize) {}

    /// Whether a read that is sent now, and finds nothing, is the last one.
    fn is_last(&self) -> bool;
}

/// One of a group.
pub(super) struct Worker {
    client: Client,
    consumer: String,
    plan: Plan,
    account: Arc<Account>,
    /// Of what was read last.
    ids: Vec<Vec<u8>>,
}

impl Worker {
    pub(super) fn new(client: Client, plan: Plan, account: Arc<Account>) -> Self {
        let consumer = format!("worker-{}", client.number);
        Self { client, consumer, plan, account, ids: Vec::new() }
    }

    /// Works until nothing is left.
    pub(super) async fn work(
        mut self,
        is_blocking: bool,
        mut watch: impl Watch,
    ) -> anyhow::Result<Worked> {
        let mut times = Times::default();
        let mut last_at = Instant::now();
        let mut pipeline = Pipeline::with_capacity(2);
        let read = self.read(is_blocking);
        loop {
            let is_complete = is_blocking && self.account.is_complete();
            if is_complete && self.ids.is_empty() {
                return Ok(Worked { times, last_at });
            }
            let is_last = watch.is_last();
            pipeline.clear();
            let asked = self.ids.len();
            if asked > 0 {
                pipeline.add_command(self.acknowledge());
            }
            // Nothing comes any more: nobody waits for the read to end.
            if !is_complete {
                pipeline.add_command(read.clone());
            }
            let begun = Instant::now();
            let mut answers = self.client.query_all(&pipeline).await?.into_iter();
            let took = begun.elapsed();
            if asked > 0 {
                self.note_acknowledged(answers.next(), asked)?;
                watch.acknowledged(asked);
            }
            if is_complete {
                last_at = Instant::now();
                continue;
            }
            let is_empty = self.take_entries(answers.next(), &mut watch)? == 0;
            // How long one waits where there is nothing is no time of the server's.
            if !(is_blocking && is_empty) {
                times.record(took);
            }
            if !is_empty || (asked > 0 && !is_blocking) {
                last_at = Instant::now();
            }
            if is_empty && is_last {
                return Ok(Worked { times, last_at });
            }
        }
    }

    fn read(&self, is_blocking: bool) -> Cmd {
        let mut read = Cmd::new();
        read.arg("XREADGROUP").arg("GROUP").arg(GROUP).arg(&self.consumer);
        read.arg("COUNT").arg(self.plan.count);
        if is_blocking {
            read.arg("BLOCK").arg(BLOCK.as_millis() as u64);
        }
        read.arg("STREAMS").arg(self.client.key.as_ref()).arg(">");
        read
    }

    /// XACK of what was read last.
    pub(super) fn acknowledge(&mut self) -> Cmd {
        let bytes: usize = self.ids.iter().map(Vec::len).sum();
        let key = self.client.key.as_ref();
        let mut command = Cmd::with_capacity(3 + self.ids.len(), bytes + key.len() + 32);
        command.arg("XACK").arg(key).arg(GROUP);
        self.ids.drain(..).for_each(|id| _ = command.arg(id));
        command
    }

    pub(super) fn note_acknowledged(
        &self,
        answer: Option<Value>,
        asked: usize,
    ) -> anyhow::Result<()> {
        let done = answer.as_ref().and_then(count);
        let done = done.ok_or_else(|| self.client.not_understood("XACK"))?;
        self.account.acknowledged(asked as u64, done);
        Ok(())
    }

    fn take_entries(
        &mut self,
        answer: Option<Value>,
        watch: &mut impl Watch,
    ) -> anyhow::Result<usize> {
        let found = answer.and_then(of_read).and_then(entries);
        let found = found.ok_or_else(|| self.client.not_understood("XREADGROUP"))?;
        self.take(found, "XREADGROUP", |number| watch.delivered(number))?;
        Ok(self.ids.len())
    }

    /// Has these in hand, and notes that they came.
    pub(super) fn take(
        &mut self,
        found: impl Iterator<Item = Option<Entry>>,
        command: &'static str,
        mut see: impl FnMut(u32),
    ) -> anyhow::Result<()> {
        for entry in found {
            let entry = entry.ok_or_else(|| self.client.not_understood(command))?;
            let number = entry.number(self.plan.payload.bytes);
            self.account.saw(number);
            if let Some(number) = number {
                see(number);
            }
            self.ids.push(entry.id);
        }
        Ok(())
    }

    /// Entries that are not acknowledged yet.
    pub(super) fn in_hand(&self) -> usize {
        self.ids.len()
    }
}
