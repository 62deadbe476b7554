//! Commands as they are sent.

use super::group_arguments::{groups, letters};
use super::schedule::schedule;
use super::{
    Add, Command, ExpiryCondition, From, NewId, OnEntries, OnKeys, Read, References,
    RetentionChange, Set, SetExpiry, Text, Trim, TrimBy,
};
use crate::id::Id;

/// Gathers arguments.
pub(super) struct Arguments(Vec<Text>);

impl Arguments {
    pub(super) fn of(words: &str) -> Self {
        Self(words.split(' ').map(|word| word.as_bytes().to_vec()).collect())
    }

    pub(super) fn word(mut self, word: impl ToString) -> Self {
        self.0.push(word.to_string().into_bytes());
        self
    }

    pub(super) fn text(mut self, text: &[u8]) -> Self {
        self.0.push(text.to_vec());
        self
    }

    pub(super) fn texts<'a>(mut self, texts: impl IntoIterator<Item = &'a Text>) -> Self {
        self.0.extend(texts.into_iter().cloned());
        self
    }

    pub(super) fn ids(mut self, ids: &[Id]) -> Self {
        self.0.extend(ids.iter().map(|id| id.to_string().into_bytes()));
        self
    }

    pub(super) fn counted_ids(self, ids: &[Id]) -> Self {
        self.word("IDS").word(ids.len()).ids(ids)
    }

    pub(super) fn flag(self, word: &str, is_set: bool) -> Self {
        if is_set { self.word(word) } else { self }
    }

    pub(super) fn option(self, word: &str, value: Option<impl ToString>) -> Self {
        match value {
            Some(value) => self.word(word).word(value),
            None => self,
        }
    }

    pub(super) fn text_option(self, word: &str, value: Option<&Text>) -> Self {
        match value {
            Some(value) => self.word(word).text(value),
            None => self,
        }
    }

    pub(super) fn references(self, references: References) -> Self {
        self.word(match references {
            References::Keep => "KEEPREF",
            References::Delete => "DELREF",
            References::Acked => "ACKED",
        })
    }

    pub(super) fn trim(self, trim: &Trim) -> Self {
        let sign = if trim.approximate { "~" } else { "=" };
        let bounded = match trim.by {
            TrimBy::MaxLen(keep) => self.word("MAXLEN").word(sign).word(keep),
            TrimBy::MinId(id) => self.word("MINID").word(sign).word(id),
        };
        bounded.option("LIMIT", trim.limit).references(trim.references)
    }

    fn retention(self, change: &RetentionChange) -> Self {
        let overflow = change.rejects.map(|rejects| match rejects {
            None => "NONE",
            Some(true) => "REJECT",
            Some(false) => "DROP",
        });
        let retain = change.is_unacked.map(|is_unacked| if is_unacked { "UNACKED" } else { "ALL" });
        self.option("MAXLEN", change.max_len)
            .option("MAXAGE", change.max_age_ms)
            .option("MAXBYTES", change.max_bytes)
            .option("RETAIN", retain)
            .option("OVERFLOW", overflow)
    }

    pub(super) fn position(self, at: Option<Id>) -> Self {
        match at {
            Some(id) => self.word(id),
            None => self.word("$"),
        }
    }

    pub(super) fn condition(self, condition: ExpiryCondition) -> Self {
        self.flag("NX", condition.only_new)
            .flag("XX", condition.only_existing)
            .flag("GT", condition.only_later)
            .flag("LT", condition.only_earlier)
    }
}

impl Command {
    /// The command as its client sends it.
    pub(crate) fn arguments(&self) -> Vec<Text> {
        let arguments = match self {
            Self::Entries(command) => entries(command),
            Self::Groups(command) => groups(command),
            Self::Keys(command) => keys(command),
            Self::Letters(command) => letters(command),
            Self::Schedule(command) => schedule(command),
            Self::Read(read) => reading(read),
        };
        arguments.0
    }
}

fn add(add: &Add) -> Arguments {
    let mut arguments = Arguments::of("XADD").text(&add.key).flag("NOMKSTREAM", add.no_create);
    if let Some((producer, iid)) = &add.production {
        arguments = arguments.word("IDMP").text(producer).text(iid);
    }
    if let Some(trim) = &add.trim {
        arguments = arguments.trim(trim);
    }
    arguments = match add.id {
        NewId::Auto => arguments.word("*"),
        NewId::In(ms) => arguments.word(format!("{ms}-*")),
        NewId::Exactly(id) => arguments.word(id),
    };
    arguments.texts(add.fields.iter().flat_map(|(name, value)| [name, value]))
}

fn entries(command: &OnEntries) -> Arguments {
    match command {
        OnEntries::Add(request) => add(request),
        OnEntries::Trim(key, trim) => Arguments::of("XTRIM").text(key).trim(trim),
        OnEntries::Delete(key, ids) => Arguments::of("XDEL").text(key).ids(ids),
        OnEntries::DeleteEx(key, references, ids) => {
            Arguments::of("XDELEX").text(key).references(*references).counted_ids(ids)
        }
        OnEntries::SetId { key, last_id, added, max_deleted_id } => Arguments::of("XSETID")
            .text(key)
            .word(last_id)
            .option("ENTRIESADDED", *added)
            .option("MAXDELETEDID", *max_deleted_id),
        OnEntries::Configure { key, duration_s, per_producer, kept } => Arguments::of("XCFGSET")
            .text(key)
            .option("IDMP-DURATION", *duration_s)
            .option("IDMP-MAXSIZE", *per_producer)
            .retention(kept),
        OnEntries::Configuration(key) => Arguments::of("XCFGGET").text(key),
        OnEntries::RecordProduction { key, producer, iid, id } => {
            Arguments::of("XIDMPRECORD").text(key).text(producer).text(iid).word(id)
        }
        OnEntries::Range { key, from, to, count, is_reverse: false } => {
            Arguments::of("XRANGE").text(key).word(from).word(to).option("COUNT", *count)
        }
        OnEntries::Range { key, from, to, count, is_reverse: true } => {
            Arguments::of("XREVRANGE").text(key).word(to).word(from).option("COUNT", *count)
        }
        OnEntries::Info(key) => Arguments::of("XINFO STREAM").text(key),
        OnEntries::Length(key) => Arguments::of("XLEN").text(key),
    }
}

fn reading(read: &Read) -> Arguments {
    let arguments = match &read.group {
        None => Arguments::of("XREAD"),
        Some(reader) => Arguments::of("XREADGROUP GROUP")
            .text(&reader.group)
            .text(&reader.consumer)
            .flag("NOACK", reader.noack)
            .option("CLAIM", reader.claim_min_idle_ms),
    };
    let mut arguments = arguments
        .option("COUNT", read.count)
        .option("MAXCOUNT", read.count_total)
        .option("BLOCK", read.block_ms)
        .word("STREAMS")
        .texts(read.streams.iter().map(|(key, _)| key));
    for (_, from) in &read.streams {
        arguments = match from {
            From::After(id) => arguments.word(id),
            From::Last => arguments.word("+"),
            From::End => arguments.word("$"),
            From::New => arguments.word(">"),
        };
    }
    arguments
}

fn set(set: &Set) -> Arguments {
    let arguments = Arguments::of("SET").text(&set.key).text(&set.value);
    let arguments = arguments
        .flag("NX", set.must_exist == Some(false))
        .flag("XX", set.must_exist == Some(true))
        .flag("GET", set.returns_old);
    match set.expiry {
        SetExpiry::None => arguments,
        SetExpiry::Keep => arguments.word("KEEPTTL"),
        SetExpiry::In(ms) => arguments.word("PX").word(ms),
        SetExpiry::At(ms) => arguments.word("PXAT").word(ms),
    }
}

fn keys(command: &OnKeys) -> Arguments {
    match command {
        OnKeys::Set(request) => set(request),
        OnKeys::Get(key) => Arguments::of("GET").text(key),
        OnKeys::GetDelete(key) => Arguments::of("GETDEL").text(key),
        OnKeys::IncrementBy(key, by) => Arguments::of("INCRBY").text(key).word(by),
        OnKeys::Append(key, suffix) => Arguments::of("APPEND").text(key).text(suffix),
        OnKeys::Delete(keys) => Arguments::of("DEL").texts(keys),
        OnKeys::Exists(keys) => Arguments::of("EXISTS").texts(keys),
        OnKeys::Type(key) => Arguments::of("TYPE").text(key),
        OnKeys::Size => Arguments::of("DBSIZE"),
        OnKeys::Expire(key, ms, condition) => {
            Arguments::of("PEXPIRE").text(key).word(ms).condition(*condition)
        }
        OnKeys::ExpireAt(key, at_ms, condition) => {
            Arguments::of("PEXPIREAT").text(key).word(at_ms).condition(*condition)
        }
        OnKeys::Persist(key) => Arguments::of("PERSIST").text(key),
        OnKeys::Lifetime(key) => Arguments::of("PTTL").text(key),
        OnKeys::Rename { from, to, only_if_free } => {
            Arguments::of(if *only_if_free { "RENAMENX" } else { "RENAME" }).text(from).text(to)
        }
        OnKeys::Copy { from, to, to_db, replaces } => Arguments::of("COPY")
            .text(from)
            .text(to)
            .option("DB", *to_db)
            .flag("REPLACE", *replaces),
        OnKeys::Move(key, db) => Arguments::of("MOVE").text(key).word(db),
        OnKeys::Swap(a, b) => Arguments::of("SWAPDB").word(a).word(b),
        OnKeys::Flush => Arguments::of("FLUSHDB"),
        OnKeys::FlushAll => Arguments::of("FLUSHALL"),
        OnKeys::Dump(key) => Arguments::of("DUMP").text(key),
        OnKeys::Restore { key, ttl, payload, replaces } => {
            Arguments::of("RESTORE").text(key).word(ttl).text(payload).flag("REPLACE", *replaces)
        }
    }
}
