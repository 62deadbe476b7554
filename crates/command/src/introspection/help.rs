//! What HELP answers: one line of usage for each subcommand, then indented lines on what it does.
//!
//! Only what this server has is listed. That every subcommand is, and nothing else, is tested.

use std::borrow::Cow;

use crate::Reply;

/// CLIENT HELP.
#[must_use]
pub fn client() -> Reply {
    page("CLIENT", &CLIENT)
}

/// COMMAND HELP.
#[must_use]
pub fn command() -> Reply {
    page("COMMAND", &COMMAND)
}

/// CONFIG HELP.
#[must_use]
pub fn config() -> Reply {
    page("CONFIG", &CONFIG)
}

/// XGROUP HELP.
#[must_use]
pub fn xgroup() -> Reply {
    page("XGROUP", &XGROUP)
}

/// XINFO HELP.
#[must_use]
pub fn xinfo() -> Reply {
    page("XINFO", &XINFO)
}

fn page(command: &str, lines: &'static [&'static str]) -> Reply {
    let title = format!("{command} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:");
    let lines = lines.iter().chain(&["HELP", "    Print this help."]);
    let lines = lines.map(|line| Reply::Simple(Cow::Borrowed(*line)));
    Reply::Array(std::iter::once(Reply::Simple(title.into())).chain(lines).collect())
}

const CLIENT: [&str; 38] = [
    "GETNAME",
    "    The name of this connection.",
    "ID",
    "    The number of this connection.",
    "INFO",
    "    One line on this connection.",
    "KILL <ip:port>",
    "    Close the connection from that address.",
    "KILL <option> <value> [<option> <value> [...]]",
    "    Close the connections that fit every option given. Options are:",
    "    * ADDR <ip:port>",
    "      Address of the client.",
    "    * LADDR <ip:port>",
    "      Address it is connected to.",
    "    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)",
    "      Kind of connection.",
    "    * USER <username>",
    "      User it is authenticated as.",
    "    * SKIPME (YES|NO)",
    "      Whether to spare this connection (yes by default).",
    "    * ID <client-id>",
    "      Its number.",
    "    * MAXAGE <seconds>",
    "      At least so old.",
    "LIST [TYPE (NORMAL|MASTER|REPLICA|PUBSUB)] [ID <client-id> [...]]",
    "    One line on each connection.",
    "NO-EVICT (ON|OFF)",
    "    Accepted; no connection is ever evicted.",
    "NO-TOUCH (ON|OFF)",
    "    Accepted; reads leave no trace on keys.",
    "SETINFO (LIB-NAME|LIB-VER) <value>",
    "    Note what library the client uses.",
    "SETNAME <name>",
    "    Name this connection.",
    "UNBLOCK <client-id> [TIMEOUT|ERROR]",
    "    End the wait of another connection:",
    "    * TIMEOUT as if its time were over (by default).",
    "    * ERROR with an error.",
];

const COMMAND: [&str; 18] = [
    "(no subcommand)",
    "    Facts on every command of this server.",
    "COUNT",
    "    How many commands there are.",
    "LIST [FILTERBY (MODULE <name>|ACLCAT <category>|PATTERN <pattern>)]",
    "    Names of commands and subcommands.",
    "INFO [<command-name> ...]",
    "    Facts on commands, for programs.",
    "    Nil stands for a name that is unknown.",
    "    Without names: on every command.",
    "DOCS [<command-name> ...]",
    "    What commands do, for people.",
    "    Unknown names are left out.",
    "    Without names: on every command.",
    "GETKEYS <full-command>",
    "    The keys of a command line.",
    "GETKEYSANDFLAGS <full-command>",
    "    The keys of a command line, and what happens to each.",
];

const CONFIG: [&str; 6] = [
    "GET <pattern> [<pattern> ...]",
    "    The settings whose names match a pattern, with their values.",
    "RESETSTAT",
    "    Set the counters that INFO shows back to zero.",
    "SET <name> <value> [<name> <value> ...]",
    "    Change settings: all of them, or none if one is refused.",
];

const XGROUP: [&str; 14] = [
    "CREATE <key> <groupname> <id|$> [option]",
    "    Create a group that starts after an id. Options are:",
    "    * MKSTREAM",
    "      Create the stream too if it is missing.",
    "    * ENTRIESREAD entries_read",
    "      How many entries count as read already, for the lag.",
    "CREATECONSUMER <key> <groupname> <consumer>",
    "    Create a consumer in a group.",
    "DELCONSUMER <key> <groupname> <consumer>",
    "    Remove a consumer, and what it has pending.",
    "DESTROY <key> <groupname>",
    "    Remove a group with all that is pending in it.",
    "SETID <key> <groupname> <id|$> [ENTRIESREAD entries_read]",
    "    Move the id after which a group delivers.",
];

const XINFO: [&str; 6] = [
    "CONSUMERS <key> <groupname>",
    "    The consumers of a group.",
    "GROUPS <key>",
    "    The groups of a stream.",
    "STREAM <key> [FULL [COUNT <count>]",
    "    A stream, and with FULL its entries and groups.",
];
