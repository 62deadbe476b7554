//! What a stream has besides entries and pending lists, at one moment.

use std::collections::HashMap;
use std::time::Instant;

use bytes::Bytes;
use redis::{Value, cmd, pipe};

use crate::reply::{self, Facts, NotUnderstood};
use crate::{ConsumerGroupManager, EntryId, Error, Millstream, StreamInfo, StreamManager};

/// A stream at one moment.
#[derive(Clone, Debug)]
pub(super) struct Cut {
    /// By the server's clock, just before.
    pub(super) now_ms: u64,
    /// By our own.
    pub(super) now: Instant,
    pub(super) info: StreamInfo,
    /// Unix milliseconds.
    pub(super) expires_at_ms: Option<u64>,
    /// By name.
    pub(super) groups: Vec<GroupCut>,
    /// Names and values as XCFGSET takes them.
    pub(super) settings: Vec<Setting>,
    /// Productions that it remembers.
    pub(super) productions: u64,
    /// Bytes of memory for each entry, where the server says so.
    pub(super) entry_bytes: Option<u64>,
}

/// A name, and its value in one word or several.
pub(super) type Setting = (Bytes, Vec<Bytes>);

/// A group at that moment.
#[derive(Clone, Debug)]
pub(super) struct GroupCut {
    pub(super) name: Bytes,
    pub(super) last_delivered: EntryId,
    pub(super) entries_read: Option<u64>,
    pub(super) pending: u64,
    /// Whether something behind `last_delivered` is pending, or may be: the group was moved back,
    /// or an entry was claimed by force before it was read.
    pub(super) may_be_pending_ahead: bool,
    /// By name.
    pub(super) consumers: Vec<ConsumerCut>,
    /// A pending entry and the Unix milliseconds at which it was delivered: XPENDING says only for
    /// how long each is idle, which is exact beside one whose time is known.
    pub(super) reference: Option<(EntryId, u64)>,
    /// Names and values as XGROUP CFGSET takes them, on Millstream.
    pub(super) policy: Vec<Setting>,
    /// Entries that were given a delay.
    pub(super) delayed: u64,
}

/// A consumer at that moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ConsumerCut {
    pub(super) name: Bytes,
    pub(super) pending: u64,
    /// Unix milliseconds at which it was last heard of.
    seen_ms: u64,
}

impl Cut {
    /// Of a stream, in one transaction; `None`: it is not there.
    ///
    /// # Errors
    /// Those of the server: `WRONGTYPE`.
    pub(super) async fn take(millstream: &Millstream, key: &[u8]) -> Result<Option<Self>, Error> {
        // A transaction would hide which of its commands was refused, and why.
        let stream = StreamManager::new(millstream, key);
        let Some(info) = stream.info().await? else { return Ok(None) };
        let memory_bytes = stream.memory_bytes().await?;
        let expires_at_ms = expiry(millstream, key).await?;
        let known = match ConsumerGroupManager::new(millstream, key).groups().await {
            Err(error) if error.is_no_stream() => return Ok(None),
            groups => groups?.into_iter().map(|group| group.name_bytes).collect::<Vec<_>>(),
        };
        let (now_ms, now) = (read_now_ms(millstream).await?, Instant::now());
        let mut all = pipe();
        all.atomic().cmd("XINFO").arg("STREAM").arg(key);
        // Groups and consumers are complete, of their pending lists it is the first of each.
        all.cmd("XINFO").arg("STREAM").arg(key).arg("FULL").arg("COUNT").arg(1);
        let has_retention = millstream.abilities().has_retention;
        if has_retention {
            all.cmd("XCFGGET").arg(key);
        }
        let mut with_pending = all.clone();
        for group in &known {
            with_pending.cmd("XPENDING").arg(key).arg(&group[..]);
        }
        let answers = match millstream.backend().run_all(&with_pending).await {
            // One of the groups is gone.
            Err(Error::NoGroup(_)) => millstream.backend().run_all(&all).await,
            other => other,
        };
        let answers = match answers {
            Err(error) if error.is_no_stream() => return Ok(None),
            other => other?,
        };
        let mut answers = answers.into_iter();
        let mut next = || answers.next().ok_or(Error::Answer("EXEC"));
        let (now_info, full) = (next()?, next()?);
        let settings = if has_retention { Some(next()?) } else { None };
        let highest = known.into_iter().zip(answers.map(|it| highest_pending(&it)));
        let highest: HashMap<Bytes, EntryId> =
            highest.filter_map(|(name, id)| Some((name, id?))).collect();
        let parse = || {
            let full = Facts::parse(full)?;
            let groups = Facts::list(full.get("groups").cloned().ok_or(NotUnderstood)?)?;
            let groups = groups.iter().map(|group| GroupCut::parse(group, &highest));
            let mut groups = groups.collect::<Result<Vec<_>, _>>()?;
            groups.sort_by(|a, b| a.name.cmp(&b.name));
            let settings = match settings {
                Some(settings) => settings_of(settings)?,
                None => productions(&full),
            };
            Ok(Self {
                now_ms,
                now,
                info: StreamInfo::parse(now_info)?,
                expires_at_ms,
                groups,
                settings,
                entry_bytes: memory_bytes.map(|bytes| bytes / info.length.max(1)),
                productions: full.count_if_there("iids-tracked").unwrap_or(0),
            })
        };
        parse().map(Some).map_err(NotUnderstood::of("XINFO STREAM"))
    }

    /// Whether the stream of that cut can have become this one: ids only grow.
    pub(super) fn may_follow(&self, before: &Self) -> bool {
        self.info.last_generated >= before.info.last_generated
            && self.info.entries_added >= before.info.entries_added
    }

    /// Entries that were added since that cut, where the server counts them.
    pub(super) fn added_since(&self, before: &Self) -> Option<u64> {
        Some(self.info.entries_added?.saturating_sub(before.info.entries_added?))
    }

    /// Whether nobody has changed anything since that cut, nor read from a group.
    pub(super) fn is_same_as(&self, before: &Self) -> bool {
        let same = |(now, before): (&GroupCut, &GroupCut)| now.is_same_as(before);
        self.info == before.info
            && self.groups.len() == before.groups.len()
            && self.groups.iter().zip(&before.groups).all(same)
    }
}

impl GroupCut {
    /// Of XINFO STREAM FULL, and the highest pending ids of the groups as far as they are known.
    fn parse(facts: &Facts, highest: &HashMap<Bytes, EntryId>) -> Result<Self, NotUnderstood> {
        let consumers = Facts::list(facts.get("consumers").cloned().ok_or(NotUnderstood)?)?;
        let mut reference = None;
        for consumer in &consumers {
            let first = reply::array(consumer.get("pending").cloned().ok_or(NotUnderstood)?)?;
            let Some(first) = first.into_iter().next() else { continue };
            let row = reply::array(first)?;
            let [id, time, ..] = &row[..] else { return Err(NotUnderstood) };
            let known = (reply::id(id)?, reply::integer(time)?.max(0).unsigned_abs());
            // What has been pending for longest is likely to stay so.
            if reference.is_none_or(|(_, time)| known.1 < time) {
                reference = Some(known);
            }
        }
        let consumers = consumers.iter().map(|consumer| {
            Ok(ConsumerCut {
                name: consumer.bytes("name")?,
                pending: consumer.count("pel-count")?,
                seen_ms: consumer.count("seen-time")?,
            })
        });
        let mut consumers = consumers.collect::<Result<Vec<_>, _>>()?;
        consumers.sort_by(|a, b| a.name.cmp(&b.name));
        let policy = facts.get("policy").cloned();
        let (name, last_delivered) = (facts.bytes("name")?, facts.id("last-delivered-id")?);
        let pending = facts.count("pel-count")?;
        Ok(Self {
            may_be_pending_ahead: pending > 0
                && highest.get(&name).is_none_or(|highest| *highest > last_delivered),
            name,
            last_delivered,
            entries_read: facts.count_if_there("entries-read"),
            pending,
            consumers,
            reference,
            policy: policy.map(settings_of).transpose()?.unwrap_or_default(),
            delayed: facts.count_if_there("delayed").unwrap_or(0),
        })
    }

    fn is_same_as(&self, before: &Self) -> bool {
        self.name == before.name
            && self.last_delivered == before.last_delivered
            && self.entries_read == before.entries_read
            && self.pending == before.pending
            && self.consumers == before.consumers
    }
}

/// Of what XPENDING says of a whole group; `None`: nothing is pending, or it is no such answer.
fn highest_pending(answer: &Value) -> Option<EntryId> {
    match answer {
        Value::Array(parts) => reply::id(parts.get(2)?).ok(),
        _ => None,
    }
}

/// The server's clock.
///
/// # Errors
/// Those of the server.
pub(super) async fn read_now_ms(millstream: &Millstream) -> Result<u64, Error> {
    let answer = millstream.run(&cmd("TIME")).await?;
    let parse = || {
        let parts = reply::array(answer)?;
        let [seconds, micros] = &parts[..] else { return Err(NotUnderstood) };
        Ok(reply::count(seconds)?.saturating_mul(1000) + reply::count(micros)? / 1000)
    };
    parse().map_err(NotUnderstood::of("TIME"))
}

/// When the key expires; before Redis 7.0 it says only how much time is left.
async fn expiry(millstream: &Millstream, key: &[u8]) -> Result<Option<u64>, Error> {
    let ask = async |name: &str| {
        let answer = millstream.run(cmd(name).arg(key)).await?;
        let ms = reply::integer(&answer).map_err(NotUnderstood::of("PEXPIRETIME"))?;
        Ok(u64::try_from(ms).ok())
    };
    match ask("PEXPIRETIME").await {
        Err(Error::Refused { .. }) => match ask("PTTL").await? {
            Some(left_ms) => Ok(Some(read_now_ms(millstream).await? + left_ms)),
            None => Ok(None),
        },
        other => other,
    }
}

/// Of XCFGGET or of a policy: words as they are set again.
fn settings_of(answer: Value) -> Result<Vec<Setting>, NotUnderstood> {
    let pairs = reply::pairs(answer)?.into_iter().map(|(name, value)| {
        let name = reply::bytes(name)?;
        let value = match value {
            Value::Int(number) => number.to_string().into(),
            other => reply::bytes(other)?,
        };
        // It alone has several words.
        let words = match &name[..] {
            b"BACKOFF" => value.split(|byte| *byte == b' ').map(Bytes::copy_from_slice).collect(),
            _ => vec![value],
        };
        Ok((name, words))
    });
    pairs.collect()
}

/// What Redis 8.6 lets one set of a stream.
fn productions(full: &Facts) -> Vec<Setting> {
    let item = |name: &'static str, fact: &str| {
        let value = full.count_if_there(fact)?.to_string();
        Some((Bytes::from_static(name.as_bytes()), vec![value.into()]))
    };
    let items = [item("IDMP-DURATION", "idmp-duration"), item("IDMP-MAXSIZE", "idmp-maxsize")];
    items.into_iter().flatten().collect()
}
