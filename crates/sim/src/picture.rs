//! What the program holds, as lines of text that are compared with those of the reference.
//!
//! Entries are read by a command, so that whatever a command has to load is loaded. Must not look
//! at anything that no client can see, but for the order of pending entries, which shows only in
//! who is claimed first. Tests: all runs.

use std::collections::BTreeMap;
use std::fmt::Write;

use millstream_engine::{DATABASE_COUNT, Lifetime, ObjectKind, Transaction};
use millstream_model::{ConsumerId, EntryId, Group, Stream};
use millstream_resp::Value;

use crate::command::Text;
use crate::id::Id;
use crate::reference::{AllKept, Found, Kept, Looks, Open, Scheduled};
use crate::store;
use crate::trace::shown;

/// One line for everything that can differ.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lines(Vec<String>);

/// When a consumer was seen last: database, key, group, consumer, time.
pub(crate) type Seen = (u8, Text, Text, Text, u64);

impl Lines {
    pub(crate) fn lines(&self) -> &[String] {
        &self.0
    }

    fn push(&mut self, line: String) {
        self.0.push(line);
    }

    pub(crate) fn key(&mut self, db: u8, key: &[u8], expires_at_ms: Option<u64>) {
        self.push(format!("{db} {} expires {expires_at_ms:?}", key.escape_ascii()));
    }

    pub(crate) fn text(&mut self, text: &[u8]) {
        self.push(format!("  text {}", text.escape_ascii()));
    }

    pub(crate) fn counters(&mut self, last_id: Id, added: u64, max_deleted_id: Id) {
        self.push(format!("  last {last_id} added {added} deleted {max_deleted_id}"));
    }

    pub(crate) fn entry<'a>(&mut self, id: Id, fields: impl Iterator<Item = (&'a [u8], &'a [u8])>) {
        let mut line = format!("  {id}");
        for (name, value) in fields {
            write!(line, " {}={}", name.escape_ascii(), value.escape_ascii())
                .expect("strings grow");
        }
        self.push(line);
    }

    pub(crate) fn productions(&mut self, duration_s: u32, max: u32, added: u64, repeated: u64) {
        let counts = format!("added {added} repeated {repeated}");
        self.push(format!("  productions for {duration_s} s, {max} each, {counts}"));
    }

    pub(crate) fn production(&mut self, producer: &[u8], iid: &[u8], id: Id) {
        self.push(format!("    {}/{} {id}", producer.escape_ascii(), iid.escape_ascii()));
    }

    /// Delayed entries follow.
    pub(crate) fn schedule(&mut self, added: u64, failures: u64) {
        self.push(format!("  schedule: {added} added, {failures} refused"));
    }

    /// What XCFGGET says of it.
    pub(crate) fn retention(&mut self, items: &Value) {
        self.push(format!("  keeps {}", shown(items)));
    }

    pub(crate) fn group(&mut self, name: &[u8], at: Id, read: Option<u64>, lag: Option<i64>) {
        self.push(format!("  group {} at {at} read {read:?} lag {lag:?}", name.escape_ascii()));
    }

    /// Of a managed group: CFGGET's answer, and what was counted.
    pub(crate) fn policy(&mut self, policy: &Value, counted: [u64; 7]) {
        self.push(format!("    policy {} counted {counted:?}", shown(policy)));
    }

    pub(crate) fn consumer(&mut self, name: &[u8], active_ms: Option<u64>, owned: usize) {
        let name = name.escape_ascii();
        self.push(format!("    consumer {name} active {active_ms:?} owns {owned}"));
    }

    pub(crate) fn pending(
        &mut self,
        id: Id,
        owner: Option<&[u8]>,
        (at_ms, available_at_ms): (u64, u64),
        deliveries: u64,
    ) {
        let owner = owner.map_or("nobody".into(), |owner| owner.escape_ascii().to_string());
        let times = format!("since {at_ms} not before {available_at_ms}");
        self.push(format!("    pending {id} of {owner} {times} count {deliveries}"));
    }

    pub(crate) fn failure(&mut self, consumer: &[u8], error: &[u8]) {
        let (consumer, error) = (consumer.escape_ascii(), error.escape_ascii());
        self.push(format!("      failed with {consumer}: {error}"));
    }

    /// Of a group that orders by a field: which entries are in its order, and which of them have
    /// the same value. What stands for a value does not matter.
    pub(crate) fn values<V: PartialEq>(
        &mut self,
        values: Vec<(Id, V)>,
        is_held: impl Fn(Id) -> bool,
    ) {
        for (id, value) in &values {
            let first = values.iter().find(|(_, other)| other == value).expect("itself");
            let what = if is_held(*id) { "held" } else { "in work" };
            self.push(format!("    {what} {id}, of the value of {}", first.0));
        }
    }

    pub(crate) fn order(&mut self, ids: impl Iterator<Item = Id>) {
        let ids: Vec<String> = ids.map(|id| id.to_string()).collect();
        self.push(format!("    oldest first {}", ids.join(" ")));
    }
}

fn id(id: EntryId) -> Id {
    Id(id.ms, id.seq)
}

/// All keys, by database and in order.
pub(crate) fn keys(txn: &mut Transaction<'_>) -> Vec<(u8, Text)> {
    let mut all = Vec::new();
    for db in 0..DATABASE_COUNT {
        let listing = txn.list_keys(db);
        let pieces = (0..listing.piece_count()).flat_map(|index| listing.piece(index));
        all.extend(pieces.map(|key| (db, key.to_vec())));
    }
    all.sort();
    all
}

/// Draws all databases, and says when consumers were seen. The transaction should be as of wall
/// time 0, so that keys show whose time has come but that are there.
pub(crate) fn picture(txn: &mut Transaction<'_>) -> (Lines, Vec<Seen>) {
    let (mut lines, mut seen) = (Lines::default(), Vec::new());
    for (db, key) in keys(txn) {
        of_key(txn, db, &key, &mut lines, &mut seen);
    }
    (lines, seen)
}

fn of_key(txn: &mut Transaction<'_>, db: u8, key: &[u8], lines: &mut Lines, seen: &mut Vec<Seen>) {
    let expires_at_ms = match txn.lifetime(db, key) {
        Lifetime::Until(at_ms) => Some(at_ms),
        Lifetime::Missing | Lifetime::Unlimited => None,
    };
    lines.key(db, key, expires_at_ms);
    if txn.kind(db, key) == Some(ObjectKind::String) {
        let text = txn.string(db, key).ok().flatten();
        return lines.text(text.as_deref().unwrap_or_default());
    }
    let entries = entries(txn, db, key);
    let policies = policies(txn, db, key);
    let scheduled = lines_of(&delayed(txn, db, key), 2);
    let configuration = store::reply(txn, &[b"XCFGGET"[..].to_vec(), key.to_vec()], db);
    let Ok(Some(stream)) = txn.stream(db, key) else { return };
    lines.counters(id(stream.last_id()), stream.entries_added(), id(stream.max_deleted_id()));
    lines.0.extend(entries.0);
    let made = stream.idempotence();
    let limits = made.limits();
    let (added, repeated) = (made.added(), made.duplicates());
    lines.productions(limits.duration_s, limits.per_producer_max, added, repeated);
    made.productions().for_each(|(producer, iid, entry)| {
        lines.production(producer, iid, id(entry));
    });
    if let Some(schedule) = stream.schedule() {
        lines.schedule(schedule.next_sequence() - 1, schedule.failures());
        lines.0.extend(scheduled.0);
    }
    if stream.retention().is_some()
        && let Some(Value::Array(items)) = configuration
    {
        lines.retention(&Value::Array(items[4..].to_vec()));
    }
    for (_, group) in stream.groups() {
        of_group(stream, group, policies.get(&group.name()[..]), lines);
        let name = |name: &[u8]| name.to_vec();
        seen.extend(group.consumers().map(|(_, consumer)| {
            (db, name(key), name(group.name()), name(&consumer.name), consumer.seen_ms)
        }));
    }
}

/// What CFGGET says of the managed groups of a stream.
fn policies(txn: &mut Transaction<'_>, db: u8, key: &[u8]) -> BTreeMap<Text, Value> {
    let mut policies = BTreeMap::new();
    let Ok(Some(stream)) = txn.stream(db, key) else { return policies };
    let managed = stream.groups().filter(|(_, group)| group.policy().is_some());
    let names: Vec<Text> = managed.map(|(_, group)| group.name().to_vec()).collect();
    for name in names {
        let arguments = [&b"XGROUP"[..], b"CFGGET", key, &name].map(<[u8]>::to_vec);
        policies.extend(store::reply(txn, &arguments, db).map(|policy| (name, policy)));
    }
    policies
}

fn of_group(stream: &Stream, group: &Group, policy: Option<&Value>, lines: &mut Lines) {
    let position = id(group.last_delivered_id());
    lines.group(group.name(), position, group.entries_read(), stream.lag(group));
    if let (Some(policy), Some(counted)) = (policy, group.counters()) {
        lines.policy(
            policy,
            [
                counted.delivered,
                counted.acked,
                counted.nacked,
                counted.redelivered,
                counted.dead_lettered,
                counted.vanished,
                counted.dropped,
            ],
        );
    }
    for (_, consumer) in group.consumers() {
        lines.consumer(&consumer.name, consumer.active_ms, consumer.pending_count);
    }
    let name = |owner: ConsumerId| -> &[u8] { &group.consumer(owner).name };
    for record in group.pending().range(EntryId::MIN, EntryId::MAX) {
        let owner = record.owner.map(name);
        let times = (record.delivered_at_ms, record.available_at_ms);
        lines.pending(id(record.id), owner, times, record.delivery_count);
        if let Some(failure) = group.pending().failure(record.id) {
            lines.failure(&failure.consumer, &failure.error);
        }
    }
    if let Some(order) = group.order() {
        let pending = group.pending().range(EntryId::MIN, EntryId::MAX);
        let pending = pending.filter_map(|record| Some((record.id, order.value(record.id)?)));
        let mut values: Vec<_> = order.held().chain(pending).collect();
        values.sort_unstable();
        let values = values.into_iter().map(|(entry, value)| (id(entry), value));
        lines.values(values.collect(), |id| order.is_held(EntryId::new(id.0, id.1)));
    }
    lines.order(group.pending().oldest_first().map(|record| id(record.id)));
}

/// What a step of group work can be told by, of all managed groups. As of wall time 0, as
/// [`picture`] is.
pub(crate) fn looks(txn: &mut Transaction<'_>) -> Looks {
    let mut looks = Looks::new();
    for (db, key) in keys(txn) {
        let Ok(Some(stream)) = txn.stream(db, &key) else { continue };
        for (_, group) in stream.groups() {
            let Some(counted) = group.counters() else { continue };
            let pending = group.pending().range(EntryId::MIN, EntryId::MAX);
            let found = Found {
                dead_lettered: counted.dead_lettered,
                dead_letter_failed: counted.dead_letter_failed,
                pending: pending.map(|record| id(record.id)).collect(),
                consumers: group.consumers().map(|(_, c)| c.name.to_vec()).collect(),
            };
            looks.insert((db, key.clone(), group.name().to_vec()), found);
        }
    }
    looks
}

/// Of all streams that drop something by themselves. As of wall time 0, or of a command.
pub(crate) fn kept(txn: &mut Transaction<'_>) -> AllKept {
    let mut all = AllKept::new();
    for (db, key) in keys(txn) {
        let Ok(Some(stream)) = txn.stream(db, &key) else { continue };
        if stream.retention().is_none() {
            continue;
        }
        let groups = stream.groups().map(|(_, group)| (group.name().to_vec(), open(group)));
        let first = stream.entries().first_id().map(id);
        all.insert((db, key.clone()), Kept { first, groups: groups.collect() });
    }
    all
}

fn open(group: &Group) -> Open {
    let pending = group.pending().range(EntryId::MIN, EntryId::MAX).map(|record| record.id);
    let held = group.order().into_iter().flat_map(|order| order.held()).map(|(id, _)| id);
    let dropped = group.counters().map(|counted| counted.dropped);
    Open { ids: pending.chain(held).map(id).collect(), dropped }
}

/// The tokens of all that waits, and how many were refused. As of wall time 0.
pub(crate) fn scheduled(txn: &mut Transaction<'_>) -> Scheduled {
    let mut all = Scheduled::new();
    for (db, key) in keys(txn) {
        let Ok(Some(stream)) = txn.stream(db, &key) else { continue };
        let Some(schedule) = stream.schedule() else { continue };
        let tokens = schedule.after(None).map(|token| Id(token.due_ms, token.sequence));
        all.insert((db, key.clone()), (tokens.collect(), schedule.failures()));
    }
    all
}

/// What XSCHEDULE LIST says of a stream.
fn delayed(txn: &mut Transaction<'_>, db: u8, key: &[u8]) -> Vec<Value> {
    let arguments = [&b"XSCHEDULE"[..], b"LIST", key, b"COUNT", b"1000"].map(<[u8]>::to_vec);
    match store::reply(txn, &arguments, db) {
        Some(Value::Array(parts)) => match parts.into_iter().nth(1) {
            Some(Value::Array(entries)) => entries,
            _ => Vec::new(),
        },
        _ => Vec::new(),
    }
}

/// Lines of the entries, as XRANGE shows them.
fn entries(txn: &mut Transaction<'_>, db: u8, key: &[u8]) -> Lines {
    lines_of(&range(txn, db, key), 1)
}

/// Each with its name first, and its fields at that place.
fn lines_of(entries: &[Value], place: usize) -> Lines {
    let mut lines = Lines::default();
    for entry in entries {
        let parts = entry.as_slice().unwrap_or_default();
        let id = parts.first().and_then(Value::as_str).unwrap_or("no id");
        let mut line = format!("  {id}");
        let fields = parts.get(place).and_then(Value::as_slice).unwrap_or_default();
        for pair in fields.chunks(2) {
            let texts: Vec<_> = pair.iter().filter_map(Value::as_bytes).collect();
            let texts: Vec<_> = texts.iter().map(|t| t.escape_ascii().to_string()).collect();
            write!(line, " {}", texts.join("=")).expect("strings grow");
        }
        lines.push(line);
    }
    lines
}

fn range(txn: &mut Transaction<'_>, db: u8, key: &[u8]) -> Vec<Value> {
    let arguments = [&b"XRANGE"[..], key, b"-", b"+"].map(<[u8]>::to_vec);
    match store::reply(txn, &arguments, db) {
        Some(Value::Array(entries)) => entries,
        _ => Vec::new(),
    }
}

/// The ids of a stream's entries; none if it is no stream.
pub(crate) fn ids(txn: &mut Transaction<'_>, db: u8, key: &[u8]) -> Vec<Id> {
    let number = |text: &str| text.parse().ok();
    let id = |entry: &Value| {
        let text = entry.as_slice()?.first()?.as_str()?;
        let (ms, seq) = text.split_once('-')?;
        Some(Id(number(ms)?, number(seq)?))
    };
    range(txn, db, key).iter().filter_map(id).collect()
}
