//! Rows of the command table: the server, its settings and its table of commands.
//!
//! Data only; what it means is said in `table/spec.rs`.

use super::CommandId as Id;
use super::spec::CommandSpec;
use super::words::Group::Server;
use super::words::{Category, Flag};

pub(super) static ROWS: [CommandSpec; 18] = [
    CommandSpec::new(Server, Id::Acl, "acl", -2)
        .docs("6.0.0", "By subcommand", "Manages users, and what they may do.")
        .subcommands(&ACL),
    CommandSpec::new(Server, Id::Backup, "backup", -2)
        .docs("8.10.0", "By subcommand", "Lets a program on this machine copy the store.")
        .subcommands(&BACKUP),
    CommandSpec::new(Server, Id::Bgrewriteaof, "bgrewriteaof", 1)
        .flags(&[Flag::Admin, Flag::NoScript, Flag::NoAsyncLoading])
        .docs(
            "1.0.0",
            "O(1)",
            "Accepted for programs that send it: there is no append-only file to rewrite.",
        ),
    CommandSpec::new(Server, Id::Bgsave, "bgsave", -1)
        .flags(&[Flag::Admin, Flag::NoScript, Flag::NoAsyncLoading])
        .docs("1.0.0", "O(1)", "Syncs everything to disk without waiting for it."),
    CommandSpec::new(Server, Id::Command, "command", -1)
        .flags(&[Flag::Loading, Flag::Stale])
        .categories(&[Category::Connection])
        .tips(&["nondeterministic_output_order"])
        .docs("2.8.13", "O(N) for N commands", "Describes the commands of this server.")
        .subcommands(&COMMAND),
    CommandSpec::new(Server, Id::Config, "config", -2)
        .docs("2.0.0", "By subcommand", "Reads and changes the server's settings.")
        .subcommands(&CONFIG),
    CommandSpec::new(Server, Id::Dbsize, "dbsize", 1)
        .flags(&[Flag::Readonly, Flag::Fast])
        .categories(&[Category::Keyspace])
        .tips(&["request_policy:all_shards", "response_policy:agg_sum"])
        .docs("1.0.0", "O(1)", "Counts the keys of the database."),
    CommandSpec::new(Server, Id::Flushall, "flushall", -1)
        .flags(&[Flag::Write])
        .categories(&[Category::Keyspace, Category::Dangerous])
        .tips(&["request_policy:all_shards", "response_policy:all_succeeded"])
        .docs("1.0.0", "O(N) for N keys", "Removes the keys of all databases."),
    CommandSpec::new(Server, Id::Flushdb, "flushdb", -1)
        .flags(&[Flag::Write])
        .categories(&[Category::Keyspace, Category::Dangerous])
        .tips(&["request_policy:all_shards", "response_policy:all_succeeded"])
        .docs("1.0.0", "O(N) for N keys", "Removes the keys of the database."),
    CommandSpec::new(Server, Id::Info, "info", -1)
        .flags(&[Flag::Loading, Flag::Stale])
        .categories(&[Category::Dangerous])
        .tips(&["nondeterministic_output", "request_policy:all_shards", "response_policy:special"])
        .docs("1.0.0", "O(1)", "Reports the state of the server by sections."),
    CommandSpec::new(Server, Id::Lastsave, "lastsave", 1)
        .flags(&[Flag::Loading, Flag::Stale, Flag::Fast])
        .categories(&[Category::Admin, Category::Dangerous])
        .tips(&["nondeterministic_output"])
        .docs("1.0.0", "O(1)", "Returns the Unix time when last everything was on disk."),
    CommandSpec::new(Server, Id::Lolwut, "lolwut", -1).flags(&[Flag::Readonly, Flag::Fast]).docs(
        "5.0.0",
        "O(1)",
        "Shows the version, and a picture.",
    ),
    CommandSpec::new(Server, Id::Module, "module", -2)
        .docs("4.0.0", "By subcommand", "Modules: there are none, and none can be loaded.")
        .subcommands(&MODULE),
    CommandSpec::new(Server, Id::Role, "role", 1)
        .flags(&[Flag::NoScript, Flag::Loading, Flag::Stale, Flag::Fast])
        .categories(&[Category::Admin, Category::Dangerous])
        .docs("2.8.12", "O(1)", "Returns the server's part in replication: always a master's."),
    CommandSpec::new(Server, Id::Save, "save", 1)
        .flags(&[Flag::Admin, Flag::NoScript, Flag::NoAsyncLoading, Flag::NoMulti])
        .docs("1.0.0", "O(1)", "Waits until everything is on disk."),
    CommandSpec::new(Server, Id::Shutdown, "shutdown", -1)
        .flags(&[
            Flag::Admin,
            Flag::NoScript,
            Flag::Loading,
            Flag::Stale,
            Flag::NoMulti,
            Flag::AllowBusy,
        ])
        .docs("1.0.0", "O(1)", "Stops the server once everything is on disk."),
    CommandSpec::new(Server, Id::Swapdb, "swapdb", 3)
        .flags(&[Flag::Write, Flag::Fast])
        .categories(&[Category::Keyspace, Category::Dangerous])
        .docs("4.0.0", "O(N) for N waiting connections", "Exchanges the keys of two databases."),
    CommandSpec::new(Server, Id::Time, "time", 1)
        .flags(&[Flag::Loading, Flag::Stale, Flag::Fast])
        .tips(&["nondeterministic_output"])
        .docs("2.6.0", "O(1)", "Returns the server's clock."),
];

/// Subcommands of COMMAND.
static COMMAND: [CommandSpec; 7] = [
    CommandSpec::new(Server, Id::CommandCount, "command|count", 2)
        .flags(&[Flag::Loading, Flag::Stale])
        .categories(&[Category::Connection])
        .docs("2.8.13", "O(1)", "Counts the commands of this server."),
    CommandSpec::new(Server, Id::CommandDocs, "command|docs", -2)
        .flags(&[Flag::Loading, Flag::Stale])
        .categories(&[Category::Connection])
        .tips(&["nondeterministic_output_order"])
        .docs("7.0.0", "O(N) for N commands", "Explains commands to people."),
    CommandSpec::new(Server, Id::CommandGetkeys, "command|getkeys", -3)
        .flags(&[Flag::Loading, Flag::Stale])
        .categories(&[Category::Connection])
        .docs(
            "2.8.13",
            "O(N) for N arguments",
            "Tells which arguments of a command line are keys.",
        ),
    CommandSpec::new(Server, Id::CommandGetkeysandflags, "command|getkeysandflags", -3)
        .flags(&[Flag::Loading, Flag::Stale])
        .categories(&[Category::Connection])
        .docs(
            "7.0.0",
            "O(N) for N arguments",
            "Tells which arguments are keys, and what happens to them.",
        ),
    CommandSpec::help(Server, Id::CommandHelp, "command|help", &[Category::Connection]),
    CommandSpec::new(Server, Id::CommandInfo, "command|info", -2)
        .flags(&[Flag::Loading, Flag::Stale])
        .categories(&[Category::Connection])
        .tips(&["nondeterministic_output_order"])
        .docs("2.8.13", "O(N) for N commands", "Describes the given commands to programs."),
    CommandSpec::new(Server, Id::CommandList, "command|list", -2)
        .flags(&[Flag::Loading, Flag::Stale])
        .categories(&[Category::Connection])
        .tips(&["nondeterministic_output_order"])
        .docs("7.0.0", "O(N) for N commands", "Lists names of commands, filtered on request."),
];

/// Subcommands of CONFIG.
static CONFIG: [CommandSpec; 5] = [
    CommandSpec::new(Server, Id::ConfigGet, "config|get", -3)
        .flags(&[Flag::Admin, Flag::NoScript, Flag::Loading, Flag::Stale])
        .docs("2.0.0", "O(N) for N settings", "Returns the settings whose names match a pattern."),
    CommandSpec::help(Server, Id::ConfigHelp, "config|help", &[]),
    CommandSpec::new(Server, Id::ConfigResetstat, "config|resetstat", 2)
        .flags(&[Flag::Admin, Flag::NoScript, Flag::Loading, Flag::Stale])
        .tips(&["request_policy:all_nodes", "response_policy:all_succeeded"])
        .docs("2.0.0", "O(1)", "Sets the counters shown by INFO back to zero."),
    CommandSpec::new(Server, Id::ConfigRewrite, "config|rewrite", 2)
        .flags(&[Flag::Admin, Flag::NoScript, Flag::Loading, Flag::Stale])
        .tips(&["request_policy:all_nodes", "response_policy:all_succeeded"])
        .docs(
            "2.8.0",
            "O(N) for a file of N lines",
            "Writes the settings in force to the configuration file.",
        ),
    CommandSpec::new(Server, Id::ConfigSet, "config|set", -4)
        .flags(&[Flag::Admin, Flag::NoScript, Flag::Loading, Flag::Stale])
        .tips(&["request_policy:all_nodes", "response_policy:all_succeeded"])
        .docs("2.0.0", "O(N) for N settings", "Changes settings, all of them or none."),
];

/// Subcommands of ACL.
static ACL: [CommandSpec; 13] = [
    CommandSpec::new(Server, Id::AclCat, "acl|cat", -2)
        .flags(&[Flag::NoScript, Flag::Loading, Flag::Stale])
        .docs("6.0.0", "O(1)", "Lists categories, or the commands in one."),
    CommandSpec::new(Server, Id::AclDeluser, "acl|deluser", -3)
        .flags(&[Flag::Admin, Flag::NoScript, Flag::Loading, Flag::Stale])
        .tips(&["request_policy:all_nodes", "response_policy:all_succeeded"])
        .docs("6.0.0", "O(N) for N connections", "Deletes users, and closes their connections."),
    CommandSpec::new(Server, Id::AclDryrun, "acl|dryrun", -4)
        .flags(&[Flag::Admin, Flag::NoScript, Flag::Loading, Flag::Stale])
        .docs(
            "7.0.0",
            "O(N) for N rules of the user",
            "Says whether a user may run a command, without running it.",
        ),
    CommandSpec::new(Server, Id::AclGenpass, "acl|genpass", -2)
        .flags(&[Flag::NoScript, Flag::Loading, Flag::Stale])
        .docs("6.0.0", "O(1)", "Makes a password that nobody can guess."),
    CommandSpec::new(Server, Id::AclGetuser, "acl|getuser", 3)
        .flags(&[Flag::Admin, Flag::NoScript, Flag::Loading, Flag::Stale])
        .docs("6.0.0", "O(N) for N rules", "Shows the rules of a user."),
    CommandSpec::help(Server, Id::AclHelp, "acl|help", &[]),
    CommandSpec::new(Server, Id::AclList, "acl|list", 2)
        .flags(&[Flag::Admin, Flag::NoScript, Flag::Loading, Flag::Stale])
        .docs(
            "6.0.0",
            "O(N) for N users",
            "Shows the rules of all users, in the form of the file of users.",
        ),
    CommandSpec::new(Server, Id::AclLoad, "acl|load", 2)
        .flags(&[Flag::Admin, Flag::NoScript, Flag::Loading, Flag::Stale])
        .docs("6.0.0", "O(N) for N users", "Takes the users from their file, all of them or none."),
    CommandSpec::new(Server, Id::AclLog, "acl|log", -2)
        .flags(&[Flag::Admin, Flag::NoScript, Flag::Loading, Flag::Stale])
        .docs("6.0.0", "O(N) for N entries shown", "Shows what was refused lately, and to whom."),
    CommandSpec::new(Server, Id::AclSave, "acl|save", 2)
        .flags(&[Flag::Admin, Flag::NoScript, Flag::Loading, Flag::Stale])
        .tips(&["request_policy:all_nodes", "response_policy:all_succeeded"])
        .docs("6.0.0", "O(N) for N users", "Writes the users to their file."),
    CommandSpec::new(Server, Id::AclSetuser, "acl|setuser", -3)
        .flags(&[Flag::Admin, Flag::NoScript, Flag::Loading, Flag::Stale])
        .tips(&["request_policy:all_nodes", "response_policy:all_succeeded"])
        .docs(
            "6.0.0",
            "O(N) for N rules, and for N waiting connections",
            "Makes a user, or changes its rules.",
        ),
    CommandSpec::new(Server, Id::AclUsers, "acl|users", 2)
        .flags(&[Flag::Admin, Flag::NoScript, Flag::Loading, Flag::Stale])
        .docs("6.0.0", "O(N) for N users", "Lists the names of all users."),
    CommandSpec::new(Server, Id::AclWhoami, "acl|whoami", 2)
        .flags(&[Flag::NoScript, Flag::Loading, Flag::Stale])
        .docs("6.0.0", "O(1)", "Returns the name of the connection's user."),
];

/// Subcommands of BACKUP.
static BACKUP: [CommandSpec; 3] = [
    CommandSpec::help(Server, Id::BackupHelp, "backup|help", &[]),
    CommandSpec::new(Server, Id::BackupPin, "backup|pin", 2)
        .flags(&[Flag::Admin, Flag::NoScript, Flag::NoMulti])
        .docs(
            "8.10.0",
            "O(N) for N files",
            "Keeps the files of a copy on disk as long as the connection lasts, and lists them.",
        ),
    CommandSpec::new(Server, Id::BackupUnpin, "backup|unpin", 2)
        .flags(&[Flag::Admin, Flag::NoScript, Flag::NoMulti])
        .docs("8.10.0", "O(1)", "Lets the files go, and returns 0 if this connection kept none."),
];

/// Subcommands of MODULE.
static MODULE: [CommandSpec; 2] = [
    CommandSpec::help(Server, Id::ModuleHelp, "module|help", &[]),
    CommandSpec::new(Server, Id::ModuleList, "module|list", 2)
        .flags(&[Flag::Admin, Flag::NoScript])
        .tips(&["nondeterministic_output_order"])
        .docs("4.0.0", "O(1)", "Returns the loaded modules: none."),
];
