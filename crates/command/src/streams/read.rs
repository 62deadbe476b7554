//! XREAD and XREADGROUP.

use bytes::Bytes;
use millstream_engine::{GroupReader, ReadFrom, ReadRequest, StreamPosition, Transaction};
use millstream_model::EntryId;

use crate::Reply;
use crate::answer::Answer;
use crate::id::parse_strict;
use crate::integer::parse_i64;
use crate::options::Options;
use crate::refusal::Refusal;

/// Which of the two commands, and what only it has.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Plain,
    Group,
}

impl Kind {
    /// Where a stream is read from, by the text that stands for it.
    fn read_from(self, text: &[u8]) -> Result<ReadFrom, Refusal> {
        match self {
            Self::Plain => plain_read_from(text),
            Self::Group => group_read_from(text),
        }
    }
}

#[derive(Default)]
struct Grammar<'a> {
    count: Option<usize>,
    count_total: Option<usize>,
    bytes_max: Option<u64>,
    block_ms: Option<u64>,
    group: Option<(&'a [u8], &'a [u8])>,
    noack: bool,
    claim_min_idle_ms: Option<u64>,
    keys: &'a [&'a [u8]],
    ids: &'a [&'a [u8]],
}

pub(crate) fn xread(
    args: &[&[u8]],
    db: u8,
    may_block: bool,
    txn: &mut Transaction<'_>,
) -> Result<Answer, Refusal> {
    read(Kind::Plain, args, db, may_block, txn)
}

pub(crate) fn xreadgroup(
    args: &[&[u8]],
    db: u8,
    may_block: bool,
    txn: &mut Transaction<'_>,
) -> Result<Answer, Refusal> {
    read(Kind::Group, args, db, may_block, txn)
}

fn read(
    kind: Kind,
    args: &[&[u8]],
    db: u8,
    may_block: bool,
    txn: &mut Transaction<'_>,
) -> Result<Answer, Refusal> {
    let grammar = Grammar::parse(kind, args, txn)?;
    let mut request = grammar.request(kind, db, txn)?;
    if let Some(outcome) = txn.read(&mut request)? {
        return Ok(Answer::Reply(Reply::Read(outcome)));
    }
    match grammar.block_ms {
        Some(block_ms) if may_block => Ok(Answer::Park {
            request: Box::new(request),
            block_ms: Some(block_ms).filter(|ms| *ms > 0),
        }),
        _ => Ok(Answer::Reply(Reply::NilArray)),
    }
}

impl<'a> Grammar<'a> {
    fn parse(kind: Kind, args: &'a [&'a [u8]], txn: &Transaction<'_>) -> Result<Self, Refusal> {
        let mut grammar = Self::default();
        let mut options = Options::new(args, 1);
        while options.left() > 0 {
            if options.take_word("COUNT", 1) {
                grammar.count = positive(options.integer()?);
            } else if options.take_word("STREAMS", 1) {
                grammar.streams(kind, options.rest())?;
                break;
            } else if options.take_word("BLOCK", 1) {
                grammar.block_ms = Some(timeout(options.value(), txn)?);
            } else if options.take_word("MAXCOUNT", 1) {
                let total = parse_i64(options.value()).and_then(positive);
                let text = "ERR MAXCOUNT must be a positive integer";
                grammar.count_total = Some(total.ok_or(Refusal::text(text))?);
            } else if options.take_word("MAXSIZE", 1) {
                let bytes = parse_i64(options.value()).filter(|bytes| *bytes > 0);
                let text = "ERR MAXSIZE must be a positive integer";
                grammar.bytes_max = Some(bytes.ok_or(Refusal::text(text))?.cast_unsigned());
            } else {
                grammar.group_option(kind, &mut options)?;
            }
        }
        if grammar.keys.is_empty() {
            return Err(Refusal::SYNTAX);
        }
        if kind == Kind::Group && grammar.group.is_none() {
            return Err(Refusal::text("ERR Missing GROUP option for XREADGROUP"));
        }
        if grammar.count.zip(grammar.count_total).is_some_and(|(count, total)| total < count) {
            return Err(Refusal::text("ERR MAXCOUNT must be greater than or equal to COUNT"));
        }
        Ok(grammar)
    }

    fn group_option(&mut self, kind: Kind, options: &mut Options<'a>) -> Result<(), Refusal> {
        let only_for_groups = |text| match kind {
            Kind::Plain => Err(Refusal::text(text)),
            Kind::Group => Ok(()),
        };
        if options.take_word("GROUP", 2) {
            only_for_groups(
                "ERR The GROUP option is only supported by XREADGROUP. You called XREAD instead.",
            )?;
            self.group = Some((options.value(), options.value()));
        } else if options.take_word("NOACK", 0) {
            only_for_groups(
                "ERR The NOACK option is only supported by XREADGROUP. You called XREAD instead.",
            )?;
            self.noack = true;
        } else if options.take_word("CLAIM", 1) {
            only_for_groups(
                "ERR The CLAIM option is only supported by XREADGROUP. You called XREAD instead.",
            )?;
            let text = "ERR min-idle-time is not an integer or out of range";
            let idle = parse_i64(options.value()).ok_or(Refusal::text(text))?;
            let text = "ERR min-idle-time must be a positive integer";
            self.claim_min_idle_ms = Some(u64::try_from(idle).map_err(|_| Refusal::text(text))?);
        } else {
            return Err(Refusal::SYNTAX);
        }
        Ok(())
    }

    fn streams(&mut self, kind: Kind, rest: &'a [&'a [u8]]) -> Result<(), Refusal> {
        if !rest.len().is_multiple_of(2) {
            return Err(Refusal::text(match kind {
                Kind::Plain => {
                    "ERR Unbalanced 'xread' list of streams: for each stream key an ID, '+', or \
                     '$' must be specified."
                }
                Kind::Group => {
                    "ERR Unbalanced 'xreadgroup' list of streams: for each stream key an ID or \
                     '>' must be specified."
                }
            }));
        }
        (self.keys, self.ids) = rest.split_at(rest.len() / 2);
        Ok(())
    }

    /// The request, or the first error in the order of the streams: key, group, then id of each.
    fn request(
        &self,
        kind: Kind,
        db: u8,
        txn: &mut Transaction<'_>,
    ) -> Result<ReadRequest, Refusal> {
        let mut streams = Vec::with_capacity(self.keys.len());
        for (key, text) in self.keys.iter().zip(self.ids) {
            let Ok(from) = kind.read_from(text) else {
                return Err(self.first_error(kind, db, txn));
            };
            streams.push(StreamPosition { key: Bytes::copy_from_slice(key), from });
        }
        let group = self.group.map(|(group, consumer)| GroupReader {
            group: Bytes::copy_from_slice(group),
            consumer: Bytes::copy_from_slice(consumer),
            noack: self.noack,
            claim_min_idle_ms: self.claim_min_idle_ms,
        });
        Ok(ReadRequest {
            db,
            group,
            streams,
            count: self.count,
            count_total: self.count_total,
            bytes_max: self.bytes_max,
        })
    }

    /// One of the ids is bad: which stream's fault comes first?
    fn first_error(&self, kind: Kind, db: u8, txn: &mut Transaction<'_>) -> Refusal {
        for (key, text) in self.keys.iter().zip(self.ids) {
            if let Err(rejection) = txn.check_read(db, key, self.group.map(|(group, _)| group)) {
                return rejection.into();
            }
            if let Err(refusal) = kind.read_from(text) {
                return refusal;
            }
        }
        Refusal::INVALID_ID
    }
}

fn positive(number: i64) -> Option<usize> {
    usize::try_from(number).ok().filter(|number| *number > 0)
}

fn timeout(text: &[u8], txn: &Transaction<'_>) -> Result<u64, Refusal> {
    let text =
        parse_i64(text).ok_or(Refusal::text("ERR timeout is not an integer or out of range"))?;
    let ms = u64::try_from(text).map_err(|_| Refusal::text("ERR timeout is negative"))?;
    let fits = i64::try_from(txn.now().wall_ms).is_ok_and(|now| now.checked_add(text).is_some());
    if fits { Ok(ms) } else { Err(Refusal::text("ERR timeout is out of range")) }
}

fn plain_read_from(text: &[u8]) -> Result<ReadFrom, Refusal> {
    match text {
        b"$" => Ok(ReadFrom::End),
        b"+" => Ok(ReadFrom::Last),
        b">" => Err(Refusal::text(
            "ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> \
             <consumer> option.",
        )),
        _ => parse_strict(text, 0).map(ReadFrom::After).ok_or(Refusal::INVALID_ID),
    }
}

fn group_read_from(text: &[u8]) -> Result<ReadFrom, Refusal> {
    match text {
        b">" => Ok(ReadFrom::New),
        b"$" => Err(Refusal::text(
            "ERR The $ ID is meaningless in the context of XREADGROUP: you want to read the \
             history of this consumer by specifying a proper ID, or use the > ID to get new \
             messages. The $ ID would just return an empty result set.",
        )),
        b"+" => Err(Refusal::text(
            "ERR The + ID is meaningless in the context of XREADGROUP: you want to read the \
             history of this consumer by specifying a proper ID, or use the > ID to get new \
             messages. The + ID would just return an empty result set.",
        )),
        // The largest id means the same as `>`, as in Redis.
        _ => match parse_strict(text, 0) {
            Some(EntryId::MAX) => Ok(ReadFrom::New),
            Some(id) => Ok(ReadFrom::After(id)),
            None => Err(Refusal::INVALID_ID),
        },
    }
}
