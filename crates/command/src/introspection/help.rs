//! What HELP answers: one line of usage for each subcommand, then indented lines on what it does.
//!
//! Only what this server has is listed. That every subcommand is, and nothing else, is tested.

use std::borrow::Cow;

use crate::Reply;

/// ACL HELP.
#[must_use]
pub fn acl() -> Reply {
    page("ACL", &ACL)
}

/// BACKUP HELP.
#[must_use]
pub fn backup() -> Reply {
    page("BACKUP", &BACKUP)
}

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

/// LATENCY HELP.
#[must_use]
pub fn latency() -> Reply {
    page("LATENCY", &LATENCY)
}

/// MEMORY HELP.
#[must_use]
pub fn memory() -> Reply {
    page("MEMORY", &MEMORY)
}

/// SLOWLOG HELP.
#[must_use]
pub fn slowlog() -> Reply {
    page("SLOWLOG", &SLOWLOG)
}

/// DEBUG HELP.
#[must_use]
pub fn debug() -> Reply {
    page("DEBUG", &DEBUG)
}

/// MODULE HELP.
#[must_use]
pub fn module() -> Reply {
    page("MODULE", &MODULE)
}

/// OBJECT HELP.
#[must_use]
pub fn object() -> Reply {
    page("OBJECT", &OBJECT)
}

/// XDLQ HELP.
#[must_use]
pub fn xdlq() -> Reply {
    page("XDLQ", &XDLQ)
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

/// XSCHEDULE HELP.
#[must_use]
pub fn xschedule() -> Reply {
    page("XSCHEDULE", &XSCHEDULE)
}

fn page(command: &str, lines: &'static [&'static str]) -> Reply {
    let title = format!("{command} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:");
    let lines = lines.iter().chain(&["HELP", "    Print this help."]);
    let lines = lines.map(|line| Reply::Simple(Cow::Borrowed(*line)));
    Reply::Array(std::iter::once(Reply::Simple(title.into())).chain(lines).collect())
}

const ACL: [&str; 28] = [
    "CAT [<category>]",
    "    Categories of commands, or the commands of one.",
    "DELUSER <username> [<username> ...]",
    "    Delete users and close their connections; return how many there were.",
    "DRYRUN <username> <command> [<arg> ...]",
    "    Whether the user may run the command. Nothing is run.",
    "GENPASS [<bits>]",
    "    A random password in hexadecimal digits; 256 bits if nothing else is said.",
    "GETUSER <username>",
    "    The rules of a user.",
    "LIST",
    "    The rules of all users, as the file of users has them.",
    "LOAD",
    "    Take the users from their file: all of them, or none if a line is wrong. The",
    "    connections of users that are gone are closed.",
    "LOG [<count> | RESET]",
    "    What was refused lately, and to whom.",
    "SAVE",
    "    Write the users to their file.",
    "SETUSER <username> <rule> [<rule> ...]",
    "    Make a user, or change one: all rules count, or none if one is wrong. Those",
    "    who wait for what they may not have any more are told so at once. Rules: on,",
    "    off, >password, nopass, ~pattern, %R~pattern, +command, -command, +@category,",
    "    -@category, db=0,1, (more rules), reset.",
    "USERS",
    "    The names of all users.",
    "WHOAMI",
    "    The user that this connection is authenticated as.",
];

const BACKUP: [&str; 8] = [
    "PIN",
    "    Keep the files of a copy of everything that is on disk now, as long as this",
    "    connection lasts; return the directory, the log position that the copy reaches,",
    "    and of each file: name, bytes to copy, length (zeros fill the rest), and whether",
    "    it never changes any more. For `millstream backup`.",
    "UNPIN",
    "    Let the files go. Return 1, or 0 if this connection did not keep any, so that",
    "    a copy made meanwhile cannot be relied on.",
];

const CLIENT: [&str; 54] = [
    "CACHING (YES|NO)",
    "    Refused outside of tracking, which is always off here.",
    "GETNAME",
    "    The name of this connection.",
    "GETREDIR",
    "    Where invalidation messages go: nowhere, as there are none.",
    "ID",
    "    The number of this connection.",
    "INFO",
    "    One line on this connection.",
    "KILL (<ip:port>|<unixsocket>:0)",
    "    Close the connection from that address.",
    "KILL <option> <value> [<option> <value> [...]]",
    "    Close the connections that fit every option given. Options are:",
    "    * ADDR (<ip:port>|<unixsocket>:0)",
    "      Address of the client.",
    "    * LADDR (<ip:port>|<unixsocket>:0)",
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
    "PAUSE <timeout> [WRITE|ALL]",
    "    Let commands of all connections wait for so many milliseconds:",
    "    * WRITE those that may change data.",
    "    * ALL every one, CLIENT UNPAUSE included (by default).",
    "REPLY (ON|OFF|SKIP)",
    "    Whether this connection gets replies, or none to its next command.",
    "SETINFO (LIB-NAME|LIB-VER) <value>",
    "    Note what library the client uses.",
    "SETNAME <name>",
    "    Name this connection.",
    "TRACKING (ON|OFF) [<option> ...]",
    "    OFF is accepted. ON is refused: there are no invalidation messages.",
    "TRACKINGINFO",
    "    That this connection is not tracked.",
    "UNBLOCK <client-id> [TIMEOUT|ERROR]",
    "    End the wait of another connection:",
    "    * TIMEOUT as if its time were over (by default).",
    "    * ERROR with an error.",
    "UNPAUSE",
    "    End the pause.",
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

const CONFIG: [&str; 8] = [
    "GET <pattern> [<pattern> ...]",
    "    The settings whose names match a pattern, with their values.",
    "RESETSTAT",
    "    Set the counters that INFO shows back to zero.",
    "REWRITE",
    "    Write what CONFIG SET has changed into the configuration file.",
    "SET <name> <value> [<name> <value> ...]",
    "    Change settings: all of them, or none if one is refused.",
];

const LATENCY: [&str; 14] = [
    "DOCTOR",
    "    What took long, explained to people.",
    "GRAPH <event>",
    "    The samples of an event, drawn with letters.",
    "HISTORY <event>",
    "    The samples of an event: when, and how many milliseconds.",
    "LATEST",
    "    The last and the longest time of each event.",
    "RESET [<event> ...]",
    "    Forget the samples of some events.",
    "    Without names: of all.",
    "HISTOGRAM [<command> ...]",
    "    How many calls of a command took no longer than so many microseconds.",
    "    Without names: of every command that was called.",
];

const MEMORY: [&str; 11] = [
    "DOCTOR",
    "    How memory is used, explained to people.",
    "MALLOC-STATS",
    "    What the allocator tells of itself.",
    "PURGE",
    "    Accepted; memory is given back without it.",
    "STATS",
    "    Where memory goes, in numbers.",
    "USAGE <key> [SAMPLES <count> | DISK]",
    "    The bytes that a key and its value take, roughly, or those of its blocks on disk.",
    "    Nothing is sampled here, so the count changes nothing.",
];

const SLOWLOG: [&str; 9] = [
    "GET [<count>]",
    "    The last commands that took long (10 by default, all with -1).",
    "    Each is shown as",
    "    number, time, microseconds it took, arguments, address of the client,",
    "    name of the client",
    "LEN",
    "    How many such commands are kept.",
    "RESET",
    "    Forget them.",
];

const DEBUG: [&str; 31] = [
    "CHANGE-REPL-ID",
    "    Accepted; there is no replication.",
    "DIGEST",
    "    A fingerprint of all data: equal content, equal digits.",
    "DIGEST-VALUE <key> [<key> ...]",
    "    Fingerprints of values, without their keys.",
    "ERROR <string>",
    "    An error with that text.",
    "LOADAOF",
    "    Read all data back from disk.",
    "LOG <message>",
    "    Write a line into the server's log.",
    "OBJECT <key>",
    "    How a value is stored.",
    "PANIC [CONNECTION | CONTROL]",
    "    Be wrong in the middle of a change, which ends the process, in this connection, or in a",
    "    task of the server itself, which ends the process, too.",
    "PAUSE-CRON (0|1)",
    "    Accepted; there is nothing periodic to pause.",
    "PROTOCOL <type>",
    "    A reply of that type: string, integer, double, bignum, null, array,",
    "    set, map, attrib, push, verbatim, true, false.",
    "RELOAD [<option> ...]",
    "    Read all data back from disk. Accepted, without an effect of their own:",
    "    * MERGE, NOFLUSH, NOSAVE",
    "SET-ACTIVE-EXPIRE (0|1)",
    "    Whether expired keys are removed as time passes, and not only absent.",
    "SLEEP <seconds>",
    "    Stop everything for so long.",
    "Also accepted while DEBUG is allowed:",
    "    FUNCTION FLUSH and SCRIPT FLUSH; there are none.",
];

const MODULE: [&str; 2] = ["LIST", "    The loaded modules: none."];

const OBJECT: [&str; 8] = [
    "ENCODING <key>",
    "    The name of the way in which a value is stored.",
    "FREQ <key>",
    "    Refused: how often a key is used is not counted.",
    "IDLETIME <key>",
    "    Seconds since a key was last used.",
    "REFCOUNT <key>",
    "    How many share a value: always 1.",
];

const XDLQ: [&str; 17] = [
    "LIST <key> [filter ...]",
    "    Dead letters: [letters, skipped, cursor]. Filters are:",
    "    * IDS numids id [id ...]",
    "      These letters.",
    "    * GROUP name, REASON text, CONSUMER name",
    "      Letters of that group, for that reason, of that consumer.",
    "    * MINAGE milliseconds",
    "      Letters that are so old.",
    "    * COUNT count, CURSOR id",
    "      So many (100, at most 1000), from where the call before ended.",
    "PURGE <key> [filter ...] [DRYRUN]",
    "    Delete them: [deleted, skipped, cursor].",
    "REQUEUE <key> [filter ...] [DRYRUN] [MKSTREAM]",
    "    Give entries back to the group that gave them up; what is gone there is added anew,",
    "    and with MKSTREAM the stream, too: [requeued, skipped, cursor, added anew].",
    "    DRYRUN: say what would be, and do nothing.",
    "    The cursor is 0-0 at the end.",
];

const XGROUP: [&str; 34] = [
    "CFGGET <key> <groupname>",
    "    What a group does by itself.",
    "CFGSET <key> <groupname> <item> <value> [<item> <value> ...]",
    "    Set it; NONE unsets. Items are:",
    "    * VISIBILITY milliseconds",
    "      After so long what was not settled is handed out again.",
    "    * MAXDELIVERIES count, DEADLETTER stream",
    "      So often at most; then it goes to the other stream (<key>:dlq).",
    "    * BACKOFF base-ms factor max-ms, JITTER percent",
    "      How long what failed waits.",
    "    * MAXINFLIGHT count, CONSUMERTTL milliseconds",
    "      So many have an owner at most; so long an idle consumer is kept.",
    "    * ORDERBY field",
    "      Entries of one value are worked off one after the other.",
    "    * DELCONSUMER RELEASE|DROP, PAUSED 0|1",
    "      What becomes of a deleted consumer's entries; nothing is handed out.",
    "CREATE <key> <groupname> <id|$> [option]",
    "    Create a group that starts after an id. Options are:",
    "    * MKSTREAM",
    "      Create the stream too if it is missing.",
    "    * ENTRIESREAD entries_read",
    "      How many entries count as read already, for the lag.",
    "    * CFG item value [item value ...]",
    "      As CFGSET. Comes last.",
    "CREATECONSUMER <key> <groupname> <consumer>",
    "    Create a consumer in a group.",
    "DELCONSUMER <key> <groupname> <consumer>",
    "    Remove a consumer, and what it has pending. With CFGSET others get that.",
    "DESTROY <key> <groupname>",
    "    Remove a group with all that is pending in it.",
    "SETID <key> <groupname> <id|$> [ENTRIESREAD entries_read]",
    "    Move the id after which a group delivers.",
    "SKIP <key> <groupname> <id>",
    "    Give up on an entry that others of its value wait for.",
];

const XINFO: [&str; 6] = [
    "CONSUMERS <key> <groupname>",
    "    The consumers of a group.",
    "GROUPS <key>",
    "    The groups of a stream.",
    "STREAM <key> [FULL [COUNT <count>]",
    "    A stream, and with FULL its entries and groups.",
];

const XSCHEDULE: [&str; 10] = [
    "ADD <key> DELAY <ms>|AT <unix-ms> <field> <value> [<field> <value> ...]",
    "    Append an entry then; return a token. Creates the stream now.",
    "CANCEL <key> <token> [<token> ...]",
    "    Remove delayed entries; return how many there were.",
    "LIST <key> [CURSOR <cursor>] [COUNT <count>]",
    "    Delayed entries in the order of their times: where to go on (0: nowhere),",
    "    and of each its token, its time and its fields.",
    "RUN <key> <token> [<token> ...]",
    "    Append delayed entries now; return how many. What is unknown is passed over;",
    "    what the stream refuses stays.",
];
