//! GET, SET and their older forms, APPEND, STRLEN, and several strings at once; counters are in
//! `counters.rs`.

use bytes::Bytes;
use millstream_engine::{ExpiryCondition, StringExpiry, Transaction};
use xxhash_rust::xxh3::xxh3_64;

use super::expire::{TimeForm, invalid_expire_time};
use crate::Reply;
use crate::options::{Options, integer};
use crate::refusal::{Outcome, Refusal};

pub(crate) fn get(args: &[&[u8]], db: u8, txn: &mut Transaction<'_>) -> Outcome {
    Ok(txn.string(db, args[1])?.map_or(Reply::Nil, Reply::Bulk))
}

/// How the value must compare for a SET to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparison<'a> {
    Equal(&'a [u8]),
    Different(&'a [u8]),
    /// The value's digest, in hexadecimal.
    DigestEqual(&'a [u8]),
    DigestDifferent(&'a [u8]),
}

impl<'a> Comparison<'a> {
    /// Takes a comparison if one comes next; a second one only if it is the same word.
    fn take(options: &mut Options<'a>, before: Option<Self>) -> Option<Self> {
        let may = |sample: Self| {
            before.is_none_or(|b| std::mem::discriminant(&b) == std::mem::discriminant(&sample))
        };
        if may(Self::Equal(b"")) && options.take_word("IFEQ", 1) {
            Some(Self::Equal(options.value()))
        } else if may(Self::Different(b"")) && options.take_word("IFNE", 1) {
            Some(Self::Different(options.value()))
        } else if may(Self::DigestEqual(b"")) && options.take_word("IFDEQ", 1) {
            Some(Self::DigestEqual(options.value()))
        } else if may(Self::DigestDifferent(b"")) && options.take_word("IFDNE", 1) {
            Some(Self::DigestDifferent(options.value()))
        } else {
            None
        }
    }

    /// A missing value differs from any other. A digest is judged only where there is a value.
    fn holds(self, value: Option<&[u8]>) -> Result<bool, Refusal> {
        let Some(value) = value else {
            return Ok(matches!(self, Self::Different(_) | Self::DigestDifferent(_)));
        };
        let has_digest = |expected: &[u8]| {
            if expected.len() != 16 {
                return Err(Refusal::text("ERR must be exactly 16 hexadecimal characters"));
            }
            let digest = format!("{:016x}", xxh3_64(value));
            Ok(digest.as_bytes().eq_ignore_ascii_case(expected))
        };
        Ok(match self {
            Self::Equal(expected) => value == expected,
            Self::Different(unwanted) => value != unwanted,
            Self::DigestEqual(expected) => has_digest(expected)?,
            Self::DigestDifferent(unwanted) => !has_digest(unwanted)?,
        })
    }
}

#[derive(Default)]
struct SetOptions<'a> {
    /// NX: `Some(false)`, XX: `Some(true)`.
    must_exist: Option<bool>,
    comparison: Option<Comparison<'a>>,
    returns_old: bool,
    keeps_expiry: bool,
    expiry: Option<(TimeForm, &'a [u8])>,
}

impl<'a> SetOptions<'a> {
    /// NX or XX may follow a comparison, and then both must hold, but no comparison follows them:
    /// so it is in Redis.
    fn parse(args: &'a [&'a [u8]]) -> Result<Self, Refusal> {
        let mut options = Options::new(args, 3);
        let mut set = Self::default();
        while options.left() > 0 {
            if set.must_exist != Some(true) && options.take_word("NX", 0) {
                set.must_exist = Some(false);
            } else if set.must_exist != Some(false) && options.take_word("XX", 0) {
                set.must_exist = Some(true);
            } else if set.must_exist.is_none()
                && let Some(comparison) = Comparison::take(&mut options, set.comparison)
            {
                set.comparison = Some(comparison);
            } else if options.take_word("GET", 0) {
                set.returns_old = true;
            } else if set.expiry.is_none() && options.take_word("KEEPTTL", 0) {
                set.keeps_expiry = true;
            } else if !set.keeps_expiry
                && let Some(form) = time_word(&mut options, set.expiry.map(|(form, _)| form))
            {
                set.expiry = Some((form, options.value()));
            } else {
                return Err(Refusal::SYNTAX);
            }
        }
        Ok(set)
    }

    fn expiry(&self, now_ms: u64) -> Result<StringExpiry, Refusal> {
        let Some((form, text)) = self.expiry else {
            let keeps = self.keeps_expiry;
            return Ok(if keeps { StringExpiry::Keep } else { StringExpiry::None });
        };
        future(form, text, now_ms, "set").map(StringExpiry::At)
    }
}

/// A time above zero, in Unix milliseconds.
fn future(form: TimeForm, text: &[u8], now_ms: u64, name: &str) -> Result<i64, Refusal> {
    let value = integer(text)?;
    let at_ms = form.to_unix_ms(value, now_ms).filter(|_| value > 0);
    at_ms.ok_or_else(|| invalid_expire_time(name))
}

/// A second time only with the same word: the last one counts.
fn time_word(options: &mut Options<'_>, before: Option<TimeForm>) -> Option<TimeForm> {
    let forms =
        [("EX", true, false), ("PX", false, false), ("EXAT", true, true), ("PXAT", false, true)];
    let forms = forms.map(|(word, seconds, absolute)| (word, TimeForm { seconds, absolute }));
    let may = |form: TimeForm| before.is_none_or(|before| before == form);
    let taken = forms.into_iter().find(|(word, form)| may(*form) && options.take_word(word, 1));
    taken.map(|(_, form)| form)
}

pub(crate) fn set(args: &[&[u8]], db: u8, txn: &mut Transaction<'_>) -> Outcome {
    let options = SetOptions::parse(args)?;
    let expiry = options.expiry(txn.now().wall_ms)?;
    let key = args[1];
    let old = if options.returns_old { txn.string(db, key)? } else { None };
    let exists = txn.is_taken(db, key);
    let mut holds = options.must_exist.is_none_or(|must| must == exists);
    if holds && let Some(comparison) = options.comparison {
        holds = comparison.holds(txn.string(db, key)?.as_deref())?;
    }
    if holds {
        txn.set_string(db, key, Bytes::copy_from_slice(args[2]), expiry);
    }
    Ok(match (options.returns_old, holds) {
        (true, _) => old.map_or(Reply::Nil, Reply::Bulk),
        (false, true) => Reply::OK,
        (false, false) => Reply::Nil,
    })
}

/// SETNX
pub(crate) fn set_if_free(args: &[&[u8]], db: u8, txn: &mut Transaction<'_>) -> Outcome {
    let is_free = !txn.is_taken(db, args[1]);
    if is_free {
        txn.set_string(db, args[1], Bytes::copy_from_slice(args[2]), StringExpiry::None);
    }
    Ok(Reply::Int(is_free.into()))
}

/// SETEX, PSETEX
pub(crate) fn set_for_time(
    args: &[&[u8]],
    name: &str,
    form: TimeForm,
    db: u8,
    txn: &mut Transaction<'_>,
) -> Outcome {
    let at_ms = future(form, args[2], txn.now().wall_ms, name)?;
    let value = Bytes::copy_from_slice(args[3]);
    txn.set_string(db, args[1], value, StringExpiry::At(at_ms));
    Ok(Reply::OK)
}

/// GETSET
pub(crate) fn get_and_set(args: &[&[u8]], db: u8, txn: &mut Transaction<'_>) -> Outcome {
    let old = txn.string(db, args[1])?;
    txn.set_string(db, args[1], Bytes::copy_from_slice(args[2]), StringExpiry::None);
    Ok(old.map_or(Reply::Nil, Reply::Bulk))
}

/// GETDEL
pub(crate) fn get_and_delete(args: &[&[u8]], db: u8, txn: &mut Transaction<'_>) -> Outcome {
    let Some(value) = txn.string(db, args[1])? else { return Ok(Reply::Nil) };
    txn.remove(db, args[1]);
    Ok(Reply::Bulk(value))
}

/// What GETEX does to the expiry.
enum Lifespan<'a> {
    Unchanged,
    Unlimited,
    Until(TimeForm, &'a [u8]),
}

/// GETEX
pub(crate) fn get_and_expire(args: &[&[u8]], db: u8, txn: &mut Transaction<'_>) -> Outcome {
    let mut options = Options::new(args, 2);
    let mut lifespan = Lifespan::Unchanged;
    while options.left() > 0 {
        let before = match lifespan {
            Lifespan::Until(form, _) => Some(form),
            _ => None,
        };
        if !matches!(lifespan, Lifespan::Until(..)) && options.take_word("PERSIST", 0) {
            lifespan = Lifespan::Unlimited;
        } else if !matches!(lifespan, Lifespan::Unlimited)
            && let Some(form) = time_word(&mut options, before)
        {
            lifespan = Lifespan::Until(form, options.value());
        } else {
            return Err(Refusal::SYNTAX);
        }
    }
    let Some(value) = txn.string(db, args[1])? else { return Ok(Reply::Nil) };
    match lifespan {
        Lifespan::Unchanged => {}
        Lifespan::Unlimited => {
            txn.persist(db, args[1]);
        }
        Lifespan::Until(form, text) => {
            let at_ms = future(form, text, txn.now().wall_ms, "getex")?;
            txn.set_expiry(db, args[1], at_ms, ExpiryCondition::default());
        }
    }
    Ok(Reply::Bulk(value))
}

/// MGET: nil for what is missing, and for what is no string.
pub(crate) fn get_all(args: &[&[u8]], db: u8, txn: &mut Transaction<'_>) -> Outcome {
    let value = |key: &&[u8]| txn.string(db, key).ok().flatten().map_or(Reply::Nil, Reply::Bulk);
    Ok(Reply::Array(args[1..].iter().map(value).collect()))
}

/// MSET; MSETNX sets all or nothing.
pub(crate) fn set_all(
    args: &[&[u8]],
    name: &'static str,
    only_if_free: bool,
    db: u8,
    txn: &mut Transaction<'_>,
) -> Result<bool, Refusal> {
    if args.len().is_multiple_of(2) {
        return Err(Refusal::wrong_arity(name));
    }
    let pairs = args[1..].chunks_exact(2);
    if only_if_free && pairs.clone().any(|pair| txn.is_taken(db, pair[0])) {
        return Ok(false);
    }
    for pair in pairs {
        txn.set_string(db, pair[0], Bytes::copy_from_slice(pair[1]), StringExpiry::None);
    }
    Ok(true)
}

/// STRLEN
pub(crate) fn length(args: &[&[u8]], db: u8, txn: &mut Transaction<'_>) -> Outcome {
    Ok(Reply::count(txn.string(db, args[1])?.map_or(0, |value| value.len())))
}

/// APPEND
pub(crate) fn append(args: &[&[u8]], db: u8, txn: &mut Transaction<'_>) -> Outcome {
    /// Redis' `proto-max-bulk-len` as it is by default: what a client can be sent.
    const STRING_BYTES_MAX: usize = 512 << 20;
    let (key, suffix) = (args[1], args[2]);
    let Some(before) = txn.string(db, key)? else {
        txn.set_string(db, key, Bytes::copy_from_slice(suffix), StringExpiry::None);
        return Ok(Reply::count(suffix.len()));
    };
    if before.len() + suffix.len() > STRING_BYTES_MAX {
        return Err(Refusal::text("ERR string exceeds maximum allowed size (proto-max-bulk-len)"));
    }
    drop(before);
    Ok(Reply::count(txn.append_to_string(db, key, suffix)?))
}
