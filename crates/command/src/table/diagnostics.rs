//! Rows of the command table: what shows how the server is doing, and tools for tests.
//!
//! Data only; what it means is said in `table/spec.rs`.

use super::CommandId as Id;
use super::spec::{CommandSpec, KeySpec};
use super::words::Flag;
use super::words::Group::Server;
use super::words::KeyUse::ReadOnly;

pub(super) static ROWS: [CommandSpec; 5] = [
    CommandSpec::new(Server, Id::Debug, "debug", -2)
        .flags(&[Flag::Admin, Flag::NoScript, Flag::Loading, Flag::Stale])
        .docs(
            "1.0.0",
            "By subcommand",
            "Tools for tests, refused unless the server was started with them.",
        ),
    CommandSpec::new(Server, Id::Latency, "latency", -2)
        .docs("2.8.13", "By subcommand", "Shows what took long, and how long commands take.")
        .subcommands(&LATENCY),
    CommandSpec::new(Server, Id::Memory, "memory", -2)
        .docs("4.0.0", "By subcommand", "Shows where memory goes.")
        .subcommands(&MEMORY),
    CommandSpec::new(Server, Id::Monitor, "monitor", 1)
        .flags(&[Flag::Admin, Flag::NoScript, Flag::Loading, Flag::Stale])
        .docs("1.0.0", "O(1)", "Shows every command that the server runs, as it runs."),
    CommandSpec::new(Server, Id::Slowlog, "slowlog", -2)
        .docs("2.2.12", "By subcommand", "Shows commands that ran long.")
        .subcommands(&SLOWLOG),
];

/// Subcommands of LATENCY.
static LATENCY: [CommandSpec; 7] = [
    CommandSpec::new(Server, Id::LatencyDoctor, "latency|doctor", 2)
        .flags(&[Flag::Admin, Flag::NoScript, Flag::Loading, Flag::Stale])
        .tips(&["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"])
        .docs("2.8.13", "O(1)", "Explains to people what took long."),
    CommandSpec::new(Server, Id::LatencyGraph, "latency|graph", 3)
        .flags(&[Flag::Admin, Flag::NoScript, Flag::Loading, Flag::Stale])
        .tips(&["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"])
        .docs("2.8.13", "O(1)", "Draws the times of an event."),
    CommandSpec::help(Server, Id::LatencyHelp, "latency|help", &[]),
    CommandSpec::new(Server, Id::LatencyHistogram, "latency|histogram", -2)
        .flags(&[Flag::Admin, Flag::NoScript, Flag::Loading, Flag::Stale])
        .tips(&["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"])
        .docs("7.0.0", "O(N) for N commands", "Returns how often commands took how long."),
    CommandSpec::new(Server, Id::LatencyHistory, "latency|history", 3)
        .flags(&[Flag::Admin, Flag::NoScript, Flag::Loading, Flag::Stale])
        .tips(&["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"])
        .docs("2.8.13", "O(1)", "Returns the last times of an event."),
    CommandSpec::new(Server, Id::LatencyLatest, "latency|latest", 2)
        .flags(&[Flag::Admin, Flag::NoScript, Flag::Loading, Flag::Stale])
        .tips(&["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"])
        .docs("2.8.13", "O(1)", "Returns the last and the longest time of each event."),
    CommandSpec::new(Server, Id::LatencyReset, "latency|reset", -2)
        .flags(&[Flag::Admin, Flag::NoScript, Flag::Loading, Flag::Stale])
        .tips(&["request_policy:all_nodes", "response_policy:agg_sum"])
        .docs("2.8.13", "O(1)", "Forgets the times of events."),
];

/// Subcommands of MEMORY.
static MEMORY: [CommandSpec; 6] = [
    CommandSpec::new(Server, Id::MemoryDoctor, "memory|doctor", 2)
        .tips(&["nondeterministic_output", "request_policy:all_shards", "response_policy:special"])
        .docs("4.0.0", "O(1)", "Explains to people how memory is used."),
    CommandSpec::help(Server, Id::MemoryHelp, "memory|help", &[]),
    CommandSpec::new(Server, Id::MemoryMallocStats, "memory|malloc-stats", 2)
        .tips(&["nondeterministic_output", "request_policy:all_shards", "response_policy:special"])
        .docs("4.0.0", "O(1)", "Returns what the allocator tells of itself."),
    CommandSpec::new(Server, Id::MemoryPurge, "memory|purge", 2)
        .tips(&["request_policy:all_shards", "response_policy:all_succeeded"])
        .docs(
            "4.0.0",
            "O(1)",
            "Accepted for programs that send it: memory is given back without it.",
        ),
    CommandSpec::new(Server, Id::MemoryStats, "memory|stats", 2)
        .tips(&["nondeterministic_output", "request_policy:all_shards", "response_policy:special"])
        .docs("4.0.0", "O(1)", "Returns where memory goes, in numbers."),
    CommandSpec::new(Server, Id::MemoryUsage, "memory|usage", -3)
        .flags(&[Flag::Readonly])
        .keys(&[KeySpec::at(2, &[ReadOnly])])
        .docs(
            "4.0.0",
            "O(N) for a value of N parts",
            "Estimates the bytes that a key and its value take.",
        ),
];

/// Subcommands of SLOWLOG.
static SLOWLOG: [CommandSpec; 4] = [
    CommandSpec::new(Server, Id::SlowlogGet, "slowlog|get", -2)
        .flags(&[Flag::Admin, Flag::Loading, Flag::Stale])
        .tips(&["request_policy:all_nodes", "nondeterministic_output"])
        .docs("2.2.12", "O(N) for N entries", "Returns the last commands that ran long."),
    CommandSpec::help(Server, Id::SlowlogHelp, "slowlog|help", &[]),
    CommandSpec::new(Server, Id::SlowlogLen, "slowlog|len", 2)
        .flags(&[Flag::Admin, Flag::Loading, Flag::Stale])
        .tips(&["request_policy:all_nodes", "response_policy:agg_sum", "nondeterministic_output"])
        .docs("2.2.12", "O(1)", "Counts the commands kept in the slow log."),
    CommandSpec::new(Server, Id::SlowlogReset, "slowlog|reset", 2)
        .flags(&[Flag::Admin, Flag::Loading, Flag::Stale])
        .tips(&["request_policy:all_nodes", "response_policy:all_succeeded"])
        .docs("2.2.12", "O(N) for N entries", "Empties the slow log."),
];
