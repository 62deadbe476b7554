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

/// What must hold for a SET to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Condition<'a> {
    Missing,
    Exists,
    Equal(&'a [u8]),
    Different(&'a [u8]),
    /// The value's digest, in hexadecimal.
    DigestEqual(&'a [u8]),
    DigestDifferent(&'a [u8]),
}

impl<'a> Condition<'a> {
    /// Takes a condition if one comes next; a second one only if it is the same word.
    fn take(options: &mut Options<'a>, before: Option<Self>) -> Option<Self> {
        let may = |sample: Self| {
            before.is_none_or(|b| std::mem::discriminant(&b) == std::mem::discriminant(&sample))
        };
        if may(Self::Missing) && options.take_word("NX", 0) {
            Some(Self::Missing)
        } else if may(Self::Exists) && options.take_word("XX", 0) {
            Some(Self::Exists)
        } else if may(Self::Equal(b"")) && options.take_word("IFEQ", 1) {
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

    /// Whether it looks at the value, so that a value of another type is refused.
    fn compares(self) -> bool {
        !matches!(self, Self::Missing | Self::Exists)
    }

    fn holds(self, exists: bool, value: Option<&[u8]>) -> bool {
        let digest = |value: &[u8]| format!("{:016x}", xxh3_64(value)).into_bytes();
        match self {
            Self::Missing => !exists,
            Self::Exists => exists,
            Self::Equal(expected) => value == Some(expected),
            Self::Different(unwanted) => value != Some(unwanted),
            Self::DigestEqual(expected) => {
                value.is_some_and(|value| digest(value).eq_ignore_ascii_case(expected))
            }
            Self::DigestDifferent(unwanted) => {
                value.is_none_or(|value| !digest(value).eq_ignore_ascii_case(unwanted))
            }
        }
    }
}

#[derive(Default)]
struct SetOptions<'a> {
    condition: Option<Condition<'a>>,
    returns_old: bool,
    keeps_expiry: bool,
    expiry: Option<(TimeForm, &'a [u8])>,
}

impl<'a> SetOptions<'a> {
    fn parse(args: &'a [&'a [u8]]) -> Result<Self, Refusal> {
        let mut options = Options::new(args, 3);
        let mut set = Self::default();
        while options.left() > 0 {
            if let Some(condition) = Condition::take(&mut options, set.condition) {
                set.condition = Some(condition);
            } else if options.take_word("GET", 0) {
                set.returns_old = true;
            } else if set.expiry.is_none() && options.take_word("KEEPTTL", 0) {
                set.keeps_expiry = true;
            } else if set.expiry.is_none()
                && !set.keeps_expiry
                && let Some(form) = time_word(&mut options)
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

fn time_word(options: &mut Options<'_>) -> Option<TimeForm> {
    let forms =
        [("EX", true, false), ("PX", false, false), ("EXAT", true, true), ("PXAT", false, true)];
    let taken = forms.into_iter().find(|(word, ..)| options.take_word(word, 1));
    taken.map(|(_, seconds, absolute)| TimeForm { seconds, absolute })
}

pub(crate) fn set(args: &[&[u8]], db: u8, txn: &mut Transaction<'_>) -> Outcome {
    let options = SetOptions::parse(args)?;
    let expiry = options.expiry(txn.now().wall_ms)?;
    let key = args[1];
    let compares = options.condition.is_some_and(Condition::compares);
    let old = if options.returns_old || compares { txn.string(db, key)? } else { None };
    let exists = txn.kind(db, key).is_some();
    let holds = options.condition.is_none_or(|condition| condition.holds(exists, old.as_deref()));
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
