//! Rows of the command table: keys of any type, transactions, waiting.
//!
//! Data only; what it means is said in `table/spec.rs`.

use super::CommandId as Id;
use super::spec::{CommandSpec, KeySpec};
use super::words::Group::{Generic, Transactions};
use super::words::KeyUse::{
    Access, Delete, Insert, Overwrite, ReadOnly, ReadWrite, Remove, Update,
};
use super::words::{Category, Flag};

pub(super) static ROWS: [CommandSpec; 31] = [
    CommandSpec::new(Generic, Id::Copy, "copy", -3)
        .flags(&[Flag::Write, Flag::DenyOom])
        .categories(&[Category::Keyspace])
        .keys(&[KeySpec::at(1, &[ReadOnly, Access]), KeySpec::at(2, &[Overwrite, Update])])
        .docs(
            "6.2.0",
            "O(N) for a value of N parts",
            "Copies a key with its value, here or to another database.",
        ),
    CommandSpec::new(Generic, Id::Del, "del", -2)
        .flags(&[Flag::Write])
        .categories(&[Category::Keyspace])
        .keys(&[KeySpec::all(&[Remove, Delete])])
        .tips(&["request_policy:multi_shard", "response_policy:agg_sum"])
        .docs("1.0.0", "O(N) for N keys", "Removes keys."),
    CommandSpec::new(Generic, Id::Dump, "dump", 2)
        .flags(&[Flag::Readonly])
        .categories(&[Category::Keyspace])
        .keys(&[KeySpec::at(1, &[ReadOnly, Access])])
        .tips(&["nondeterministic_output"])
        .docs(
            "2.6.0",
            "O(N) for a value of N parts",
            "Returns a key's value as bytes that RESTORE understands.",
        ),
    CommandSpec::new(Generic, Id::Exists, "exists", -2)
        .flags(&[Flag::Readonly, Flag::Fast])
        .categories(&[Category::Keyspace])
        .keys(&[KeySpec::all(&[ReadOnly])])
        .tips(&["request_policy:multi_shard", "response_policy:agg_sum"])
        .docs("1.0.0", "O(N) for N keys", "Counts how many of the given keys exist."),
    CommandSpec::new(Generic, Id::Expire, "expire", -3)
        .flags(&[Flag::Write, Flag::Fast])
        .categories(&[Category::Keyspace])
        .keys(&[KeySpec::at(1, &[ReadWrite, Update])])
        .docs("1.0.0", "O(1)", "Makes a key vanish in so many seconds."),
    CommandSpec::new(Generic, Id::Expireat, "expireat", -3)
        .flags(&[Flag::Write, Flag::Fast])
        .categories(&[Category::Keyspace])
        .keys(&[KeySpec::at(1, &[ReadWrite, Update])])
        .docs("1.2.0", "O(1)", "Makes a key vanish at a Unix time in seconds."),
    CommandSpec::new(Generic, Id::Expiretime, "expiretime", 2)
        .flags(&[Flag::Readonly, Flag::Fast])
        .categories(&[Category::Keyspace])
        .keys(&[KeySpec::at(1, &[ReadOnly, Access])])
        .docs("7.0.0", "O(1)", "Returns the Unix time in seconds at which a key vanishes."),
    CommandSpec::new(Generic, Id::Keys, "keys", 2)
        .flags(&[Flag::Readonly])
        .categories(&[Category::Keyspace, Category::Dangerous])
        .tips(&["request_policy:all_shards", "nondeterministic_output_order"])
        .docs("1.0.0", "O(N) for N keys of the database", "Returns all keys that match a pattern."),
    CommandSpec::new(Generic, Id::Move, "move", 3)
        .flags(&[Flag::Write, Flag::Fast])
        .categories(&[Category::Keyspace])
        .keys(&[KeySpec::at(1, &[ReadWrite, Access, Update])])
        .docs("1.0.0", "O(1)", "Moves a key to another database."),
    CommandSpec::new(Generic, Id::Object, "object", -2)
        .docs("2.2.3", "By subcommand", "Tells how a key's value is kept.")
        .subcommands(&OBJECT),
    CommandSpec::new(Generic, Id::Persist, "persist", 2)
        .flags(&[Flag::Write, Flag::Fast])
        .categories(&[Category::Keyspace])
        .keys(&[KeySpec::at(1, &[ReadWrite, Update])])
        .docs("2.2.0", "O(1)", "Makes a key stay that would have vanished."),
    CommandSpec::new(Generic, Id::Pexpire, "pexpire", -3)
        .flags(&[Flag::Write, Flag::Fast])
        .categories(&[Category::Keyspace])
        .keys(&[KeySpec::at(1, &[ReadWrite, Update])])
        .docs("2.6.0", "O(1)", "Makes a key vanish in so many milliseconds."),
    CommandSpec::new(Generic, Id::Pexpireat, "pexpireat", -3)
        .flags(&[Flag::Write, Flag::Fast])
        .categories(&[Category::Keyspace])
        .keys(&[KeySpec::at(1, &[ReadWrite, Update])])
        .docs("2.6.0", "O(1)", "Makes a key vanish at a Unix time in milliseconds."),
    CommandSpec::new(Generic, Id::Pexpiretime, "pexpiretime", 2)
        .flags(&[Flag::Readonly, Flag::Fast])
        .categories(&[Category::Keyspace])
        .keys(&[KeySpec::at(1, &[ReadOnly, Access])])
        .docs("7.0.0", "O(1)", "Returns the Unix time in milliseconds at which a key vanishes."),
    CommandSpec::new(Generic, Id::Pttl, "pttl", 2)
        .flags(&[Flag::Readonly, Flag::Fast])
        .categories(&[Category::Keyspace])
        .keys(&[KeySpec::at(1, &[ReadOnly, Access])])
        .tips(&["nondeterministic_output"])
        .docs("2.6.0", "O(1)", "Returns how many milliseconds a key has left."),
    CommandSpec::new(Generic, Id::Randomkey, "randomkey", 1)
        .flags(&[Flag::Readonly])
        .categories(&[Category::Keyspace])
        .tips(&["request_policy:all_shards", "response_policy:special", "nondeterministic_output"])
        .docs("1.0.0", "O(1)", "Returns some key of the database."),
    CommandSpec::new(Generic, Id::Rename, "rename", 3)
        .flags(&[Flag::Write])
        .categories(&[Category::Keyspace])
        .keys(&[KeySpec::at(1, &[ReadWrite, Access, Delete]), KeySpec::at(2, &[Overwrite, Update])])
        .docs("1.0.0", "O(1)", "Gives a key another name, replacing what was there."),
    CommandSpec::new(Generic, Id::Renamenx, "renamenx", 3)
        .flags(&[Flag::Write, Flag::Fast])
        .categories(&[Category::Keyspace])
        .keys(&[KeySpec::at(1, &[ReadWrite, Access, Delete]), KeySpec::at(2, &[Overwrite, Insert])])
        .docs("1.0.0", "O(1)", "Gives a key another name unless that is taken."),
    CommandSpec::new(Generic, Id::Restore, "restore", -4)
        .flags(&[Flag::Write, Flag::DenyOom])
        .categories(&[Category::Keyspace, Category::Dangerous])
        .keys(&[KeySpec::at(1, &[Overwrite, Update])])
        .docs("2.6.0", "O(N) for a value of N parts", "Creates a key from the bytes of a DUMP."),
    CommandSpec::new(Generic, Id::Scan, "scan", -2)
        .flags(&[Flag::Readonly])
        .categories(&[Category::Keyspace])
        .tips(&["nondeterministic_output", "request_policy:special", "response_policy:special"])
        .docs(
            "2.8.0",
            "O(1) a call, O(N) for a walk over N keys",
            "Walks over the keys with a cursor.",
        ),
    CommandSpec::new(Generic, Id::Touch, "touch", -2)
        .flags(&[Flag::Readonly, Flag::Fast])
        .categories(&[Category::Keyspace])
        .keys(&[KeySpec::all(&[ReadOnly])])
        .tips(&["request_policy:multi_shard", "response_policy:agg_sum"])
        .docs("3.2.1", "O(N) for N keys", "Marks keys as used and counts those that exist."),
    CommandSpec::new(Generic, Id::Ttl, "ttl", 2)
        .flags(&[Flag::Readonly, Flag::Fast])
        .categories(&[Category::Keyspace])
        .keys(&[KeySpec::at(1, &[ReadOnly, Access])])
        .tips(&["nondeterministic_output"])
        .docs("1.0.0", "O(1)", "Returns how many seconds a key has left."),
    CommandSpec::new(Generic, Id::Type, "type", 2)
        .flags(&[Flag::Readonly, Flag::Fast])
        .categories(&[Category::Keyspace])
        .keys(&[KeySpec::at(1, &[ReadOnly])])
        .docs("1.0.0", "O(1)", "Returns the type of a key's value."),
    CommandSpec::new(Generic, Id::Unlink, "unlink", -2)
        .flags(&[Flag::Write, Flag::Fast])
        .categories(&[Category::Keyspace])
        .keys(&[KeySpec::all(&[Remove, Delete])])
        .tips(&["request_policy:multi_shard", "response_policy:agg_sum"])
        .docs("4.0.0", "O(N) for N keys", "Removes keys."),
    CommandSpec::new(Generic, Id::Wait, "wait", 3)
        .flags(&[Flag::Blocking])
        .categories(&[Category::Connection])
        .tips(&["request_policy:all_shards", "response_policy:agg_min"])
        .docs("3.0.0", "O(1)", "Waits until replicas have the connection's writes."),
    CommandSpec::new(Generic, Id::Waitaof, "waitaof", 4)
        .flags(&[Flag::Blocking])
        .categories(&[Category::Connection])
        .tips(&["request_policy:all_shards", "response_policy:agg_min"])
        .docs(
            "7.2.0",
            "O(1)",
            "Waits until the connection's writes are on disk, here and on replicas.",
        ),
    CommandSpec::new(Transactions, Id::Discard, "discard", 1)
        .flags(&[Flag::NoScript, Flag::Loading, Flag::Stale, Flag::Fast, Flag::AllowBusy])
        .categories(&[Category::Transaction])
        .docs("2.0.0", "O(N) for N queued commands", "Gives up the transaction."),
    CommandSpec::new(Transactions, Id::Exec, "exec", 1)
        .flags(&[Flag::NoScript, Flag::Loading, Flag::Stale, Flag::SkipSlowlog])
        .categories(&[Category::Transaction])
        .docs("1.2.0", "By the commands queued", "Runs the transaction's commands, all or none."),
    CommandSpec::new(Transactions, Id::Multi, "multi", 1)
        .flags(&[Flag::NoScript, Flag::Loading, Flag::Stale, Flag::Fast, Flag::AllowBusy])
        .categories(&[Category::Transaction])
        .docs("1.2.0", "O(1)", "Starts a transaction."),
    CommandSpec::new(Transactions, Id::Unwatch, "unwatch", 1)
        .flags(&[Flag::NoScript, Flag::Loading, Flag::Stale, Flag::Fast, Flag::AllowBusy])
        .categories(&[Category::Transaction])
        .docs("2.2.0", "O(1)", "Forgets the watched keys."),
    CommandSpec::new(Transactions, Id::Watch, "watch", -2)
        .flags(&[Flag::NoScript, Flag::Loading, Flag::Stale, Flag::Fast, Flag::AllowBusy])
        .categories(&[Category::Transaction])
        .keys(&[KeySpec::all(&[ReadOnly])])
        .docs(
            "2.2.0",
            "O(1) for each key",
            "Makes the next transaction depend on keys staying unchanged.",
        ),
];

/// Subcommands of OBJECT.
static OBJECT: [CommandSpec; 5] = [
    CommandSpec::new(Generic, Id::ObjectEncoding, "object|encoding", 3)
        .flags(&[Flag::Readonly])
        .categories(&[Category::Keyspace])
        .keys(&[KeySpec::at(2, &[ReadOnly])])
        .tips(&["nondeterministic_output"])
        .docs("2.2.3", "O(1)", "Returns the way a value is kept in memory."),
    CommandSpec::new(Generic, Id::ObjectFreq, "object|freq", 3)
        .flags(&[Flag::Readonly])
        .categories(&[Category::Keyspace])
        .keys(&[KeySpec::at(2, &[ReadOnly])])
        .tips(&["nondeterministic_output"])
        .docs("4.0.0", "O(1)", "Refused: no use of keys is counted, since nothing is evicted."),
    CommandSpec::help(Generic, Id::ObjectHelp, "object|help", &[Category::Keyspace]),
    CommandSpec::new(Generic, Id::ObjectIdletime, "object|idletime", 3)
        .flags(&[Flag::Readonly])
        .categories(&[Category::Keyspace])
        .keys(&[KeySpec::at(2, &[ReadOnly])])
        .tips(&["nondeterministic_output"])
        .docs("2.2.3", "O(1)", "Returns for how many seconds nobody has used a key."),
    CommandSpec::new(Generic, Id::ObjectRefcount, "object|refcount", 3)
        .flags(&[Flag::Readonly])
        .categories(&[Category::Keyspace])
        .keys(&[KeySpec::at(2, &[ReadOnly])])
        .tips(&["nondeterministic_output"])
        .docs("2.2.3", "O(1)", "Returns how many references to a value there are: one."),
];
