//! Rows of the command table: the connection itself.
//!
//! Data only; what it means is said in `table/spec.rs`.

use super::CommandId as Id;
use super::spec::CommandSpec;
use super::words::Group::Connection;
use super::words::{Category, Flag};

pub(super) static ROWS: [CommandSpec; 8] = [
    CommandSpec::new(Connection, Id::Auth, "auth", -2)
        .flags(&[
            Flag::NoScript,
            Flag::Loading,
            Flag::Stale,
            Flag::Fast,
            Flag::NoAuth,
            Flag::AllowBusy,
        ])
        .categories(&[Category::Connection])
        .docs("1.0.0", "O(1)", "Authenticates the connection."),
    CommandSpec::new(Connection, Id::Client, "client", -2)
        .docs("2.4.0", "By subcommand", "Manages this connection and others.")
        .subcommands(&CLIENT),
    CommandSpec::new(Connection, Id::Echo, "echo", 2)
        .flags(&[Flag::Loading, Flag::Stale, Flag::Fast])
        .categories(&[Category::Connection])
        .docs("1.0.0", "O(1)", "Returns its argument."),
    CommandSpec::new(Connection, Id::Hello, "hello", -1)
        .flags(&[
            Flag::NoScript,
            Flag::Loading,
            Flag::Stale,
            Flag::Fast,
            Flag::NoAuth,
            Flag::AllowBusy,
        ])
        .categories(&[Category::Connection])
        .docs(
            "6.0.0",
            "O(1)",
            "Sets protocol version, user and name of the connection in one step.",
        ),
    CommandSpec::new(Connection, Id::Ping, "ping", -1)
        .flags(&[Flag::Fast])
        .categories(&[Category::Connection])
        .tips(&["request_policy:all_shards", "response_policy:all_succeeded"])
        .docs("1.0.0", "O(1)", "Answers that the server is alive."),
    CommandSpec::new(Connection, Id::Quit, "quit", -1)
        .flags(&[
            Flag::NoScript,
            Flag::Loading,
            Flag::Stale,
            Flag::Fast,
            Flag::NoAuth,
            Flag::AllowBusy,
        ])
        .categories(&[Category::Connection])
        .docs("1.0.0", "O(1)", "Closes the connection.")
        .deprecated("7.2.0", "closing the connection"),
    CommandSpec::new(Connection, Id::Reset, "reset", 1)
        .flags(&[
            Flag::NoScript,
            Flag::Loading,
            Flag::Stale,
            Flag::Fast,
            Flag::NoAuth,
            Flag::AllowBusy,
        ])
        .categories(&[Category::Connection])
        .docs("6.2.0", "O(1)", "Brings the connection back to the state of a new one."),
    CommandSpec::new(Connection, Id::Select, "select", 2)
        .flags(&[Flag::Loading, Flag::Stale, Flag::Fast])
        .categories(&[Category::Connection])
        .docs("1.0.0", "O(1)", "Chooses the database of the connection."),
];

/// Subcommands of CLIENT.
static CLIENT: [CommandSpec; 18] = [
    CommandSpec::new(Connection, Id::ClientCaching, "client|caching", 3)
        .flags(&[Flag::NoScript, Flag::Loading, Flag::Stale])
        .categories(&[Category::Connection])
        .docs("6.0.0", "O(1)", "Refused outside of tracking, which this server does not have."),
    CommandSpec::new(Connection, Id::ClientGetname, "client|getname", 2)
        .flags(&[Flag::NoScript, Flag::Loading, Flag::Stale])
        .categories(&[Category::Connection])
        .docs("2.6.9", "O(1)", "Returns the connection's name."),
    CommandSpec::new(Connection, Id::ClientGetredir, "client|getredir", 2)
        .flags(&[Flag::NoScript, Flag::Loading, Flag::Stale])
        .categories(&[Category::Connection])
        .docs("6.0.0", "O(1)", "Returns where invalidations of this connection go: nowhere."),
    CommandSpec::help(Connection, Id::ClientHelp, "client|help", &[Category::Connection]),
    CommandSpec::new(Connection, Id::ClientId, "client|id", 2)
        .flags(&[Flag::NoScript, Flag::Loading, Flag::Stale])
        .categories(&[Category::Connection])
        .docs("5.0.0", "O(1)", "Returns the connection's number."),
    CommandSpec::new(Connection, Id::ClientInfo, "client|info", 2)
        .flags(&[Flag::NoScript, Flag::Loading, Flag::Stale])
        .categories(&[Category::Connection])
        .tips(&["nondeterministic_output"])
        .docs("6.2.0", "O(1)", "Describes this connection."),
    CommandSpec::new(Connection, Id::ClientKill, "client|kill", -3)
        .flags(&[Flag::Admin, Flag::NoScript, Flag::Loading, Flag::Stale])
        .categories(&[Category::Connection])
        .docs(
            "2.4.0",
            "O(N) for N connections",
            "Closes connections chosen by number, address, user, type or age.",
        ),
    CommandSpec::new(Connection, Id::ClientList, "client|list", -2)
        .flags(&[Flag::Admin, Flag::NoScript, Flag::Loading, Flag::Stale])
        .categories(&[Category::Connection])
        .tips(&["nondeterministic_output"])
        .docs("2.4.0", "O(N) for N connections", "Describes all connections, one a line."),
    CommandSpec::new(Connection, Id::ClientNoEvict, "client|no-evict", 3)
        .flags(&[Flag::Admin, Flag::NoScript, Flag::Loading, Flag::Stale])
        .categories(&[Category::Connection])
        .docs("7.0.0", "O(1)", "Accepted for clients that send it: no connection is evicted."),
    CommandSpec::new(Connection, Id::ClientNoTouch, "client|no-touch", 3)
        .flags(&[Flag::NoScript, Flag::Loading, Flag::Stale])
        .categories(&[Category::Connection])
        .docs("7.2.0", "O(1)", "Accepted for clients that send it: reads leave no trace on keys."),
    CommandSpec::new(Connection, Id::ClientPause, "client|pause", -3)
        .flags(&[Flag::Admin, Flag::NoScript, Flag::Loading, Flag::Stale])
        .categories(&[Category::Connection])
        .docs("3.0.0", "O(1)", "Stops running commands of all connections for some time."),
    CommandSpec::new(Connection, Id::ClientReply, "client|reply", 3)
        .flags(&[Flag::NoScript, Flag::Loading, Flag::Stale])
        .categories(&[Category::Connection])
        .docs("3.2.0", "O(1)", "Chooses whether this connection gets replies."),
    CommandSpec::new(Connection, Id::ClientSetinfo, "client|setinfo", 4)
        .flags(&[Flag::NoScript, Flag::Loading, Flag::Stale])
        .categories(&[Category::Connection])
        .tips(&["request_policy:all_nodes", "response_policy:all_succeeded"])
        .docs("7.2.0", "O(1)", "Notes the name or version of the client library."),
    CommandSpec::new(Connection, Id::ClientSetname, "client|setname", 3)
        .flags(&[Flag::NoScript, Flag::Loading, Flag::Stale])
        .categories(&[Category::Connection])
        .tips(&["request_policy:all_nodes", "response_policy:all_succeeded"])
        .docs("2.6.9", "O(1)", "Names the connection."),
    CommandSpec::new(Connection, Id::ClientTracking, "client|tracking", -3)
        .flags(&[Flag::NoScript, Flag::Loading, Flag::Stale])
        .categories(&[Category::Connection])
        .docs("6.0.0", "O(1)", "Turns tracking off; it cannot be turned on here."),
    CommandSpec::new(Connection, Id::ClientTrackinginfo, "client|trackinginfo", 2)
        .flags(&[Flag::NoScript, Flag::Loading, Flag::Stale])
        .categories(&[Category::Connection])
        .docs("6.2.0", "O(1)", "Tells that this connection is not tracked."),
    CommandSpec::new(Connection, Id::ClientUnblock, "client|unblock", -3)
        .flags(&[Flag::Admin, Flag::NoScript, Flag::Loading, Flag::Stale])
        .categories(&[Category::Connection])
        .docs(
            "5.0.0",
            "O(1)",
            "Ends another connection's wait, as by its time-out or with an error.",
        ),
    CommandSpec::new(Connection, Id::ClientUnpause, "client|unpause", 2)
        .flags(&[Flag::Admin, Flag::NoScript, Flag::Loading, Flag::Stale])
        .categories(&[Category::Connection])
        .docs("6.2.0", "O(N) for N paused connections", "Ends a pause."),
];
