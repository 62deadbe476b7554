//! XGROUP.

use millstream_engine::{GroupPosition, Transaction};

use super::group_policy::PolicyChange;
use crate::Reply;
use crate::id::parse_or_extreme;
use crate::options::{Options, id};
use crate::refusal::{Outcome, Refusal};

/// Longest form of CREATE that is accepted, in words.
const CREATE_ARGS_MAX: usize = 8;

#[derive(Default)]
struct Trailing {
    make_stream: bool,
    entries_read: Option<u64>,
    /// What comes after CFG.
    policy: Option<PolicyChange>,
    /// Words before CFG.
    words: usize,
}

impl Trailing {
    fn parse(args: &[&[u8]], may_make_stream: bool) -> Result<Self, Refusal> {
        let mut options = Options::new(args, 5);
        let mut trailing = Self { words: args.len(), ..Self::default() };
        while options.left() > 0 {
            if may_make_stream && options.take_word("MKSTREAM", 0) {
                trailing.make_stream = true;
            } else if may_make_stream && options.take_word("CFG", 2) {
                trailing.words -= options.left() + 1;
                trailing.policy = Some(PolicyChange::parse(&mut options)?);
            } else if options.take_word("ENTRIESREAD", 1) {
                let text = "ERR value for ENTRIESREAD must be positive or -1";
                trailing.entries_read = match options.integer()? {
                    -1 => None,
                    read => Some(u64::try_from(read).map_err(|_| Refusal::text(text))?),
                };
            } else {
                return Err(wrong_form(args));
            }
        }
        Ok(trailing)
    }
}

fn wrong_form(args: &[&[u8]]) -> Refusal {
    Refusal::unknown_subcommand_form(args[1], "XGROUP")
}

pub(crate) fn create(args: &[&[u8]], db: u8, txn: &mut Transaction<'_>) -> Outcome {
    let trailing = Trailing::parse(args, true)?;
    let (key, group) = (args[2], args[3]);
    match txn.check_managed_key(db, key) {
        Err(millstream_model::Rejection::GroupNeedsKey) if trailing.make_stream => {}
        checked => checked?,
    }
    if trailing.words > CREATE_ARGS_MAX {
        return Err(wrong_form(args));
    }
    let position = match args[4] {
        b"$" => GroupPosition::End,
        text => GroupPosition::After(id(text)?),
    };
    let Trailing { make_stream, entries_read, policy: change, .. } = trailing;
    let mut policy = txn.default_policy(key, group);
    if let Some(change) = change {
        change.apply(&mut policy);
    }
    txn.create_group_with(db, key, group, position, make_stream, entries_read, policy)?;
    Ok(Reply::OK)
}

pub(crate) fn set_id(args: &[&[u8]], db: u8, txn: &mut Transaction<'_>) -> Outcome {
    let trailing = Trailing::parse(args, false)?;
    let (key, group) = (args[2], args[3]);
    txn.check_managed_group(db, key, group)?;
    if args.len() != 5 && args.len() != 7 {
        return Err(wrong_form(args));
    }
    let position = match args[4] {
        b"$" => GroupPosition::End,
        text => GroupPosition::After(parse_or_extreme(text, 0).ok_or(Refusal::INVALID_ID)?),
    };
    txn.set_group_position(db, key, group, position, trailing.entries_read)?;
    Ok(Reply::OK)
}

pub(crate) fn destroy(args: &[&[u8]], db: u8, txn: &mut Transaction<'_>) -> Outcome {
    Ok(Reply::Int(i64::from(txn.destroy_group(db, args[2], args[3])?)))
}

pub(crate) fn create_consumer(args: &[&[u8]], db: u8, txn: &mut Transaction<'_>) -> Outcome {
    Ok(Reply::Int(i64::from(txn.create_consumer(db, args[2], args[3], args[4])?)))
}

pub(crate) fn delete_consumer(args: &[&[u8]], db: u8, txn: &mut Transaction<'_>) -> Outcome {
    Ok(Reply::count(txn.delete_consumer(db, args[2], args[3], args[4])?))
}

pub(crate) fn skip(args: &[&[u8]], db: u8, txn: &mut Transaction<'_>) -> Outcome {
    Ok(Reply::Int(i64::from(txn.skip(db, args[2], args[3], id(args[4])?)?)))
}
