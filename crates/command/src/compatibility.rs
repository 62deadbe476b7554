//! Every command of Redis, and whether it is here: the table in `COMPAT.md`.
//!
//! What is here stands in the command table; this page has the rest, and what of it is only partly
//! as in Redis. Tests: `tests/compat.rs` holds `COMPAT.md` to it, and the conformance tests hold it
//! to the lists of real servers.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::table::{self, CommandSpec};

/// What is here and not in Redis, by words that stay: what clients look for in INFO, since versions
/// say little. Each is described in `docs/delivery.md`.
pub const EXTENSIONS: &str =
    "group-policy,fence,dead-letters,retention,schedule,pending-errors,disk-usage";

/// Commands of Redis that are not here, for one reason.
struct Absent {
    reason: &'static str,
    /// Lower case, subcommands with their command's name in front: `acl|cat`.
    names: &'static [&'static str],
}

/// All commands of Redis up to 8.6, and those of 8.8 and 8.10 that are known.
const ABSENT: [Absent; 16] = [
    Absent {
        reason: "no arrays",
        names: &[
            "arcount",
            "ardel",
            "ardelrange",
            "arget",
            "argetrange",
            "argrep",
            "arinfo",
            "arinsert",
            "arlastitems",
            "arlen",
            "armget",
            "armset",
            "arnext",
            "arop",
            "arring",
            "arscan",
            "arseek",
            "arset",
        ],
    },
    Absent {
        reason: "no bitmaps",
        names: &["bitcount", "bitfield", "bitfield_ro", "bitop", "bitpos", "getbit", "setbit"],
    },
    Absent {
        reason: "no places",
        names: &[
            "geoadd",
            "geodist",
            "geohash",
            "geopos",
            "georadius",
            "georadius_ro",
            "georadiusbymember",
            "georadiusbymember_ro",
            "geosearch",
            "geosearchstore",
        ],
    },
    Absent {
        reason: "no hashes",
        names: &[
            "hdel",
            "hexists",
            "hexpire",
            "hexpireat",
            "hexpiretime",
            "hget",
            "hgetall",
            "hgetdel",
            "hgetex",
            "himport",
            "hincrby",
            "hincrbyfloat",
            "hkeys",
            "hlen",
            "hmget",
            "hmset",
            "hpersist",
            "hpexpire",
            "hpexpireat",
            "hpexpiretime",
            "hpttl",
            "hrandfield",
            "hscan",
            "hset",
            "hsetex",
            "hsetnx",
            "hstrlen",
            "httl",
            "hvals",
        ],
    },
    Absent {
        reason: "no HyperLogLogs",
        names: &["pfadd", "pfcount", "pfdebug", "pfmerge", "pfselftest"],
    },
    Absent {
        reason: "no lists",
        names: &[
            "blmove",
            "blmovem",
            "blmpop",
            "blpop",
            "brpop",
            "brpoplpush",
            "lindex",
            "linsert",
            "llen",
            "lmove",
            "lmovem",
            "lmpop",
            "lpop",
            "lpos",
            "lpush",
            "lpushx",
            "lrange",
            "lrem",
            "lset",
            "ltrim",
            "rpop",
            "rpoplpush",
            "rpush",
            "rpushx",
        ],
    },
    Absent {
        reason: "no vectors",
        names: &[
            "vadd",
            "vcard",
            "vdim",
            "vemb",
            "vgetattr",
            "vinfo",
            "vismember",
            "vlinks",
            "vrandmember",
            "vrange",
            "vrem",
            "vsetattr",
            "vsim",
        ],
    },
    Absent {
        reason: "no sets",
        names: &[
            "sadd",
            "scard",
            "sdiff",
            "sdiffcard",
            "sdiffstore",
            "sinter",
            "sintercard",
            "sinterstore",
            "sismember",
            "smembers",
            "smismember",
            "smove",
            "spop",
            "srandmember",
            "srem",
            "sscan",
            "sunion",
            "sunioncard",
            "sunionstore",
        ],
    },
    Absent {
        reason: "no sorted sets",
        names: &[
            "bzmpop",
            "bzpopmax",
            "bzpopmin",
            "zadd",
            "zcard",
            "zcount",
            "zdiff",
            "zdiffstore",
            "zincrby",
            "zinter",
            "zintercard",
            "zinterstore",
            "zlexcount",
            "zmpop",
            "zmscore",
            "zpopmax",
            "zpopmin",
            "zrandmember",
            "zrange",
            "zrangebylex",
            "zrangebyscore",
            "zrangestore",
            "zrank",
            "zrem",
            "zremrangebylex",
            "zremrangebyrank",
            "zremrangebyscore",
            "zrevrange",
            "zrevrangebylex",
            "zrevrangebyscore",
            "zrevrank",
            "zscan",
            "zscore",
            "zunion",
            "zunionstore",
        ],
    },
    Absent { reason: "nothing to sort: no lists and no sets", names: &["sort", "sort_ro"] },
    Absent {
        reason: "of strings there is what markers and counters need",
        names: &["delex", "digest", "getrange", "increx", "lcs", "msetex", "setrange", "substr"],
    },
    Absent {
        reason: "no scripts and no functions",
        names: &[
            "eval",
            "eval_ro",
            "evalsha",
            "evalsha_ro",
            "fcall",
            "fcall_ro",
            "function",
            "function|delete",
            "function|dump",
            "function|flush",
            "function|help",
            "function|kill",
            "function|list",
            "function|load",
            "function|restore",
            "function|stats",
            "script",
            "script|debug",
            "script|exists",
            "script|flush",
            "script|help",
            "script|kill",
            "script|load",
        ],
    },
    Absent {
        reason: "no publish/subscribe",
        names: &[
            "psubscribe",
            "publish",
            "pubsub",
            "pubsub|channels",
            "pubsub|help",
            "pubsub|numpat",
            "pubsub|numsub",
            "pubsub|shardchannels",
            "pubsub|shardnumsub",
            "punsubscribe",
            "spublish",
            "ssubscribe",
            "subscribe",
            "sunsubscribe",
            "unsubscribe",
        ],
    },
    Absent {
        reason: "one machine by design: no cluster, no replication",
        names: &[
            "asking",
            "cluster",
            "cluster|addslots",
            "cluster|addslotsrange",
            "cluster|bumpepoch",
            "cluster|count-failure-reports",
            "cluster|countkeysinslot",
            "cluster|delslots",
            "cluster|delslotsrange",
            "cluster|failover",
            "cluster|flushslots",
            "cluster|forget",
            "cluster|getkeysinslot",
            "cluster|help",
            "cluster|info",
            "cluster|keyslot",
            "cluster|links",
            "cluster|meet",
            "cluster|migration",
            "cluster|myid",
            "cluster|myshardid",
            "cluster|nodes",
            "cluster|replicas",
            "cluster|replicate",
            "cluster|reset",
            "cluster|saveconfig",
            "cluster|set-config-epoch",
            "cluster|setslot",
            "cluster|shards",
            "cluster|slaves",
            "cluster|slot-stats",
            "cluster|slots",
            "cluster|syncslots",
            "failover",
            "migrate",
            "psync",
            "readonly",
            "readwrite",
            "replconf",
            "replicaof",
            "restore-asking",
            "slaveof",
            "sync",
            "trimslots",
        ],
    },
    Absent {
        reason: "no modules can be loaded",
        names: &["module|load", "module|loadex", "module|unload"],
    },
    Absent {
        reason: "no count of which keys are used most",
        names: &[
            "hotkeys",
            "hotkeys|get",
            "hotkeys|help",
            "hotkeys|reset",
            "hotkeys|start",
            "hotkeys|stop",
        ],
    },
];

/// Commands that are here, but not for everything that they are for in Redis.
const PARTLY: [(&str, &str); 17] = [
    ("backup", "PIN and UNPIN, for `millstream backup`"),
    ("bgrewriteaof", "accepted: there is nothing to rewrite"),
    ("client|tracking", "OFF only: no invalidation messages are sent"),
    ("command|docs", "without arguments and history; with arity"),
    ("config|get", "the settings that mean something here"),
    ("config|rewrite", "writes the TOML file of `--config`"),
    ("config|set", "the settings that can be changed while the server runs"),
    ("debug", "with `--enable-debug` only, and what tests need"),
    ("dump", "a format of its own, versioned and with a checksum"),
    ("info", "the fields that mean something here"),
    ("latency|graph", "a picture of its own"),
    ("lolwut", "a picture of its own"),
    ("memory|malloc-stats", "what the operating system says"),
    ("memory|stats", "what is measured here"),
    ("restore", "what DUMP wrote here; payloads of Redis are refused"),
    ("wait", "counts no replicas: there are none"),
    ("waitaof", "the log is the append-only file; no replicas"),
];

/// Whether Redis has it and we do not: full names in lower case, `cluster|info`.
#[must_use]
pub fn is_absent(name: &str) -> bool {
    reason(name).is_some()
}

fn reason(name: &str) -> Option<&'static str> {
    let absent = ABSENT.iter().find(|absent| absent.names.contains(&name));
    absent.map(|absent| absent.reason)
}

fn partly(name: &str) -> Option<&'static str> {
    PARTLY.iter().find(|(partly, _)| *partly == name).map(|(_, how)| *how)
}

/// The table in Markdown: one row for each command, subcommands in the row of theirs.
#[must_use]
pub fn markdown() -> String {
    let mut rows: BTreeMap<&str, Row> = BTreeMap::new();
    for spec in table::all() {
        rows.insert(spec.name, Row::of(spec));
    }
    for name in ABSENT.iter().flat_map(|absent| absent.names) {
        match name.split_once('|') {
            Some((command, word)) => rows.entry(command).or_default().absent.push(word),
            None => drop(rows.entry(name).or_default()),
        }
    }
    let mut text = String::from("| command | here | how, or why not |\n|---|---|---|\n");
    for (name, row) in &mut rows {
        let (here, how) = row.judge(name);
        let _ = writeln!(text, "| {} | {here} | {how} |", name.to_ascii_uppercase());
    }
    text
}

/// What is known of one command.
#[derive(Default)]
struct Row {
    is_here: bool,
    partly: Vec<String>,
    /// Words of its subcommands that are not here.
    absent: Vec<&'static str>,
}

impl Row {
    fn of(spec: &'static CommandSpec) -> Self {
        let of_command = partly(spec.name).map(str::to_owned);
        let of_words = spec.subcommands.iter().filter_map(|sub| {
            Some(format!("{}: {}", sub.word().to_ascii_uppercase(), partly(sub.name)?))
        });
        Self {
            is_here: true,
            partly: of_command.into_iter().chain(of_words).collect(),
            absent: vec![],
        }
    }

    fn judge(&mut self, name: &str) -> (&'static str, String) {
        if !self.is_here {
            // A container is absent for the reason of its subcommands.
            let first = self.absent.first().map(|word| format!("{name}|{word}"));
            let why = reason(name).or_else(|| reason(&first?));
            return ("no", why.expect("what is absent is so for a reason").to_owned());
        }
        let mut how = self.partly.clone();
        if let Some(first) = self.absent.first() {
            let words: Vec<_> = self.absent.iter().map(|word| word.to_ascii_uppercase()).collect();
            let why = reason(&format!("{name}|{first}")).expect("it is listed with a reason");
            how.push(format!("not {} ({why})", words.join(", ")));
        }
        if how.is_empty() { ("yes", String::new()) } else { ("partly", how.join("; ")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_here_or_absent_and_not_both() {
        let mut seen = std::collections::BTreeSet::new();
        for name in ABSENT.iter().flat_map(|absent| absent.names) {
            assert!(seen.insert(name), "{name} stands there twice");
            assert!(table::find_by_full_name(name.as_bytes()).is_none(), "{name} is here");
        }
    }

    #[test]
    fn what_is_partly_here_is_here() {
        for (name, _) in PARTLY {
            assert!(table::find_by_full_name(name.as_bytes()).is_some(), "{name}");
        }
        assert!(PARTLY.is_sorted());
    }
}
