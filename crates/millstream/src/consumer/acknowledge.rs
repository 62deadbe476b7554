//! Telling the server that messages are done: only of those that are still ours, and with what they
//! made.
//!
//! Millstream is told whose they are (FENCE, XFENCE). Elsewhere a message may have gone to
//! somebody else only after its lease, so that a plain XACK does for one whose lease is young;
//! about others a script looks first. Where there are neither fences nor scripts the look comes
//! before, and what happens between is lost on us.

use std::time::Duration;

use redis::{Cmd, Value, cmd, pipe};
use tokio::time::Instant;

use super::done::Done;
use super::outcome::Outcome;
use super::worker::Worker;
use crate::reply::NotUnderstood;
use crate::{Error, Message, reply};

/// Acknowledges of these what this consumer has; returns for each whether it did.
const ACKNOWLEDGE_OURS: &str = "\
local counts = {}
for i = 3, #ARGV do
  local ours = redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[i], ARGV[i], 1, ARGV[2])
  counts[i - 2] = #ours == 1 and redis.call('XACK', KEYS[1], ARGV[1], ARGV[i]) or 0
end
return counts";

/// Adds entries, each to its stream, and acknowledges the message that made them, if this consumer
/// has it. All keys are looked at before the first is written to: a script that fails does not take
/// back what it did.
const ACKNOWLEDGE_AND_PRODUCE: &str = "\
if #redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[3], ARGV[3], 1, ARGV[2]) == 0 then return 0 end
for i = 2, #KEYS do
  local type = redis.call('TYPE', KEYS[i]).ok
  if type ~= 'none' and type ~= 'stream' then
    return redis.error_reply('WRONGTYPE ' .. KEYS[i] .. ' is no stream')
  end
end
local at = 4
for i = 2, #KEYS do
  local count = tonumber(ARGV[at])
  redis.call('XADD', KEYS[i], '*', unpack(ARGV, at + 1, at + count))
  at = at + 1 + count
end
return redis.call('XACK', KEYS[1], ARGV[1], ARGV[3])";

/// More fields than a script can pass on at once.
const SCRIPT_FIELDS_MAX: usize = 3000;

impl Worker {
    pub(super) async fn acknowledge(
        &self,
        stream: usize,
        done: &[&Message],
        is_again: bool,
    ) -> Result<(), Error> {
        let (old, young) = self.old_and_young(stream, done);
        if !young.is_empty() {
            let counts = self.acknowledge_young(stream, &young).await?;
            self.note_acknowledged(&young, &counts, is_again);
        }
        if !old.is_empty() {
            let counts = self.acknowledge_old(stream, &old).await?;
            self.note_acknowledged(&old, &counts, is_again);
        }
        Ok(())
    }

    /// First those that somebody else may have by now without that the server would notice.
    fn old_and_young<'a>(
        &self,
        stream: usize,
        done: &[&'a Message],
    ) -> (Vec<&'a Message>, Vec<&'a Message>) {
        if self.millstream.abilities().has_fence {
            return (Vec::new(), done.to_vec());
        }
        let (now, in_hand) = (Instant::now(), self.in_hand.view());
        let is_old = |message: &&Message| self.is_old(in_hand.age((stream, message.id), now));
        done.iter().copied().partition(is_old)
    }

    fn is_old(&self, age: Duration) -> bool {
        age >= self.lease / 2
    }

    /// One number for all, or one for each where somebody wants to know.
    async fn acknowledge_young(
        &self,
        stream: usize,
        young: &[&Message],
    ) -> Result<Vec<u64>, Error> {
        let answers = if self.settings.hook.is_set() {
            let mut each = pipe();
            young.iter().for_each(|it| _ = each.add_command(self.acknowledgement(stream, &[it])));
            self.millstream.backend().run_all(&each).await?
        } else {
            vec![self.millstream.run(&self.acknowledgement(stream, young)).await?]
        };
        counts(&answers)
    }

    /// One number for each.
    async fn acknowledge_old(&self, stream: usize, old: &[&Message]) -> Result<Vec<u64>, Error> {
        let origin = &self.origins[stream];
        if self.millstream.abilities().has_scripts {
            let mut script = cmd("EVAL");
            script.arg(ACKNOWLEDGE_OURS).arg(1);
            script.arg(&[&*origin.stream, &*origin.group, &*origin.consumer]);
            old.iter().for_each(|message| _ = script.arg(message.id));
            let answer = reply::array(self.millstream.run(&script).await?);
            return counts(&answer.map_err(NotUnderstood::of("EVAL"))?);
        }
        let mut all = Vec::with_capacity(old.len());
        for message in old {
            let is_ours = self.is_ours(stream, message).await?;
            let command = self.acknowledgement(stream, &[message]);
            let answer = if is_ours { self.millstream.run(&command).await? } else { Value::Int(0) };
            all.push(answer);
        }
        counts(&all)
    }

    pub(super) async fn is_ours(&self, stream: usize, message: &Message) -> Result<bool, Error> {
        let (origin, id) = (&self.origins[stream], message.id.to_string());
        let mut ask = cmd("XPENDING");
        ask.arg(&[&*origin.stream, &*origin.group, &*id, &*id, "1", &*origin.consumer]);
        let rows = reply::pending_rows(self.millstream.run(&ask).await?);
        Ok(!rows.map_err(NotUnderstood::of("XPENDING"))?.is_empty())
    }

    /// `counts`: for each, or their sum.
    fn note_acknowledged(&self, done: &[&Message], counts: &[u64], is_again: bool) {
        if self.settings.hook.is_set() {
            for (message, count) in done.iter().zip(counts) {
                let is_done = *count > 0 || is_again;
                let outcome = if is_done { Outcome::Acknowledged } else { Outcome::Late };
                self.settings.hook.tell(message, outcome);
            }
        }
        let sum = usize::try_from(counts.iter().sum::<u64>()).unwrap_or(usize::MAX);
        let acknowledged = if is_again { done.len() } else { sum.min(done.len()) };
        self.counters.acknowledged.add(acknowledged as u64);
        self.note_late(done.len() - acknowledged);
    }

    fn acknowledgement(&self, stream: usize, done: &[&Message]) -> Cmd {
        let origin = &self.origins[stream];
        let mut command = cmd("XACK");
        command.arg(&[&*origin.stream, &*origin.group]);
        if self.millstream.abilities().has_fence {
            command.arg("FENCE").arg(&origin.consumer);
        }
        done.iter().for_each(|message| _ = command.arg(message.id));
        command
    }

    /// In one step with adding what it made.
    pub(super) async fn acknowledge_and_produce(
        &self,
        stream: usize,
        message: &Message,
        done: &Done,
        is_again: bool,
    ) -> Result<(), Error> {
        let widest = done.entries.iter().map(|(_, fields)| fields.len()).max().unwrap_or(0);
        let count = if self.millstream.abilities().has_scripts && widest <= SCRIPT_FIELDS_MAX {
            let origin = &self.origins[stream];
            let mut script = cmd("EVAL");
            script.arg(ACKNOWLEDGE_AND_PRODUCE).arg(1 + done.entries.len()).arg(&origin.stream);
            done.entries.iter().for_each(|(target, _)| _ = script.arg(target));
            script.arg(&[&*origin.group, &*origin.consumer]).arg(message.id);
            for (_, fields) in &done.entries {
                script.arg(2 * fields.len());
                fields.append_to(&mut script);
            }
            self.millstream.run(&script).await?
        } else if self.is_surely_ours(stream, message, is_again).await? {
            self.all_are_streams(done).await?;
            let mut all = pipe();
            all.atomic();
            if self.millstream.abilities().has_fence {
                let (origin, id) = (&self.origins[stream], message.id.to_string());
                let held = [&*origin.stream, &*origin.group, &*origin.consumer, &*id];
                all.cmd("XFENCE").arg(&held);
            }
            for (target, fields) in &done.entries {
                all.add_command(crate::producer::add_command(target, fields));
            }
            all.add_command(self.acknowledgement(stream, &[message]));
            self.millstream.backend().run_all(&all).await?.pop().unwrap_or(Value::Int(0))
        } else {
            Value::Int(0)
        };
        self.note_acknowledged(&[message], &counts(&[count])?, is_again);
        Ok(())
    }

    /// Whether we have it, as far as only asking before can tell. Where an earlier try may have
    /// settled it, this tells that too. With fences there is nothing to ask.
    async fn is_surely_ours(
        &self,
        stream: usize,
        message: &Message,
        is_again: bool,
    ) -> Result<bool, Error> {
        let age = self.in_hand.view().age((stream, message.id), Instant::now());
        let is_young = !is_again && !self.is_old(age);
        if is_young || self.millstream.abilities().has_fence {
            return Ok(true);
        }
        self.is_ours(stream, message).await
    }

    /// What cannot be taken back is not begun in vain.
    async fn all_are_streams(&self, done: &Done) -> Result<(), Error> {
        for (target, _) in &done.entries {
            let answer = self.millstream.run(cmd("TYPE").arg(target)).await?;
            let kind = reply::lossy_text(&answer).map_err(NotUnderstood::of("TYPE"))?;
            if !matches!(&*kind, "none" | "stream") {
                let text = format!("{target} is no stream");
                return Err(Error::Refused { code: "WRONGTYPE".to_owned(), text });
            }
        }
        Ok(())
    }

    /// Adds what messages made that need no acknowledgement.
    pub(super) async fn produce(&self, done: &Done) -> Result<(), Error> {
        let mut all = pipe();
        for (target, fields) in &done.entries {
            all.add_command(crate::producer::add_command(target, fields));
        }
        self.millstream.backend().run_all(&all).await.map(drop)
    }
}

fn counts(answers: &[Value]) -> Result<Vec<u64>, Error> {
    let counts: Result<Vec<u64>, _> = answers.iter().map(reply::count).collect();
    counts.map_err(NotUnderstood::of("XACK"))
}
