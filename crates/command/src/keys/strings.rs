//! GET, SET, INCR, INCRBY, DECR, DECRBY.

use bytes::Bytes;
use millstream_engine::{StringExpiry, Transaction};
use xxhash_rust::xxh3::xxh3_64;

use super::expire::{TimeForm, invalid_expire_time};
use crate::Reply;
use crate::integer::parse_i64;
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
        let value = integer(text)?;
        let at_ms = form.to_unix_ms(value, now_ms).filter(|_| value > 0);
        at_ms.map(StringExpiry::At).ok_or_else(|| invalid_expire_time("set"))
    }
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
    let exists = txn.kind(db, key).is_some();
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

/// INCRBY
pub(crate) fn increment_by(args: &[&[u8]], db: u8, txn: &mut Transaction<'_>) -> Outcome {
    add(args[1], integer(args[2])?, db, txn)
}

/// DECRBY
pub(crate) fn decrement_by(args: &[&[u8]], db: u8, txn: &mut Transaction<'_>) -> Outcome {
    let difference = integer(args[2])?.checked_neg();
    add(args[1], difference.ok_or(Refusal::text("ERR decrement would overflow"))?, db, txn)
}

pub(crate) fn add(key: &[u8], difference: i64, db: u8, txn: &mut Transaction<'_>) -> Outcome {
    let before = txn.string(db, key)?;
    let number = match &before {
        Some(text) => parse_i64(text).ok_or(Refusal::NOT_AN_INTEGER)?,
        None => 0,
    };
    let number = number
        .checked_add(difference)
        .ok_or(Refusal::text("ERR increment or decrement would overflow"))?;
    let text = Bytes::from(number.to_string());
    match before {
        Some(_) => txn.replace_string(db, key, text)?,
        None => txn.set_string(db, key, text, StringExpiry::None),
    }
    Ok(Reply::Int(number))
}
