//! XGROUP CFGSET and CFGGET: what a group does by itself. `docs/delivery.md` has the items.

use millstream_engine::Transaction;
use millstream_model::{ConsumerDeletion, GroupPolicy};

use crate::Reply;
use crate::integer::parse_i64;
use crate::options::Options;
use crate::refusal::{Outcome, Refusal};

const VISIBILITY: &str = "VISIBILITY";
const DELCONSUMER: &str = "DELCONSUMER";
const PAUSED: &str = "PAUSED";
const ITEMS: [&str; 3] = [VISIBILITY, DELCONSUMER, PAUSED];

/// Items and their values, checked as a whole before anything changes.
#[derive(Default)]
pub(super) struct PolicyChange {
    visibility_ms: Option<u64>,
    consumer_deletion: Option<Option<ConsumerDeletion>>,
    is_paused: Option<bool>,
}

impl PolicyChange {
    /// Takes all arguments that are left.
    pub(super) fn parse(options: &mut Options<'_>) -> Result<Self, Refusal> {
        let mut change = Self::default();
        while let Some(word) = options.next() {
            let item = ITEMS.into_iter().find(|item| word.eq_ignore_ascii_case(item.as_bytes()));
            let Some(item) = item else { return Err(unknown_item(word)) };
            let Some(value) = options.next() else { return Err(refusal(item, "needs a value")) };
            change.set(item, value)?;
        }
        Ok(change)
    }

    fn set(&mut self, item: &'static str, value: &[u8]) -> Result<(), Refusal> {
        let is_first = match item {
            VISIBILITY => self.visibility_ms.replace(milliseconds(item, value)?).is_none(),
            PAUSED => self.is_paused.replace(switch(item, value)?).is_none(),
            _ => self.consumer_deletion.replace(consumer_deletion(item, value)?).is_none(),
        };
        if is_first { Ok(()) } else { Err(refusal(item, "is given twice")) }
    }

    pub(super) fn apply(&self, policy: &mut GroupPolicy) {
        if let Some(visibility_ms) = self.visibility_ms {
            policy.visibility_ms = visibility_ms;
        }
        if let Some(consumer_deletion) = self.consumer_deletion {
            policy.consumer_deletion = consumer_deletion;
        }
        if let Some(is_paused) = self.is_paused {
            policy.is_paused = is_paused;
        }
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

fn milliseconds(item: &str, value: &[u8]) -> Result<u64, Refusal> {
    if is_off(value) {
        return Ok(0);
    }
    let given = parse_i64(value).and_then(|ms| u64::try_from(ms).ok());
    given.ok_or_else(|| refusal(item, "must be a number of milliseconds, or NONE"))
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
    Reply::Map(vec![
        (Reply::Text(VISIBILITY), Reply::number(policy.visibility_ms)),
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
