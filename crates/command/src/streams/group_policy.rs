//! XGROUP CFGSET and CFGGET: what a group does by itself. `docs/delivery.md` has the items.

use std::sync::Arc;

use bytes::Bytes;
use millstream_engine::Transaction;
use millstream_model::{Backoff, ConsumerDeletion, GroupPolicy};

use crate::Reply;
use crate::integer::parse_i64;
use crate::options::Options;
use crate::refusal::{Outcome, Refusal};

const VISIBILITY: &str = "VISIBILITY";
const MAXDELIVERIES: &str = "MAXDELIVERIES";
const DEADLETTER: &str = "DEADLETTER";
const BACKOFF: &str = "BACKOFF";
const JITTER: &str = "JITTER";
const MAXINFLIGHT: &str = "MAXINFLIGHT";
const ORDERBY: &str = "ORDERBY";
const CONSUMERTTL: &str = "CONSUMERTTL";
const DELCONSUMER: &str = "DELCONSUMER";
const PAUSED: &str = "PAUSED";
const ITEMS: [&str; 10] = [
    VISIBILITY,
    MAXDELIVERIES,
    DEADLETTER,
    BACKOFF,
    JITTER,
    MAXINFLIGHT,
    ORDERBY,
    CONSUMERTTL,
    DELCONSUMER,
    PAUSED,
];

/// More deliveries than anybody wants, and a number that every counter here has room for.
const DELIVERIES_MAX: u64 = 1_000_000_000;
const FACTOR_MAX: u32 = 1000;

/// Items and their values, checked as a whole before anything changes.
#[derive(Default)]
pub(crate) struct PolicyChange {
    visibility_ms: Option<u64>,
    deliveries_max: Option<u32>,
    dead_letter: Option<Option<Arc<[u8]>>>,
    backoff: Option<Option<Backoff>>,
    jitter_percent: Option<u8>,
    in_flight_max: Option<u64>,
    order_by: Option<Option<Arc<[u8]>>>,
    consumer_ttl_ms: Option<u64>,
    consumer_deletion: Option<Option<ConsumerDeletion>>,
    is_paused: Option<bool>,
}

impl PolicyChange {
    /// Takes all arguments that are left.
    pub(crate) fn parse(options: &mut Options<'_>) -> Result<Self, Refusal> {
        let mut change = Self::default();
        while let Some(word) = options.next() {
            let item = ITEMS.into_iter().find(|item| word.eq_ignore_ascii_case(item.as_bytes()));
            let Some(item) = item else { return Err(unknown_item(word)) };
            let Some(value) = options.next() else { return Err(refusal(item, "needs a value")) };
            change.set(item, value, options)?;
        }
        Ok(change)
    }

    fn set(
        &mut self,
        item: &'static str,
        value: &[u8],
        options: &mut Options<'_>,
    ) -> Result<(), Refusal> {
        let is_first = match item {
            VISIBILITY => self.visibility_ms.replace(milliseconds(item, value)?).is_none(),
            MAXDELIVERIES => {
                let text = "must be a number of deliveries up to 1000000000, or NONE";
                let max = number(value, DELIVERIES_MAX).ok_or_else(|| refusal(item, text))?;
                self.deliveries_max.replace(max as u32).is_none()
            }
            DEADLETTER => self.dead_letter.replace(dead_letter(item, value)?).is_none(),
            BACKOFF => self.backoff.replace(backoff(item, value, options)?).is_none(),
            JITTER => {
                let text = "must be a number of percent, 0 to 100";
                let percent = number(value, 100).ok_or_else(|| refusal(item, text))?;
                self.jitter_percent.replace(percent as u8).is_none()
            }
            MAXINFLIGHT => {
                let text = "must be a number of entries, or NONE";
                let max = number(value, i64::MAX as u64).ok_or_else(|| refusal(item, text))?;
                self.in_flight_max.replace(max).is_none()
            }
            ORDERBY => {
                let field = match value {
                    b"" => return Err(refusal(item, "must be the name of a field, or NONE")),
                    off if is_off(off) => None,
                    field => Some(field.into()),
                };
                self.order_by.replace(field).is_none()
            }
            CONSUMERTTL => self.consumer_ttl_ms.replace(milliseconds(item, value)?).is_none(),
            PAUSED => self.is_paused.replace(switch(item, value)?).is_none(),
            _ => self.consumer_deletion.replace(consumer_deletion(item, value)?).is_none(),
        };
        if is_first { Ok(()) } else { Err(refusal(item, "is given twice")) }
    }

    pub(crate) fn apply(self, policy: &mut GroupPolicy) {
        put(&mut policy.visibility_ms, self.visibility_ms);
        put(&mut policy.deliveries_max, self.deliveries_max);
        put(&mut policy.dead_letter, self.dead_letter);
        put(&mut policy.backoff, self.backoff);
        put(&mut policy.jitter_percent, self.jitter_percent);
        put(&mut policy.in_flight_max, self.in_flight_max);
        put(&mut policy.order_by, self.order_by);
        put(&mut policy.consumer_ttl_ms, self.consumer_ttl_ms);
        put(&mut policy.consumer_deletion, self.consumer_deletion);
        put(&mut policy.is_paused, self.is_paused);
    }
}

fn put<T>(place: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *place = value;
    }
}

fn refusal(item: &str, what: &str) -> Refusal {
    Refusal::Text(format!("ERR policy item {item} {what}").into())
}

fn unknown_item(word: &[u8]) -> Refusal {
    let items = ITEMS.join(", ");
    let parts: [&[u8]; 4] =
        [b"ERR unknown policy item '", word, b"', there are: ", items.as_bytes()];
    Refusal::Bytes(parts.concat())
}

/// Whether the value switches an item off.
fn is_off(value: &[u8]) -> bool {
    value == b"0" || value.eq_ignore_ascii_case(b"NONE")
}

/// A number up to `max`; what switches off is 0.
fn number(value: &[u8], max: u64) -> Option<u64> {
    if is_off(value) {
        return Some(0);
    }
    let given = parse_i64(value).and_then(|number| u64::try_from(number).ok());
    given.filter(|number| *number <= max)
}

fn milliseconds(item: &str, value: &[u8]) -> Result<u64, Refusal> {
    let given = number(value, i64::MAX as u64);
    given.ok_or_else(|| refusal(item, "must be a number of milliseconds, or NONE"))
}

fn dead_letter(item: &str, value: &[u8]) -> Result<Option<Arc<[u8]>>, Refusal> {
    match value {
        b"" => Err(refusal(item, "must be the key of a stream, or NONE")),
        off if is_off(off) => Ok(None),
        key => Ok(Some(key.into())),
    }
}

/// Three values, of which the first was taken; or what switches it off.
fn backoff(item: &str, base: &[u8], options: &mut Options<'_>) -> Result<Option<Backoff>, Refusal> {
    if is_off(base) {
        return Ok(None);
    }
    let wrong = || {
        refusal(
            item,
            "must be base-ms factor max-ms, or NONE: milliseconds, 1 or more each, \
                       max not below base; a factor from 1 to 1000 with up to three decimals",
        )
    };
    let (Some(factor), Some(max)) = (options.next(), options.next()) else { return Err(wrong()) };
    let milliseconds = |text| number(text, i64::MAX as u64).filter(|ms| *ms > 0);
    let base_ms = milliseconds(base).ok_or_else(wrong)?;
    let max_ms = milliseconds(max).filter(|max| *max >= base_ms).ok_or_else(wrong)?;
    let factor_thousandths = factor_thousandths(factor).ok_or_else(wrong)?;
    Ok(Some(Backoff { base_ms, factor_thousandths, max_ms }))
}

fn factor_thousandths(text: &[u8]) -> Option<u32> {
    let text = std::str::from_utf8(text).ok()?;
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    let is_number = |digits: &str| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    if !is_number(whole) || !is_number(part) || part.len() > 3 {
        return None;
    }
    let whole: u32 = whole.parse().ok()?;
    let part: u32 = format!("{part:0<3}").parse().ok()?;
    let thousandths = whole.checked_mul(1000)?.checked_add(part)?;
    (1000..=FACTOR_MAX * 1000).contains(&thousandths).then_some(thousandths)
}

fn backoff_text(backoff: &Backoff) -> String {
    let Backoff { base_ms, factor_thousandths, max_ms } = backoff;
    let part = format!("{:03}", factor_thousandths % 1000);
    let part = part.trim_end_matches('0');
    let point = if part.is_empty() { "" } else { "." };
    format!("{base_ms} {}{point}{part} {max_ms}", factor_thousandths / 1000)
}

fn switch(item: &str, value: &[u8]) -> Result<bool, Refusal> {
    match value {
        b"1" => Ok(true),
        off if is_off(off) => Ok(false),
        _ => Err(refusal(item, "must be 0 or 1")),
    }
}

fn consumer_deletion(item: &str, value: &[u8]) -> Result<Option<ConsumerDeletion>, Refusal> {
    if is_off(value) {
        return Ok(None);
    }
    [ConsumerDeletion::Release, ConsumerDeletion::Drop]
        .into_iter()
        .find(|deletion| value.eq_ignore_ascii_case(deletion_word(*deletion).as_bytes()))
        .map(Some)
        .ok_or_else(|| refusal(item, "must be RELEASE, DROP, or NONE"))
}

fn deletion_word(deletion: ConsumerDeletion) -> &'static str {
    match deletion {
        ConsumerDeletion::Release => "RELEASE",
        ConsumerDeletion::Drop => "DROP",
    }
}

/// All items with their values, as they can be set again.
pub(super) fn describe(policy: &GroupPolicy) -> Reply {
    let deletion = policy.consumer_deletion.map_or("NONE", deletion_word);
    let text = |text: &Option<Arc<[u8]>>| match text {
        Some(text) => Reply::Bulk(Bytes::copy_from_slice(text)),
        None => Reply::Text("NONE"),
    };
    let backoff = match &policy.backoff {
        Some(backoff) => Reply::Bulk(backoff_text(backoff).into()),
        None => Reply::Text("NONE"),
    };
    Reply::Map(vec![
        (Reply::Text(VISIBILITY), Reply::number(policy.visibility_ms)),
        (Reply::Text(MAXDELIVERIES), Reply::Int(policy.deliveries_max.into())),
        (Reply::Text(DEADLETTER), text(&policy.dead_letter)),
        (Reply::Text(BACKOFF), backoff),
        (Reply::Text(JITTER), Reply::Int(policy.jitter_percent.into())),
        (Reply::Text(MAXINFLIGHT), Reply::number(policy.in_flight_max)),
        (Reply::Text(ORDERBY), text(&policy.order_by)),
        (Reply::Text(CONSUMERTTL), Reply::number(policy.consumer_ttl_ms)),
        (Reply::Text(DELCONSUMER), Reply::Text(deletion)),
        (Reply::Text(PAUSED), Reply::Int(policy.is_paused.into())),
    ])
}

pub(crate) fn set(args: &[&[u8]], db: u8, txn: &mut Transaction<'_>) -> Outcome {
    let (key, group) = (args[2], args[3]);
    let change = PolicyChange::parse(&mut Options::new(args, 4))?;
    let mut policy = txn.group_policy(db, key, group)?;
    change.apply(&mut policy);
    txn.set_group_policy(db, key, group, policy)?;
    Ok(Reply::OK)
}

pub(crate) fn get(args: &[&[u8]], db: u8, txn: &mut Transaction<'_>) -> Outcome {
    Ok(describe(&txn.group_policy(db, args[2], args[3])?))
}
