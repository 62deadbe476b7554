//! What one client's keys must hold after its first so many commands.
//!
//! Every command names all ids and numbers, so the outcome depends on nothing but the order, and
//! recovery must show the outcome of a prefix of what was sent.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use redis::{Cmd, Value, cmd};

/// Far away, so that nothing expires during a test. Unix milliseconds.
const EXPIRY_MS: u64 = 4_000_000_000_000;

/// One step of a client. Ids are the milliseconds of entry ids.
#[derive(Clone, Debug)]
pub(crate) enum Op {
    Add(u64),
    Read {
        consumer: u64,
        count: usize,
    },
    Ack(Vec<u64>),
    Claim {
        consumer: u64,
        id: u64,
    },
    Nack(u64),
    DeleteEntry(u64),
    TrimBelow(u64),
    /// Several keys in one record.
    Exec(u64),
    Increment,
    Set(u64),
    Rename,
    Expire,
    DeleteStream,
    CreateGroup,
    /// The whole stream with its group, over the copy before.
    Copy,
    Append(u64),
    /// What was appended goes.
    TakeLog,
}

/// The state of one client's keys.
#[derive(Clone, Debug, Default)]
pub(crate) struct Model {
    entries: BTreeMap<u64, u64>,
    has_group: bool,
    delivered: u64,
    /// Owner (`None` after XNACK) and deliveries.
    pending: BTreeMap<u64, (Option<u64>, i64)>,
    executed: Option<u64>,
    counter: u64,
    old: Option<(u64, bool)>,
    new: Option<(u64, bool)>,
    last_id: u64,
    /// The stream as it was when it was copied, as text.
    copy: Option<String>,
    log: String,
}

/// A linear congruential generator is random enough to choose commands.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

impl Model {
    /// Something to do next. `n` grows with each call, over restarts too.
    pub(crate) fn next_op(&self, n: u64, dice: &mut Dice) -> Op {
        if !self.has_group {
            return Op::CreateGroup;
        }
        let pending: Vec<u64> = self.pending.keys().copied().collect();
        let some_pending = |dice: &mut Dice| pending[dice.below(pending.len() as u64) as usize];
        match dice.below(100) {
            25..50 => Op::Read { consumer: dice.below(3), count: 1 + dice.below(5) as usize },
            50..62 if !pending.is_empty() => {
                Op::Ack((0..=dice.below(4)).map(|_| some_pending(dice)).collect())
            }
            62..68 if !pending.is_empty() => {
                Op::Claim { consumer: dice.below(4), id: some_pending(dice) }
            }
            68..72 if !pending.is_empty() => Op::Nack(some_pending(dice)),
            72..75 if !self.entries.is_empty() => {
                let at = dice.below(self.entries.len() as u64) as usize;
                Op::DeleteEntry(*self.entries.keys().nth(at).expect("below the count"))
            }
            75..77 => Op::TrimBelow(self.last_id.saturating_sub(dice.below(200))),
            77..85 => Op::Exec(n),
            85..88 => Op::Increment,
            88..91 => Op::Set(n),
            91..94 if self.old.is_some() => Op::Rename,
            94..96 => Op::Expire,
            96 if dice.below(10) == 0 => Op::DeleteStream,
            96 => Op::Copy,
            97 if self.log.len() > 300 => Op::TakeLog,
            97 => Op::Append(n),
            _ => Op::Add(n),
        }
    }

    pub(crate) fn apply(&mut self, op: &Op) {
        match *op {
            Op::Add(n) => self.add(n),
            Op::Read { consumer, count } => {
                let new: Vec<u64> = self
                    .entries
                    .range(self.delivered + 1..)
                    .map(|(id, _)| *id)
                    .take(count)
                    .collect();
                for id in new {
                    self.pending.insert(id, (Some(consumer), 1));
                    self.delivered = id;
                }
            }
            Op::Ack(ref ids) => ids.iter().for_each(|id| {
                self.pending.remove(id);
            }),
            Op::Claim { consumer, id } => {
                if !self.entries.contains_key(&id) {
                    self.pending.remove(&id);
                } else if let Some(record) = self.pending.get_mut(&id) {
                    *record = (Some(consumer), record.1 + 1);
                }
            }
            Op::Nack(id) => {
                if let Some(record) = self.pending.get_mut(&id) {
                    record.0 = None;
                }
            }
            Op::DeleteEntry(id) => drop(self.entries.remove(&id)),
            Op::TrimBelow(id) => self.entries = self.entries.split_off(&id),
            Op::Exec(n) => {
                self.executed = Some(n);
                self.counter += 1;
                self.add(n);
            }
            Op::Increment => self.counter += 1,
            Op::Set(n) => self.old = Some((n, false)),
            Op::Rename => self.new = self.old.take(),
            Op::Expire => {
                if let Some(new) = &mut self.new {
                    new.1 = true;
                }
            }
            Op::DeleteStream => {
                self.entries.clear();
                self.pending.clear();
                (self.delivered, self.last_id, self.has_group) = (0, 0, false);
            }
            Op::CreateGroup => self.has_group = true,
            Op::Copy => self.copy = Some(self.stream_text()),
            Op::Append(n) => self.log += &format!("{n},"),
            Op::TakeLog => self.log.clear(),
        }
    }

    fn add(&mut self, n: u64) {
        self.entries.insert(n, n);
        self.last_id = n;
    }

    /// The same text as [`dump`] makes of a server in this state.
    pub(crate) fn text(&self) -> String {
        let mut text = self.stream_text();
        let string = |value: Option<u64>| value.map_or("-".to_owned(), |value| value.to_string());
        let counter = (self.counter > 0).then_some(self.counter);
        let _ = write!(text, "| {0} {0} {1} ", string(self.executed), string(counter));
        for value in [self.old, self.new] {
            let _ = write!(text, "{} {} ", string(value.map(|v| v.0)), expiry(value));
        }
        let log = if self.log.is_empty() { "-" } else { &self.log };
        let copy = self.copy.as_deref().unwrap_or("| None ");
        let _ = write!(text, "{log} {copy}");
        text
    }

    fn stream_text(&self) -> String {
        let mut text = String::new();
        self.entries.iter().for_each(|(id, v)| write!(text, "{id}={v} ").expect("to memory"));
        let _ = write!(text, "| {:?} ", self.has_group.then_some(self.delivered));
        for (id, (owner, count)) in &self.pending {
            let owner = owner.map_or(String::new(), |owner| format!("c{owner}"));
            let _ = write!(text, "{id}:{owner}:{count} ");
        }
        text
    }
}

fn expiry(value: Option<(u64, bool)>) -> i64 {
    match value {
        None => -2,
        Some((_, false)) => -1,
        Some((_, true)) => EXPIRY_MS.cast_signed(),
    }
}

/// The commands of a step; each gets one reply.
pub(crate) fn commands(client: usize, op: &Op) -> Vec<Cmd> {
    let key = |name: &str| format!("client:{client}:{name}");
    let make = |words: &[String]| {
        let mut made = cmd(&words[0]);
        made.arg(&words[1..]);
        made
    };
    let line = |text: String| make(&text.split(' ').map(str::to_owned).collect::<Vec<_>>());
    let (s, a, b) = (key("stream"), key("a"), key("b"));
    let one = match *op {
        Op::Add(n) => format!("XADD {s} {n}-1 v {n}"),
        Op::Read { consumer, count } => {
            format!("XREADGROUP GROUP g c{consumer} COUNT {count} STREAMS {s} >")
        }
        Op::Ack(ref ids) => {
            let ids: Vec<String> = ids.iter().map(|id| format!("{id}-1")).collect();
            format!("XACK {s} g {}", ids.join(" "))
        }
        Op::Claim { consumer, id } => format!("XCLAIM {s} g c{consumer} 0 {id}-1"),
        Op::Nack(id) => format!("XNACK {s} g FAIL IDS 1 {id}-1"),
        Op::DeleteEntry(id) => format!("XDEL {s} {id}-1"),
        Op::TrimBelow(id) => format!("XTRIM {s} MINID = {id}"),
        Op::Exec(n) => {
            let lines = [
                "MULTI".to_owned(),
                format!("SET {a} {n}"),
                format!("INCR {}", key("counter")),
                format!("XADD {s} {n}-1 v {n}"),
                format!("SET {b} {n}"),
                "EXEC".to_owned(),
            ];
            return lines.into_iter().map(line).collect();
        }
        Op::Increment => format!("INCR {}", key("counter")),
        Op::Set(n) => format!("SET {} {n}", key("old")),
        Op::Rename => format!("RENAME {} {}", key("old"), key("new")),
        Op::Expire => format!("PEXPIREAT {} {EXPIRY_MS}", key("new")),
        Op::DeleteStream => format!("DEL {s}"),
        Op::CreateGroup => format!("XGROUP CREATE {s} g 0 MKSTREAM"),
        Op::Copy => format!("COPY {s} {} REPLACE", key("copy")),
        Op::Append(n) => format!("APPEND {} {n},", key("log")),
        Op::TakeLog => format!("GETDEL {}", key("log")),
    };
    vec![line(one)]
}

/// What a server holds for this client.
pub(crate) fn dump(client: usize, connection: &mut redis::Connection) -> String {
    let key = |name: &str| format!("client:{client}:{name}");
    let mut text = dump_stream(&key("stream"), connection);
    text.push_str("| ");
    for name in ["a", "b", "counter", "old", "new"] {
        let value: Option<String> = cmd("GET").arg(key(name)).query(connection).expect("GET");
        let _ = write!(text, "{} ", value.unwrap_or("-".to_owned()));
        if name == "old" || name == "new" {
            let at: i64 = cmd("PEXPIRETIME").arg(key(name)).query(connection).expect("a time");
            let _ = write!(text, "{at} ");
        }
    }
    let log: Option<String> = cmd("GET").arg(key("log")).query(connection).expect("GET");
    let copy = dump_stream(&key("copy"), connection);
    let _ = write!(text, "{} {copy}", log.unwrap_or("-".to_owned()));
    text
}

fn dump_stream(stream: &str, connection: &mut redis::Connection) -> String {
    let mut text = String::new();
    let entries: Vec<(String, Vec<String>)> =
        cmd("XRANGE").arg(stream).arg("-").arg("+").query(connection).expect("XRANGE");
    for (id, pairs) in entries {
        let _ = write!(text, "{}={} ", id.trim_end_matches("-1"), pairs[1]);
    }
    let groups: redis::RedisResult<Vec<BTreeMap<String, Value>>> =
        cmd("XINFO").arg("GROUPS").arg(stream).query(connection);
    let last = groups.ok().and_then(|mut groups| groups.pop()).map(|group| {
        let id: String = redis::from_redis_value(group["last-delivered-id"].clone()).expect("id");
        let ms = id.split('-').next().expect("never empty").to_owned();
        ms.parse::<u64>().expect("milliseconds")
    });
    let _ = write!(text, "| {last:?} ");
    if last.is_some() {
        let pending: Vec<(String, String, u64, i64)> = cmd("XPENDING")
            .arg(&[stream, "g", "-", "+", "1000000"])
            .query(connection)
            .expect("XPENDING");
        for (id, owner, _, count) in pending {
            let _ = write!(text, "{}:{owner}:{count} ", id.trim_end_matches("-1"));
        }
    }
    text
}
