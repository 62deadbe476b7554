//! Changing pending entries, each only if it is as it was seen: of the same owner, with the same
//! count.
//!
//! Between the look and the change a worker may have got an entry, and be at work on it. On
//! Millstream XFENCE ends a transaction in which one has changed, which is then divided until the
//! others are done; elsewhere a script looks at each once more. With neither (a server whose
//! scripts are forbidden) only the idle time that XCLAIM asks for is left. No server compares the
//! count of what nobody has: XCLAIM takes it as long as nobody has it, XACK and XNACK in any case.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use redis::{Cmd, Value, cmd, pipe};

use super::{Nack, NackMode, PendingEntries, PendingEntry};
use crate::milliseconds::milliseconds;
use crate::reply::NotUnderstood;
use crate::{EntryId, Error, reply};

/// Entries that are settled in one round trip, and in one step.
const SETTLED_AT_ONCE: usize = 500;
/// Longer than any worker waits, and no overflow of the server's clock.
const LONG_IDLE_MS: u64 = 365 * 24 * 3_600_000;
/// What nobody has passes any idle time; what somebody has is never idle for so long.
const NOBODY_HAS_IT: u64 = i64::MAX.unsigned_abs();

/// Settles the entries that are as they were seen. Behind the names: group, least idle time, how
/// many words of the command follow, those; and of each entry id, owner, count and retry count.
const SETTLE: &str = "\
local words = tonumber(ARGV[4])
local done = {}
for i = 5 + words, #ARGV, 4 do
  local id, owner = ARGV[i], ARGV[i + 1]
  local row = redis.call('XPENDING', KEYS[1], ARGV[1], id, id, 1)[1]
  if row and row[2] == owner and row[4] == tonumber(ARGV[i + 2])
    and (row[3] < 0 or row[3] >= tonumber(ARGV[3])) then
    local count
    if ARGV[2] == 'XACK' then
      count = redis.call('XACK', KEYS[1], ARGV[1], id)
    elseif ARGV[2] == 'XNACK' then
      count = redis.call('XNACK', KEYS[1], ARGV[1], ARGV[5], 'IDS', 1, id)
    elseif words == 1 then
      count = #redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[5], 0, id, 'JUSTID')
    else
      count = #redis.call('XCLAIM', KEYS[1], ARGV[1], owner, 0, id, ARGV[5], ARGV[6],
        'RETRYCOUNT', ARGV[i + 3], 'JUSTID')
    end
    if count > 0 then done[#done + 1] = id end
  end
end
return done";

/// What is done with each.
enum Action<'a> {
    Acknowledge,
    Claim {
        consumer: &'a [u8],
        min_idle_ms: u64,
    },
    Nack(&'a Nack),
    /// By XCLAIM: for the same owner, and idle for longer than anybody waits.
    MakeIdle(NackMode),
}

impl PendingEntries {
    /// Acknowledges those that are still as they were seen: with the same owner and the same count
    /// of deliveries. Returns which; the others went meanwhile, or somebody got them.
    ///
    /// Many are settled some at a time: an error may come after some were.
    ///
    /// # Errors
    /// [`Error::NoGroup`], and those of the server.
    pub async fn acknowledge(&self, seen: &[PendingEntry]) -> Result<Vec<EntryId>, Error> {
        self.settle(seen, &Action::Acknowledge).await
    }

    /// Hands those that are still as they were seen, and idle for `min_idle` at least, to a
    /// consumer, which is made if it is not there. That counts as no delivery, and their idle time
    /// begins anew. The consumer finds them in its history, as at its next start. Returns which;
    /// what is gone from the stream goes from the pending list, too, and is not among them.
    ///
    /// Many are settled some at a time: an error may come after some were.
    ///
    /// # Errors
    /// [`Error::NoGroup`], and those of the server.
    pub async fn claim(
        &self,
        seen: &[PendingEntry],
        consumer: impl AsRef<[u8]>,
        min_idle: Duration,
    ) -> Result<Vec<EntryId>, Error> {
        let (consumer, min_idle_ms) = (consumer.as_ref(), milliseconds(min_idle));
        self.settle(seen, &Action::Claim { consumer, min_idle_ms }).await
    }

    /// Gives those that are still as they were seen back to their group, so that others get them:
    /// by XNACK where the server has it, nobody's from then on. Elsewhere they stay their owner's
    /// and look as if they had been idle for a year, so that whoever claims what is idle takes
    /// them; [`NackMode::Fatal`] is not possible there. Returns which.
    ///
    /// Many are settled some at a time: an error may come after some were.
    ///
    /// # Errors
    /// [`Error::Configuration`]: a delay of what is fatal. [`Error::Unsupported`],
    /// [`Error::NoGroup`], and those of the server: Millstream refuses delays and errors in groups
    /// without a policy. [`Error::Refused`] where the server has XNACK and not for this user.
    pub async fn give_back(
        &self,
        seen: &[PendingEntry],
        nack: &Nack,
    ) -> Result<Vec<EntryId>, Error> {
        if nack.mode == NackMode::Fatal && nack.delay.is_some() {
            let text = "what is fatal is not tried again, so there is nothing to delay";
            return Err(Error::Configuration(text.to_owned()));
        }
        let (millstream, abilities) = (&self.millstream, self.millstream.abilities());
        if nack.delay.is_some() {
            millstream.need(abilities.has_policies, "delays of pending entries")?;
        }
        if nack.error.is_some() {
            millstream.need(abilities.has_policies, "errors of pending entries")?;
        }
        if abilities.has_nack {
            return self.settle(seen, &Action::Nack(nack)).await;
        }
        // What is left to their owner would not be what the server's users know XNACK to do.
        if let Some(refusal) = abilities.refusal("XNACK") {
            return Err(refusal);
        }
        // Its count would be one that these servers show as negative after the next delivery.
        millstream
            .need(nack.mode != NackMode::Fatal, "XNACK, which alone can say that it is fatal")?;
        self.settle(seen, &Action::MakeIdle(nack.mode)).await
    }

    async fn settle(
        &self,
        seen: &[PendingEntry],
        action: &Action<'_>,
    ) -> Result<Vec<EntryId>, Error> {
        let abilities = self.millstream.abilities();
        let mut done = Vec::with_capacity(seen.len());
        for some in seen.chunks(SETTLED_AT_ONCE) {
            if abilities.has_fence {
                self.settle_fenced(some, action, &mut done).await?;
            } else if abilities.has_scripts {
                let answer = self.millstream.run(&self.script(some, action)).await?;
                done.extend(reply::ids(answer).map_err(NotUnderstood::of("EVAL"))?);
            } else {
                let some: Vec<_> = some.iter().collect();
                self.settle_unfenced(&some, action, &mut done).await?;
            }
        }
        Ok(done)
    }

    /// Those of one owner and count in one transaction.
    async fn settle_fenced(
        &self,
        seen: &[PendingEntry],
        action: &Action<'_>,
        done: &mut Vec<EntryId>,
    ) -> Result<(), Error> {
        let mut alike: BTreeMap<(Option<&Bytes>, u64), Vec<&PendingEntry>> = BTreeMap::new();
        for entry in seen {
            alike.entry((entry.consumer.as_ref(), entry.deliveries)).or_default().push(entry);
        }
        for ((owner, deliveries), entries) in alike {
            let Some(owner) = owner else {
                self.settle_unfenced(&entries, action, done).await?;
                continue;
            };
            let mut parts = vec![&entries[..]];
            while let Some(part) = parts.pop() {
                let mut fence = cmd("XFENCE");
                fence.arg(&self.stream[..]).arg(&self.group[..]).arg(&owner[..]);
                fence.arg("ATTEMPT").arg(deliveries);
                part.iter().for_each(|entry| _ = fence.arg(entry.id));
                let mut all = pipe();
                all.atomic().add_command(fence);
                part.iter().for_each(|entry| _ = all.add_command(self.change(entry, action)));
                let answers = self.millstream.backend().run_all(&all).await?;
                match answers.split_first() {
                    Some((_, answers)) => note(part, answers, action, done)?,
                    None if part.len() > 1 => {
                        let (first, second) = part.split_at(part.len() / 2);
                        parts.extend([second, first]);
                    }
                    // It is not as it was.
                    None => {}
                }
            }
        }
        Ok(())
    }

    async fn settle_unfenced(
        &self,
        seen: &[&PendingEntry],
        action: &Action<'_>,
        done: &mut Vec<EntryId>,
    ) -> Result<(), Error> {
        let mut all = pipe();
        seen.iter().for_each(|entry| _ = all.add_command(self.change(entry, action)));
        let answers = self.millstream.backend().run_all(&all).await?;
        note(seen, &answers, action, done)
    }

    fn change(&self, entry: &PendingEntry, action: &Action<'_>) -> Cmd {
        let mut command = self.command(action.command());
        match action {
            Action::Acknowledge => _ = command.arg(entry.id),
            Action::Claim { consumer, min_idle_ms } => {
                let is_owned = entry.consumer.is_some();
                let min_idle_ms = if is_owned { *min_idle_ms } else { NOBODY_HAS_IT };
                command.arg(*consumer).arg(min_idle_ms).arg(entry.id).arg("JUSTID");
            }
            Action::Nack(nack) => {
                command.arg(nack.mode_word()).arg("IDS").arg(1).arg(entry.id);
                nack.append_to(&mut command);
            }
            Action::MakeIdle(mode) => {
                let owner = entry.consumer.as_deref().unwrap_or_default();
                command.arg(owner).arg(0).arg(entry.id).arg("IDLE").arg(LONG_IDLE_MS);
                command.arg("RETRYCOUNT").arg(retry_count(entry, *mode)).arg("JUSTID");
            }
        }
        command
    }

    fn script(&self, seen: &[PendingEntry], action: &Action<'_>) -> Cmd {
        let mut script = cmd("EVAL");
        script.arg(SETTLE).arg(1).arg(&self.stream[..]).arg(&self.group[..]);
        script.arg(action.command());
        match action {
            Action::Acknowledge => _ = script.arg(0).arg(0),
            Action::Claim { consumer, min_idle_ms } => {
                script.arg(*min_idle_ms).arg(1).arg(*consumer);
            }
            Action::Nack(nack) => _ = script.arg(0).arg(1).arg(nack.mode_word()),
            Action::MakeIdle(_) => _ = script.arg(0).arg(2).arg("IDLE").arg(LONG_IDLE_MS),
        }
        for entry in seen {
            let retry_count = match action {
                Action::MakeIdle(mode) => retry_count(entry, *mode),
                _ => entry.shown_deliveries(),
            };
            script.arg(entry.id).arg(entry.consumer.as_deref().unwrap_or_default());
            script.arg(entry.shown_deliveries()).arg(retry_count);
        }
        script
    }
}

impl Action<'_> {
    fn command(&self) -> &'static str {
        match self {
            Self::Acknowledge => "XACK",
            Self::Claim { .. } | Self::MakeIdle(_) => "XCLAIM",
            Self::Nack(_) => "XNACK",
        }
    }
}

/// No server takes a negative one.
fn retry_count(entry: &PendingEntry, mode: NackMode) -> i64 {
    let deliveries = i64::try_from(entry.deliveries).unwrap_or(i64::MAX);
    match mode {
        NackMode::Silent => deliveries.saturating_sub(1).max(0),
        NackMode::Fail => deliveries,
        NackMode::Fatal => unreachable!("XNACK alone can say that"),
    }
}

/// Notes those whose answer says that they were settled.
fn note(
    seen: &[&PendingEntry],
    answers: &[Value],
    action: &Action<'_>,
    done: &mut Vec<EntryId>,
) -> Result<(), Error> {
    if answers.len() != seen.len() {
        return Err(Error::Answer(action.command()));
    }
    for (entry, answer) in seen.iter().zip(answers) {
        let is_done = match answer {
            Value::Int(count) => *count > 0,
            Value::Array(ids) => !ids.is_empty(),
            _ => return Err(Error::Answer(action.command())),
        };
        if is_done {
            done.push(entry.id);
        }
    }
    Ok(())
}
