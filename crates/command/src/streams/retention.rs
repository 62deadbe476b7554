//! The items of XCFGSET and XCFGGET that say what a stream keeps. `docs/delivery.md` has them.

use millstream_engine::Transaction;
use millstream_model::{Overflow, Retain, Retention};

use crate::Reply;
use crate::integer::parse_i64;
use crate::options::Options;
use crate::refusal::{Outcome, Refusal};

const MAXLEN: &str = "MAXLEN";
const MAXAGE: &str = "MAXAGE";
const MAXBYTES: &str = "MAXBYTES";
const RETAIN: &str = "RETAIN";
const OVERFLOW: &str = "OVERFLOW";

const CONTRADICTION: &str = "ERR OVERFLOW DROP contradicts RETAIN UNACKED: what nobody has \
    acknowledged cannot give way to new entries. Set OVERFLOW to REJECT or NONE";

/// Items and their values, checked as a whole before anything changes.
#[derive(Default)]
pub(super) struct RetentionChange {
    max_len: Option<u64>,
    max_age_ms: Option<u64>,
    max_bytes: Option<u64>,
    retain: Option<Retain>,
    overflow: Option<Option<Overflow>>,
}

impl RetentionChange {
    /// Takes one item with its value; `false` where the next argument is none of these.
    pub(super) fn take(&mut self, options: &mut Options<'_>) -> Result<bool, Refusal> {
        let items = [MAXLEN, MAXAGE, MAXBYTES, RETAIN, OVERFLOW];
        let Some(item) = items.into_iter().find(|item| options.take_word(item, 1)) else {
            return Ok(false);
        };
        let value = options.value();
        match item {
            MAXLEN => set_once(item, &mut self.max_len, || limit(item, "entries", value)),
            MAXAGE => set_once(item, &mut self.max_age_ms, || limit(item, "milliseconds", value)),
            MAXBYTES => set_once(item, &mut self.max_bytes, || limit(item, "bytes", value)),
            RETAIN => set_once(item, &mut self.retain, || retain(value)),
            _ => set_once(item, &mut self.overflow, || overflow(value)),
        }?;
        Ok(true)
    }

    pub(super) fn is_empty(&self) -> bool {
        let numbers = [self.max_len, self.max_age_ms, self.max_bytes];
        let is_other = self.retain.is_some() || self.overflow.is_some();
        !is_other && numbers.into_iter().all(|number| number.is_none())
    }

    /// What a stream keeps with it.
    pub(super) fn apply(&self, mut retention: Retention) -> Result<Retention, Refusal> {
        retention.max_len = self.max_len.unwrap_or(retention.max_len);
        retention.max_age_ms = self.max_age_ms.unwrap_or(retention.max_age_ms);
        retention.max_bytes = self.max_bytes.unwrap_or(retention.max_bytes);
        retention.retain = self.retain.unwrap_or(retention.retain);
        retention.overflow = self.overflow.unwrap_or(retention.overflow);
        if retention.contradicts_itself() {
            return Err(Refusal::text(CONTRADICTION));
        }
        Ok(retention)
    }
}

fn set_once<T>(
    item: &str,
    place: &mut Option<T>,
    value: impl FnOnce() -> Result<T, Refusal>,
) -> Result<(), Refusal> {
    if place.is_some() {
        return Err(Refusal::Text(format!("ERR {item} specified multiple times").into()));
    }
    *place = Some(value()?);
    Ok(())
}

/// Whether the value switches an item off.
fn is_off(value: &[u8]) -> bool {
    value == b"0" || value.eq_ignore_ascii_case(b"NONE")
}

fn limit(item: &str, unit: &str, value: &[u8]) -> Result<u64, Refusal> {
    if is_off(value) {
        return Ok(0);
    }
    let given = parse_i64(value).and_then(|number| u64::try_from(number).ok());
    given.ok_or_else(|| {
        Refusal::Text(format!("ERR {item} must be a number of {unit}, or NONE").into())
    })
}

fn retain(value: &[u8]) -> Result<Retain, Refusal> {
    if is_off(value) {
        return Ok(Retain::default());
    }
    [Retain::All, Retain::Unacked]
        .into_iter()
        .find(|retain| value.eq_ignore_ascii_case(retain_word(*retain).as_bytes()))
        .ok_or(Refusal::text("ERR RETAIN must be ALL, UNACKED, or NONE"))
}

fn overflow(value: &[u8]) -> Result<Option<Overflow>, Refusal> {
    if is_off(value) {
        return Ok(None);
    }
    [Overflow::Reject, Overflow::Drop]
        .into_iter()
        .find(|overflow| value.eq_ignore_ascii_case(overflow_word(*overflow).as_bytes()))
        .map(Some)
        .ok_or(Refusal::text("ERR OVERFLOW must be REJECT, DROP, or NONE"))
}

fn retain_word(retain: Retain) -> &'static str {
    match retain {
        Retain::All => "ALL",
        Retain::Unacked => "UNACKED",
    }
}

fn overflow_word(overflow: Overflow) -> &'static str {
    match overflow {
        Overflow::Reject => "REJECT",
        Overflow::Drop => "DROP",
    }
}

/// All items with what is in force.
fn items(retention: &Retention) -> Vec<(Reply, Reply)> {
    vec![
        (Reply::Text(MAXLEN), Reply::number(retention.max_len)),
        (Reply::Text(MAXAGE), Reply::number(retention.max_age_ms)),
        (Reply::Text(MAXBYTES), Reply::number(retention.max_bytes)),
        (Reply::Text(RETAIN), Reply::Text(retain_word(retention.retain))),
        (Reply::Text(OVERFLOW), Reply::Text(overflow_word(retention.overflow()))),
    ]
}

pub(super) fn describe(retention: &Retention) -> Reply {
    Reply::Map(items(retention))
}

pub(crate) fn xcfgget(args: &[&[u8]], db: u8, txn: &mut Transaction<'_>) -> Outcome {
    let stream = txn.stream(db, args[1])?.ok_or(Refusal::NO_SUCH_KEY)?;
    let limits = stream.idempotence().limits();
    let mut all = vec![
        (Reply::Text("IDMP-DURATION"), Reply::number(limits.duration_s.into())),
        (Reply::Text("IDMP-MAXSIZE"), Reply::number(limits.per_producer_max.into())),
    ];
    all.extend(items(&stream.retention().copied().unwrap_or_default()));
    Ok(Reply::Map(all))
}
