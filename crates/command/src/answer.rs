//! What comes of a data command, and the dispatch to it.
//!
//! One arm, one call: no grammar here. Inside EXEC nothing waits.

use millstream_engine::{ReadOutcome, ReadRequest, Transaction};

use crate::Reply;
use crate::keys::expire::TimeForm;
use crate::keys::{copy, counters, dump, expire, keyspace, object, scan, strings};
use crate::refusal::{Outcome, Refusal};
use crate::streams::{
    acknowledge, add, claim, dead_letters, delete, group, group_policy, inspect, pending, range,
    read, retention, schedule, settings, trim,
};
use crate::table::{CommandId, CommandSpec};

/// What comes of a data command.
#[derive(Debug)]
pub enum Answer {
    /// It is done.
    Reply(Reply),
    /// There is nothing to read yet, and the client is willing to wait.
    Park {
        /// To be parked in the engine. Boxed: every other answer is a third of its size.
        request: Box<ReadRequest>,
        /// For how long, in milliseconds; `None`: for ever.
        block_ms: Option<u64>,
    },
    /// It would log more than there is prepared space for, and changed nothing: run it again once
    /// there is. Space has been asked for.
    NeedsRoom,
    /// Blocks of entries are on disk only, and nothing has changed: load what
    /// [`Transaction::take_needed`] says, and run it again.
    NeedsBlocks,
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
#[inline]
pub fn is_data_command(id: CommandId) -> bool {
    matches!(id, CommandId::Xread | CommandId::Xreadgroup) || runner(id).is_some()
}

/// Runs a data command whose arity was checked, between `begin` and `finish` of the transaction.
/// `args` start with the command's name. Without `may_block` a read never parks (inside EXEC).
///
/// # Panics
/// If the command is not one of [`is_data_command`].
#[inline]
pub fn run(
    spec: &CommandSpec,
    args: &[&[u8]],
    db: u8,
    may_block: bool,
    txn: &mut Transaction<'_>,
) -> Answer {
    txn.count_lookups(spec.is_readonly() || looks_up_to_read(spec.id));
    match spec.id {
        CommandId::Xread => read::xread(args, db, may_block, txn).unwrap_or_else(refused),
        CommandId::Xreadgroup => read::xreadgroup(args, db, may_block, txn).unwrap_or_else(refused),
        id => {
            let runner = runner(id).unwrap_or_else(|| panic!("{id:?} is not a data command"));
            runner(args, db, txn)
        }
    }
}

fn refused(refusal: Refusal) -> Answer {
    match refusal {
        Refusal::NeedsBlocks => Answer::NeedsBlocks,
        Refusal::NeedsRoom => Answer::NeedsRoom,
        refusal => Answer::Reply(refusal.into()),
    }
}

/// From what a command returns that can be refused.
#[inline]
fn answered(outcome: Outcome) -> Answer {
    outcome.map_or_else(refused, Answer::Reply)
}

/// Commands that write, and of which Redis counts lookups as hits and misses all the same.
const fn looks_up_to_read(id: CommandId) -> bool {
    use CommandId as C;
    matches!(
        id,
        C::Xreadgroup | C::Xack | C::Xclaim | C::Xautoclaim | C::Getex | C::Getdel | C::Getset
    )
}

/// A command that answers at once.
type Runner = fn(&[&[u8]], u8, &mut Transaction<'_>) -> Answer;

/// A runner from a function that may be refused; from one that never is, and from one that may have
/// to wait for room.
macro_rules! runner {
    (always $run:expr) => {
        |args, db, txn| Answer::Reply($run(args, db, txn))
    };
    (with_room $run:expr) => {
        |args, db, txn| answered($run(args, db, txn))
    };
    ($run:expr) => {
        |args, db, txn| answered($run(args, db, txn))
    };
}

#[inline]
fn runner(id: CommandId) -> Option<Runner> {
    Some(match id {
        CommandId::Xadd => runner!(add::xadd),
        CommandId::Xack => runner!(acknowledge::xack),
        CommandId::Xackdel => runner!(delete::xackdel),
        CommandId::Xautoclaim => runner!(claim::xautoclaim),
        CommandId::Xcfgget => runner!(retention::xcfgget),
        CommandId::Xcfgset => runner!(settings::xcfgset),
        CommandId::Xclaim => runner!(claim::xclaim),
        CommandId::Xdel => runner!(delete::xdel),
        CommandId::Xdelex => runner!(delete::xdelex),
        CommandId::XdlqList => runner!(dead_letters::list),
        CommandId::XdlqPurge => runner!(dead_letters::purge),
        CommandId::XdlqRequeue => runner!(dead_letters::requeue),
        CommandId::Xfence => runner!(acknowledge::xfence),
        CommandId::XgroupCfgget => runner!(group_policy::get),
        CommandId::XgroupCfgset => runner!(group_policy::set),
        CommandId::XgroupCreate => runner!(group::create),
        CommandId::XgroupCreateconsumer => runner!(group::create_consumer),
        CommandId::XgroupDelconsumer => runner!(group::delete_consumer),
        CommandId::XgroupDestroy => runner!(group::destroy),
        CommandId::XgroupSetid => runner!(group::set_id),
        CommandId::XgroupSkip => runner!(group::skip),
        CommandId::Xidmprecord => runner!(settings::xidmprecord),
        CommandId::XinfoConsumers => runner!(inspect::consumers),
        CommandId::XinfoGroups => runner!(inspect::groups),
        CommandId::XinfoStream => runner!(inspect::stream),
        CommandId::Xlen => runner!(range::xlen),
        CommandId::Xnack => runner!(acknowledge::xnack),
        CommandId::Xpending => runner!(pending::xpending),
        CommandId::Xrange => runner!(range::xrange),
        CommandId::Xrevrange => runner!(range::xrevrange),
        CommandId::XscheduleAdd => runner!(schedule::add),
        CommandId::XscheduleCancel => runner!(schedule::cancel),
        CommandId::XscheduleList => runner!(schedule::list),
        CommandId::XscheduleRun => runner!(with_room schedule::run),
        CommandId::Xsetid => runner!(settings::xsetid),
        CommandId::Xtrim => runner!(trim::xtrim),
        _ => return key_runner(id).or_else(|| string_runner(id)),
    })
}

/// Commands on keys of any type.
fn key_runner(id: CommandId) -> Option<Runner> {
    Some(match id {
        CommandId::Dbsize => |_, db, txn| Answer::Reply(keyspace::count(db, txn)),
        CommandId::Del | CommandId::Unlink => runner!(always keyspace::delete),
        CommandId::Exists => runner!(always keyspace::exists),
        CommandId::Type => runner!(always keyspace::type_of),
        CommandId::Keys => runner!(always keyspace::keys),
        CommandId::Scan => runner!(scan::scan),
        CommandId::Rename => runner!(keyspace::rename),
        CommandId::Renamenx => runner!(keyspace::rename_if_free),
        CommandId::Flushdb => |args, db, txn| answered(keyspace::flush(args, Some(db), txn)),
        CommandId::Flushall => |args, _, txn| answered(keyspace::flush(args, None, txn)),
        CommandId::Expire => {
            |args, db, txn| answered(expire::expire(args, "expire", RELATIVE_S, db, txn))
        }
        CommandId::Pexpire => {
            |args, db, txn| answered(expire::expire(args, "pexpire", RELATIVE_MS, db, txn))
        }
        CommandId::Expireat => {
            |args, db, txn| answered(expire::expire(args, "expireat", ABSOLUTE_S, db, txn))
        }
        CommandId::Pexpireat => {
            |args, db, txn| answered(expire::expire(args, "pexpireat", ABSOLUTE_MS, db, txn))
        }
        CommandId::Ttl => {
            |args, db, txn| Answer::Reply(expire::lifetime(args, RELATIVE_S, db, txn))
        }
        CommandId::Pttl => {
            |args, db, txn| Answer::Reply(expire::lifetime(args, RELATIVE_MS, db, txn))
        }
        CommandId::Expiretime => {
            |args, db, txn| Answer::Reply(expire::lifetime(args, ABSOLUTE_S, db, txn))
        }
        CommandId::Pexpiretime => {
            |args, db, txn| Answer::Reply(expire::lifetime(args, ABSOLUTE_MS, db, txn))
        }
        CommandId::Persist => runner!(always expire::persist),
        CommandId::Copy => runner!(with_room copy::copy),
        CommandId::Move => runner!(copy::move_key),
        CommandId::Swapdb => |args, _, txn| answered(copy::swap_databases(args, txn)),
        CommandId::Randomkey => |_, db, txn| Answer::Reply(copy::random_key(db, txn)),
        CommandId::Dump => runner!(dump::dump),
        CommandId::Restore => runner!(with_room dump::restore),
        CommandId::Touch => runner!(always object::touch),
        CommandId::ObjectEncoding => runner!(always object::encoding),
        CommandId::ObjectFreq => runner!(object::frequency),
        CommandId::ObjectIdletime => runner!(always object::idle_time),
        CommandId::ObjectRefcount => runner!(always object::reference_count),
        CommandId::MemoryUsage => runner!(object::memory_usage),
        _ => return None,
    })
}

fn string_runner(id: CommandId) -> Option<Runner> {
    Some(match id {
        CommandId::Get => runner!(strings::get),
        CommandId::Set => runner!(strings::set),
        CommandId::Setnx => runner!(strings::set_if_free),
        CommandId::Setex => {
            |args, db, txn| answered(strings::set_for_time(args, "setex", RELATIVE_S, db, txn))
        }
        CommandId::Psetex => {
            |args, db, txn| answered(strings::set_for_time(args, "psetex", RELATIVE_MS, db, txn))
        }
        CommandId::Getset => runner!(strings::get_and_set),
        CommandId::Getdel => runner!(strings::get_and_delete),
        CommandId::Getex => runner!(strings::get_and_expire),
        CommandId::Mget => runner!(strings::get_all),
        CommandId::Mset => |args, db, txn| {
            answered(strings::set_all(args, "mset", false, db, txn).map(|_| Reply::OK))
        },
        CommandId::Msetnx => |args, db, txn| {
            let is_set = strings::set_all(args, "msetnx", true, db, txn);
            answered(is_set.map(|is_set| Reply::Int(is_set.into())))
        },
        CommandId::Strlen => runner!(strings::length),
        CommandId::Append => runner!(strings::append),
        CommandId::Incr => |args, db, txn| answered(counters::add(args[1], 1, db, txn)),
        CommandId::Incrby => runner!(counters::increment_by),
        CommandId::Decr => |args, db, txn| answered(counters::add(args[1], -1, db, txn)),
        CommandId::Decrby => runner!(counters::decrement_by),
        CommandId::Incrbyfloat => runner!(counters::add_float),
        _ => return None,
    })
}
