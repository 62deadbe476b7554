//! Rows of the command table: streams and their consumer groups.
//!
//! Data only; what it means is said in `table/spec.rs`.

use super::CommandId as Id;
use super::spec::{CommandSpec, KeySpec};
use super::words::Group::Stream;
use super::words::KeyUse::{Access, Delete, Insert, ReadOnly, ReadWrite, Update};
use super::words::{Category, Flag};

pub(super) static ROWS: [CommandSpec; 24] = [
    CommandSpec::new(Stream, Id::Xack, "xack", -4)
        .flags(&[Flag::Write, Flag::Fast])
        .categories(&[Category::Stream])
        .keys(&[KeySpec::at(1, &[ReadWrite, Update])])
        .docs(
            "5.0.0",
            "O(1) for each id",
            "Takes entries that were worked off from the pending list of a group.",
        ),
    CommandSpec::new(Stream, Id::Xackdel, "xackdel", -6)
        .flags(&[Flag::Write, Flag::Fast])
        .categories(&[Category::Stream])
        .keys(&[KeySpec::at(1, &[ReadWrite, Update, Delete])])
        .docs(
            "8.2.0",
            "O(1) for each id",
            "Acknowledges entries, then deletes them from the stream by a policy.",
        ),
    CommandSpec::new(Stream, Id::Xadd, "xadd", -5)
        .flags(&[Flag::Write, Flag::DenyOom, Flag::Fast])
        .categories(&[Category::Stream])
        .keys(&[KeySpec::at(1, &[ReadWrite, Update])
            .note("update rather than insert, since it can trim")])
        .tips(&["nondeterministic_output"])
        .docs(
            "5.0.0",
            "O(1), and O(N) for N entries trimmed",
            "Appends an entry, creating the stream if needed.",
        ),
    CommandSpec::new(Stream, Id::Xautoclaim, "xautoclaim", -6)
        .flags(&[Flag::Write, Flag::Fast])
        .categories(&[Category::Stream])
        .keys(&[KeySpec::at(1, &[ReadWrite, Delete])])
        .tips(&["nondeterministic_output"])
        .docs(
            "6.2.0",
            "O(N) for N pending entries looked at",
            "Hands long idle pending entries to a consumer, by a cursor.",
        ),
    CommandSpec::new(Stream, Id::Xcfgget, "xcfgget", 2)
        .flags(&[Flag::Readonly, Flag::Fast])
        .categories(&[Category::Stream])
        .keys(&[KeySpec::at(1, &[ReadOnly, Access])])
        .docs("0.1.0", "O(1)", "Shows what a stream keeps, and how it remembers idempotent ids."),
    CommandSpec::new(Stream, Id::Xcfgset, "xcfgset", -2)
        .flags(&[Flag::Write, Flag::Fast])
        .categories(&[Category::Stream])
        .keys(&[KeySpec::at(1, &[ReadWrite, Update])])
        .docs("8.6.0", "O(1)", "Sets how a stream remembers idempotent ids, and what it keeps."),
    CommandSpec::new(Stream, Id::Xclaim, "xclaim", -6)
        .flags(&[Flag::Write, Flag::Fast])
        .categories(&[Category::Stream])
        .keys(&[KeySpec::at(1, &[ReadWrite, Update])])
        .tips(&["nondeterministic_output"])
        .docs(
            "5.0.0",
            "O(log N) for each id, N being all that is pending",
            "Hands chosen pending entries to a consumer.",
        ),
    CommandSpec::new(Stream, Id::Xdel, "xdel", -3)
        .flags(&[Flag::Write, Flag::Fast])
        .categories(&[Category::Stream])
        .keys(&[KeySpec::at(1, &[ReadWrite, Delete])])
        .docs("5.0.0", "O(1) for each id", "Deletes entries of a stream."),
    CommandSpec::new(Stream, Id::Xdelex, "xdelex", -5)
        .flags(&[Flag::Write, Flag::Fast])
        .categories(&[Category::Stream])
        .keys(&[KeySpec::at(1, &[ReadWrite, Delete])])
        .docs(
            "8.2.0",
            "O(1) for each id",
            "Deletes entries of a stream by a policy for groups that need them.",
        ),
    CommandSpec::new(Stream, Id::Xdlq, "xdlq", -2)
        .docs("0.1.0", "By subcommand", "Manages dead letters.")
        .subcommands(&XDLQ),
    CommandSpec::new(Stream, Id::Xfence, "xfence", -5)
        .flags(&[Flag::Readonly, Flag::Fast])
        .categories(&[Category::Stream])
        .keys(&[KeySpec::at(1, &[ReadOnly])])
        .docs(
            "0.1.0",
            "O(log N) for each id, N being all that is pending",
            "Counts what a consumer still has, and ends a transaction that needs it.",
        ),
    CommandSpec::new(Stream, Id::Xgroup, "xgroup", -2)
        .docs("5.0.0", "By subcommand", "Manages the consumer groups of a stream.")
        .subcommands(&XGROUP),
    CommandSpec::new(Stream, Id::Xidmprecord, "xidmprecord", 5)
        .flags(&[Flag::Write, Flag::DenyOom, Flag::Fast])
        .categories(&[Category::Stream])
        .keys(&[KeySpec::at(1, &[ReadWrite, Update])])
        .docs("8.6.2", "O(1)", "Ties an idempotent id to an existing entry, to restore a stream."),
    CommandSpec::new(Stream, Id::Xinfo, "xinfo", -2)
        .docs("5.0.0", "By subcommand", "Shows the state of streams, groups and consumers.")
        .subcommands(&XINFO),
    CommandSpec::new(Stream, Id::Xlen, "xlen", 2)
        .flags(&[Flag::Readonly, Flag::Fast])
        .categories(&[Category::Stream])
        .keys(&[KeySpec::at(1, &[ReadOnly])])
        .docs("5.0.0", "O(1)", "Counts the entries of a stream."),
    CommandSpec::new(Stream, Id::Xnack, "xnack", -7)
        .flags(&[Flag::Write, Flag::Fast])
        .categories(&[Category::Stream])
        .keys(&[KeySpec::at(1, &[ReadWrite, Update])])
        .docs(
            "8.8.0",
            "O(1) for each id",
            "Gives pending entries back to the group, for others to claim.",
        ),
    CommandSpec::new(Stream, Id::Xpending, "xpending", -3)
        .flags(&[Flag::Readonly])
        .categories(&[Category::Stream])
        .keys(&[KeySpec::at(1, &[ReadOnly, Access])])
        .tips(&["nondeterministic_output"])
        .docs(
            "5.0.0",
            "O(N) for N consumers or records shown or filtered by IDLE",
            "Sums up or lists the pending entries of a group.",
        ),
    CommandSpec::new(Stream, Id::Xrange, "xrange", -4)
        .flags(&[Flag::Readonly])
        .categories(&[Category::Stream])
        .keys(&[KeySpec::at(1, &[ReadOnly, Access])])
        .docs(
            "5.0.0",
            "O(log N + M) for M of N entries returned",
            "Returns the entries between two ids, oldest first.",
        ),
    CommandSpec::new(Stream, Id::Xread, "xread", -4)
        .flags(&[Flag::Readonly, Flag::Blocking, Flag::MovableKeys])
        .categories(&[Category::Stream])
        .keys(&[KeySpec::streams(1, &[ReadOnly, Access])])
        .docs(
            "5.0.0",
            "O(M) for M entries returned",
            "Returns entries above given ids of streams, and can wait for them.",
        ),
    CommandSpec::new(Stream, Id::Xreadgroup, "xreadgroup", -7)
        .flags(&[Flag::Write, Flag::Blocking, Flag::MovableKeys])
        .categories(&[Category::Stream])
        .keys(&[KeySpec::streams(4, &[ReadOnly, Access])])
        .docs(
            "5.0.0",
            "O(M) for M entries returned",
            "Delivers new or pending entries to a consumer, and can wait for them.",
        ),
    CommandSpec::new(Stream, Id::Xrevrange, "xrevrange", -4)
        .flags(&[Flag::Readonly])
        .categories(&[Category::Stream])
        .keys(&[KeySpec::at(1, &[ReadOnly, Access])])
        .docs(
            "5.0.0",
            "O(log N + M) for M of N entries returned",
            "Returns the entries between two ids, newest first.",
        ),
    CommandSpec::new(Stream, Id::Xschedule, "xschedule", -2)
        .docs("0.1.0", "By subcommand", "Manages entries that are appended to a stream later.")
        .subcommands(&XSCHEDULE),
    CommandSpec::new(Stream, Id::Xsetid, "xsetid", -3)
        .flags(&[Flag::Write, Flag::DenyOom, Flag::Fast])
        .categories(&[Category::Stream])
        .keys(&[KeySpec::at(1, &[ReadWrite, Update])])
        .docs("5.0.0", "O(1)", "Sets the last id and the counters of a stream, to restore it."),
    CommandSpec::new(Stream, Id::Xtrim, "xtrim", -4)
        .flags(&[Flag::Write])
        .categories(&[Category::Stream])
        .keys(&[KeySpec::at(1, &[ReadWrite, Delete])])
        .tips(&["nondeterministic_output"])
        .docs(
            "5.0.0",
            "O(N) for N entries removed",
            "Removes the oldest entries of a stream, down to a length or an id.",
        ),
];

/// Subcommands of XDLQ.
static XDLQ: [CommandSpec; 4] = [
    CommandSpec::help(Stream, Id::XdlqHelp, "xdlq|help", &[Category::Stream]),
    CommandSpec::new(Stream, Id::XdlqList, "xdlq|list", -3)
        .flags(&[Flag::Readonly])
        .categories(&[Category::Stream])
        .keys(&[KeySpec::at(2, &[ReadOnly, Access])])
        .docs("0.1.0", "O(N) for N entries looked at", "Shows dead letters, by a cursor."),
    CommandSpec::new(Stream, Id::XdlqPurge, "xdlq|purge", -3)
        .flags(&[Flag::Write])
        .categories(&[Category::Stream])
        .keys(&[KeySpec::at(2, &[ReadWrite, Delete])])
        .docs("0.1.0", "O(N) for N entries looked at", "Deletes dead letters, by a cursor."),
    CommandSpec::new(Stream, Id::XdlqRequeue, "xdlq|requeue", -3)
        .flags(&[Flag::Write, Flag::DenyOom])
        .categories(&[Category::Stream])
        .keys(&[KeySpec::at(2, &[ReadWrite, Delete])
            .note("writes to the streams that the letters name, too")])
        .docs(
            "0.1.0",
            "O(N) for N entries looked at",
            "Gives entries back to the groups that gave them up, by a cursor.",
        ),
];

/// Subcommands of XGROUP.
static XGROUP: [CommandSpec; 9] = [
    CommandSpec::new(Stream, Id::XgroupCfgget, "xgroup|cfgget", 4)
        .flags(&[Flag::Readonly])
        .categories(&[Category::Stream])
        .keys(&[KeySpec::at(2, &[ReadOnly, Access])])
        .docs("0.1.0", "O(1)", "Shows what a group does by itself."),
    CommandSpec::new(Stream, Id::XgroupCfgset, "xgroup|cfgset", -6)
        .flags(&[Flag::Write, Flag::DenyOom])
        .categories(&[Category::Stream])
        .keys(&[KeySpec::at(2, &[ReadWrite, Update])])
        .docs("0.1.0", "O(1)", "Sets what a group does by itself."),
    CommandSpec::new(Stream, Id::XgroupCreate, "xgroup|create", -5)
        .flags(&[Flag::Write, Flag::DenyOom])
        .categories(&[Category::Stream])
        .keys(&[KeySpec::at(2, &[ReadWrite, Insert])])
        .docs(
            "5.0.0",
            "O(1)",
            "Creates a group that starts after an id, and the stream too if asked.",
        ),
    CommandSpec::new(Stream, Id::XgroupCreateconsumer, "xgroup|createconsumer", 5)
        .flags(&[Flag::Write, Flag::DenyOom])
        .categories(&[Category::Stream])
        .keys(&[KeySpec::at(2, &[ReadWrite, Insert])])
        .docs("6.2.0", "O(1)", "Creates a consumer in a group."),
    CommandSpec::new(Stream, Id::XgroupDelconsumer, "xgroup|delconsumer", 5)
        .flags(&[Flag::Write])
        .categories(&[Category::Stream])
        .keys(&[KeySpec::at(2, &[ReadWrite, Delete])])
        .docs(
            "5.0.0",
            "O(N) for N pending entries of the consumer",
            "Removes a consumer from a group, with what it has pending.",
        ),
    CommandSpec::new(Stream, Id::XgroupDestroy, "xgroup|destroy", 4)
        .flags(&[Flag::Write])
        .categories(&[Category::Stream])
        .keys(&[KeySpec::at(2, &[ReadWrite, Delete])])
        .docs(
            "5.0.0",
            "O(N) for N pending entries",
            "Removes a group with its consumers and its pending list.",
        ),
    CommandSpec::help(Stream, Id::XgroupHelp, "xgroup|help", &[Category::Stream]),
    CommandSpec::new(Stream, Id::XgroupSetid, "xgroup|setid", -5)
        .flags(&[Flag::Write])
        .categories(&[Category::Stream])
        .keys(&[KeySpec::at(2, &[ReadWrite, Update])])
        .docs("5.0.0", "O(1)", "Moves the point after which a group delivers new entries."),
    CommandSpec::new(Stream, Id::XgroupSkip, "xgroup|skip", 5)
        .flags(&[Flag::Write])
        .categories(&[Category::Stream])
        .keys(&[KeySpec::at(2, &[ReadWrite, Delete])])
        .docs(
            "0.1.0",
            "O(log N) for N entries pending or held",
            "Gives up on an entry that others of its value wait for.",
        ),
];

/// Subcommands of XSCHEDULE.
static XSCHEDULE: [CommandSpec; 5] = [
    CommandSpec::new(Stream, Id::XscheduleAdd, "xschedule|add", -7)
        .flags(&[Flag::Write, Flag::DenyOom, Flag::Fast])
        .categories(&[Category::Stream])
        .keys(&[KeySpec::at(2, &[ReadWrite, Insert])])
        .tips(&["nondeterministic_output"])
        .docs(
            "0.1.0",
            "O(log N) for N delayed entries",
            "Appends an entry after a time, creating the stream now if needed.",
        ),
    CommandSpec::new(Stream, Id::XscheduleCancel, "xschedule|cancel", -4)
        .flags(&[Flag::Write])
        .categories(&[Category::Stream])
        .keys(&[KeySpec::at(2, &[ReadWrite, Delete])])
        .docs("0.1.0", "O(log N) for each token", "Removes delayed entries."),
    CommandSpec::help(Stream, Id::XscheduleHelp, "xschedule|help", &[Category::Stream]),
    CommandSpec::new(Stream, Id::XscheduleList, "xschedule|list", -3)
        .flags(&[Flag::Readonly])
        .categories(&[Category::Stream])
        .keys(&[KeySpec::at(2, &[ReadOnly, Access])])
        .docs(
            "0.1.0",
            "O(log N + M) for M delayed entries returned",
            "Lists delayed entries in the order of their times, by a cursor.",
        ),
    CommandSpec::new(Stream, Id::XscheduleRun, "xschedule|run", -4)
        .flags(&[Flag::Write, Flag::DenyOom])
        .categories(&[Category::Stream])
        .keys(&[KeySpec::at(2, &[ReadWrite, Update])])
        .docs("0.1.0", "O(log N) for each token", "Appends delayed entries now."),
];

/// Subcommands of XINFO.
static XINFO: [CommandSpec; 4] = [
    CommandSpec::new(Stream, Id::XinfoConsumers, "xinfo|consumers", 4)
        .flags(&[Flag::Readonly])
        .categories(&[Category::Stream])
        .keys(&[KeySpec::at(2, &[ReadOnly, Access])])
        .tips(&["nondeterministic_output"])
        .docs(
            "5.0.0",
            "O(N) for N consumers",
            "Lists a group's consumers with their pending counts and idle times.",
        ),
    CommandSpec::new(Stream, Id::XinfoGroups, "xinfo|groups", 3)
        .flags(&[Flag::Readonly])
        .categories(&[Category::Stream])
        .keys(&[KeySpec::at(2, &[ReadOnly, Access])])
        .docs("5.0.0", "O(N) for N groups", "Lists the groups of a stream with their progress."),
    CommandSpec::help(Stream, Id::XinfoHelp, "xinfo|help", &[Category::Stream]),
    CommandSpec::new(Stream, Id::XinfoStream, "xinfo|stream", -3)
        .flags(&[Flag::Readonly])
        .categories(&[Category::Stream])
        .keys(&[KeySpec::at(2, &[ReadOnly, Access])])
        .docs(
            "5.0.0",
            "O(1); with FULL O(N) for N entries and records shown",
            "Shows a stream's length, ids and counters; its groups on request.",
        ),
];
