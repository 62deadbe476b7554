//! What comes of a data command, and the dispatch to it.
//!
//! One arm, one call: no grammar here. Inside EXEC nothing waits.

use millstream_engine::{ReadOutcome, ReadRequest, Transaction};

use crate::Reply;
use crate::keys::expire::TimeForm;
use crate::keys::{expire, keyspace, scan, strings};
use crate::refusal::{Outcome, Refusal};
use crate::streams::{
    acknowledge, add, claim, delete, group, inspect, pending, range, read, settings, trim,
};
use crate::table::CommandId;

/// What comes of a data command.
#[derive(Debug)]
pub enum Answer {
    /// It is done.
    Reply(Reply),
    /// There is nothing to read yet, and the client is willing to wait.
    Park {
        /// To be parked in the engine.
        request: ReadRequest,
        /// For how long, in milliseconds; `None`: for ever.
        block_ms: Option<u64>,
    },
}

/// The reply to a read that had to wait.
#[must_use]
pub fn read_reply(outcome: ReadOutcome) -> Reply {
    Reply::Read(outcome)
}

const RELATIVE_S: TimeForm = TimeForm { seconds: true, absolute: false };
const RELATIVE_MS: TimeForm = TimeForm { seconds: false, absolute: false };
const ABSOLUTE_S: TimeForm = TimeForm { seconds: true, absolute: true };
const ABSOLUTE_MS: TimeForm = TimeForm { seconds: false, absolute: true };

/// Whether [`run`] has the command; the others belong to the session.
#[must_use]
pub fn is_data_command(id: CommandId) -> bool {
    use CommandId as C;
    matches!(
        id,
        C::Xack
            | C::Xackdel
            | C::Xadd
            | C::Xautoclaim
            | C::Xcfgset
            | C::Xclaim
            | C::Xdel
            | C::Xdelex
            | C::XgroupCreate
            | C::XgroupCreateconsumer
            | C::XgroupDelconsumer
            | C::XgroupDestroy
            | C::XgroupSetid
            | C::Xidmprecord
            | C::XinfoConsumers
            | C::XinfoGroups
            | C::XinfoStream
            | C::Xlen
            | C::Xnack
            | C::Xpending
            | C::Xrange
            | C::Xread
            | C::Xreadgroup
            | C::Xrevrange
            | C::Xsetid
            | C::Xtrim
            | C::Dbsize
            | C::Del
            | C::Unlink
            | C::Exists
            | C::Type
            | C::Keys
            | C::Scan
            | C::Rename
            | C::Renamenx
            | C::Flushdb
            | C::Flushall
            | C::Expire
            | C::Pexpire
            | C::Expireat
            | C::Pexpireat
            | C::Ttl
            | C::Pttl
            | C::Expiretime
            | C::Pexpiretime
            | C::Persist
            | C::Get
            | C::Set
            | C::Incr
            | C::Incrby
            | C::Decr
            | C::Decrby
    )
}

/// Runs a data command whose arity was checked, between `begin` and `finish` of the transaction.
/// `args` start with the command's name. Without `may_block` a read never parks (inside EXEC).
///
/// # Panics
/// If the command is not one of [`is_data_command`].
pub fn run(
    id: CommandId,
    args: &[&[u8]],
    db: u8,
    may_block: bool,
    txn: &mut Transaction<'_>,
) -> Answer {
    let answer = match id {
        CommandId::Xread => read::xread(args, db, may_block, txn),
        CommandId::Xreadgroup => read::xreadgroup(args, db, may_block, txn),
        _ => run_at_once(id, args, db, txn).map(Answer::Reply),
    };
    answer.unwrap_or_else(|refusal: Refusal| Answer::Reply(refusal.into()))
}

fn run_at_once(id: CommandId, args: &[&[u8]], db: u8, txn: &mut Transaction<'_>) -> Outcome {
    match id {
        CommandId::Xadd => add::xadd(args, db, txn),
        CommandId::Xack => acknowledge::xack(args, db, txn),
        CommandId::Xackdel => delete::xackdel(args, db, txn),
        CommandId::Xautoclaim => claim::xautoclaim(args, db, txn),
        CommandId::Xcfgset => settings::xcfgset(args, db, txn),
        CommandId::Xclaim => claim::xclaim(args, db, txn),
        CommandId::Xdel => delete::xdel(args, db, txn),
        CommandId::Xdelex => delete::xdelex(args, db, txn),
        CommandId::XgroupCreate => group::create(args, db, txn),
        CommandId::XgroupCreateconsumer => group::create_consumer(args, db, txn),
        CommandId::XgroupDelconsumer => group::delete_consumer(args, db, txn),
        CommandId::XgroupDestroy => group::destroy(args, db, txn),
        CommandId::XgroupSetid => group::set_id(args, db, txn),
        CommandId::Xidmprecord => settings::xidmprecord(args, db, txn),
        CommandId::XinfoConsumers => inspect::consumers(args, db, txn),
        CommandId::XinfoGroups => inspect::groups(args, db, txn),
        CommandId::XinfoStream => inspect::stream(args, db, txn),
        CommandId::Xlen => range::xlen(args, db, txn),
        CommandId::Xnack => acknowledge::xnack(args, db, txn),
        CommandId::Xpending => pending::xpending(args, db, txn),
        CommandId::Xrange => range::xrange(args, db, txn),
        CommandId::Xrevrange => range::xrevrange(args, db, txn),
        CommandId::Xsetid => settings::xsetid(args, db, txn),
        CommandId::Xtrim => trim::xtrim(args, db, txn),
        _ => run_on_keys(id, args, db, txn),
    }
}

fn run_on_keys(id: CommandId, args: &[&[u8]], db: u8, txn: &mut Transaction<'_>) -> Outcome {
    Ok(match id {
        CommandId::Dbsize => keyspace::count(db, txn),
        CommandId::Del | CommandId::Unlink => keyspace::delete(args, db, txn),
        CommandId::Exists => keyspace::exists(args, db, txn),
        CommandId::Type => keyspace::type_of(args, db, txn),
        CommandId::Keys => keyspace::keys(args, db, txn),
        CommandId::Scan => return scan::scan(args, db, txn),
        CommandId::Rename => return keyspace::rename(args, db, txn),
        CommandId::Renamenx => return keyspace::rename_if_free(args, db, txn),
        CommandId::Flushdb => return keyspace::flush(args, Some(db), txn),
        CommandId::Flushall => return keyspace::flush(args, None, txn),
        CommandId::Expire => return expire::expire(args, "expire", RELATIVE_S, db, txn),
        CommandId::Pexpire => return expire::expire(args, "pexpire", RELATIVE_MS, db, txn),
        CommandId::Expireat => return expire::expire(args, "expireat", ABSOLUTE_S, db, txn),
        CommandId::Pexpireat => return expire::expire(args, "pexpireat", ABSOLUTE_MS, db, txn),
        CommandId::Ttl => expire::lifetime(args, RELATIVE_S, db, txn),
        CommandId::Pttl => expire::lifetime(args, RELATIVE_MS, db, txn),
        CommandId::Expiretime => expire::lifetime(args, ABSOLUTE_S, db, txn),
        CommandId::Pexpiretime => expire::lifetime(args, ABSOLUTE_MS, db, txn),
        CommandId::Persist => expire::persist(args, db, txn),
        CommandId::Get => return strings::get(args, db, txn),
        CommandId::Set => return strings::set(args, db, txn),
        CommandId::Incr => return strings::add(args[1], 1, db, txn),
        CommandId::Incrby => return strings::increment_by(args, db, txn),
        CommandId::Decr => return strings::add(args[1], -1, db, txn),
        CommandId::Decrby => return strings::decrement_by(args, db, txn),
        _ => unreachable!("{id:?} is not a data command"),
    })
}
