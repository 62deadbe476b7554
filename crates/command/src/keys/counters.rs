//! INCR, DECR, INCRBY, DECRBY, INCRBYFLOAT: strings that are numbers.

use bytes::Bytes;
use millstream_engine::{StringExpiry, StringForm, Transaction};

use crate::Reply;
use crate::extended_float::ExtendedFloat;
use crate::integer::parse_i64;
use crate::options::integer;
use crate::refusal::{Outcome, Refusal};

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
        Some(_) => txn.replace_string(db, key, text, StringForm::Any)?,
        None => txn.set_string(db, key, text, StringExpiry::None),
    }
    Ok(Reply::Int(number))
}

/// INCRBYFLOAT
pub(crate) fn add_float(args: &[&[u8]], db: u8, txn: &mut Transaction<'_>) -> Outcome {
    const NO_FLOAT: Refusal = Refusal::text("ERR value is not a valid float");
    let key = args[1];
    let before = txn.string(db, key)?;
    let number = |text: &[u8]| ExtendedFloat::parse(text).ok_or(NO_FLOAT);
    let value = before.as_deref().map_or(Ok(ExtendedFloat::ZERO), number)?;
    let sum = value
        .add(number(args[2])?)
        .map_err(|_| Refusal::text("ERR increment would produce NaN or Infinity"))?;
    let text = Bytes::from(sum.to_text());
    if before.is_none() {
        txn.set_string(db, key, Bytes::new(), StringExpiry::None);
    }
    txn.replace_string(db, key, text.clone(), StringForm::Text)?;
    Ok(Reply::Bulk(text))
}
